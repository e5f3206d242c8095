//! The words that all filesystems share, and the two traits.

use block::{Error, Extent, ExtentSet, Object, Result, Unsupported};

use crate::{Past, Tail};

/// A file's number within its filesystem: the inode number; on FAT, where its directory entry lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InodeId(pub u64);

/// What an inode is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A Unix socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

/// One name in a directory. `.` and `..` are not reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Raw bytes as the guest's kernel would show them; any byte but `/` and NUL. FAT long names as UTF-8.
    pub name: Vec<u8>,
    /// What it names.
    pub inode: InodeId,
    /// What that is.
    pub kind: FileKind,
}

/// What an inode says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, with setuid, setgid and sticky: `0o7777`.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// How many names it has.
    pub links: u32,
    /// Size in bytes.
    pub size: u64,
    /// Last change of the content, in seconds since 1970.
    pub mtime: i64,
    /// Name or content is encrypted in the image (fscrypt): names are raw ciphertext, content cannot be read.
    pub encrypted: bool,
}

/// What a filesystem says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// `ext4`, `vfat`, `swap`: as blkid(8) calls it.
    pub kind: &'static str,
    /// Volume label, without padding.
    pub label: String,
    /// UUID or serial number, as blkid(8) prints it.
    pub uuid: String,
    /// Size of the filesystem in bytes; the volume may be larger.
    pub size: u64,
    /// Allocation unit in bytes.
    pub block_size: u32,
    /// Features by the names of the filesystem's own tools.
    pub features: Vec<String>,
    /// Whether a journal has to be replayed, or the volume was not unmounted cleanly.
    pub dirty: bool,
    /// What a report has to say about it: encrypted directories that stay as they are, a hibernation image ...
    pub notes: Vec<String>,
}

/// Who needs a live byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The filesystem itself: superblock, tables, bitmaps, boot record.
    Metadata,
    /// The map of an inode: extent tree, indirect blocks, xattr blocks, directory blocks.
    Mapping(InodeId),
    /// The content of an inode.
    Data(InodeId),
}

/// Why allocated bytes are dead: what they hold is reachable for nobody, so it is residue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Residue {
    /// The body of a journal that has been replayed.
    Journal,
    /// Extents that read as zero: allocated, never written.
    Unwritten,
    /// Behind the end of a file, in its last block or in blocks preallocated beyond.
    Slack,
    /// Parts of an inode table that hold no live inode.
    DeadInode,
    /// Reserved by the format or for growth, and never read: padding of superblock copies, reserved GDT blocks.
    Reserved,
    /// Allocated in a cluster of which the file uses only other blocks (bigalloc).
    Unmapped,
    /// The body of a swap area.
    Swap,
    /// What the metadata area of an LVM2 physical volume holds besides its header and the current text: older texts.
    OldMetadata,
}

/// What a filesystem says of some allocated bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// Needed: copied.
    Live(Owner),
    /// Allocated but dead: not copied. The inode is the file whose slack, unwritten or unmapped bytes these are.
    Dead(Residue, Option<InodeId>),
}

/// A name to change: an entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The directory that holds the name.
    pub parent: InodeId,
    /// The name in it.
    pub name: Vec<u8>,
    /// What it names; checked against the directory before anything is changed.
    pub inode: InodeId,
}

/// An edit of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The name goes; with its last name, the inode and all that it holds. A directory goes with its whole tree.
    Remove,
    /// The content goes; name, owner, mode, times, xattrs stay. Regular files only.
    Truncate,
    /// The content becomes these bytes, smaller or larger; all else stays. Regular files only.
    Overwrite(Vec<u8>),
}

/// What a new name is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewKind {
    /// A regular file with this content.
    File(Vec<u8>),
    /// A directory without a name in it.
    Directory,
    /// A symbolic link that leads there.
    Symlink(Vec<u8>),
}

impl NewKind {
    /// Which kind of file that makes.
    #[must_use]
    pub const fn file_kind(&self) -> FileKind {
        match self {
            Self::File(_) => FileKind::File,
            Self::Directory => FileKind::Directory,
            Self::Symlink(_) => FileKind::Symlink,
        }
    }
}

/// A name to be made, and all that it is to be: nothing is taken from the process, nothing from a clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// What it is.
    pub kind: NewKind,
    /// Permission bits, with setuid, setgid and sticky: `0o7777`. Linux gives symbolic links `0o777`.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group; that of a setgid directory is not taken over.
    pub gid: u32,
    /// All of its times, in seconds since 1970.
    pub time: i64,
    /// Extended attributes: name with its prefix (`security.selinux`), and value. No default ACL is taken over.
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What [`FilesystemMut::recover`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Transactions replayed from the journal, fast commits included.
    pub transactions: u64,
    /// Blocks that the replay wrote.
    pub blocks: u64,
    /// Unlinked but once open inodes that were freed or truncated.
    pub orphans: u64,
}

/// A filesystem that can be read.
///
/// Everything here is derived from what the filesystem's structures reach, except
/// [`allocated`](Filesystem::allocated), which is the allocator's own word: two witnesses that must agree.
pub trait Filesystem {
    /// What it says of itself. Fails only if the medium does.
    fn summary(&self) -> Result<Summary>;

    /// Reports every allocated byte once, live or dead, derived from inodes and maps, never from free maps.
    /// The order is arbitrary but always the same. A byte that two structures claim is `Corrupt`.
    fn claims(&self, visit: &mut dyn FnMut(Extent, Claim) -> Result<()>) -> Result<()>;

    /// The bytes that the allocator's bitmaps or table call in use, fixed metadata included.
    fn allocated(&self) -> Result<ExtentSet>;

    /// Reports bytes inside live metadata that are in no used field or entry, and not zero: residue of which
    /// [`claims`](Filesystem::claims) says nothing. Each run from its first to its last such byte, in an arbitrary
    /// order that is always the same. Nothing after [`recover`](FilesystemMut::recover) and
    /// [`scrub`](FilesystemMut::scrub).
    fn tails(&self, visit: &mut dyn FnMut(Extent, Tail) -> Result<()>) -> Result<()>;

    /// The root directory. A swap area has none.
    fn root(&self) -> Option<InodeId>;

    /// Reports each name of a directory, in the order on disk.
    fn entries(&self, dir: InodeId, visit: &mut dyn FnMut(Entry) -> Result<()>) -> Result<()>;

    /// The witness for names: `Corrupt` if two names of a directory are one, if a name leads to an inode that is not in use,
    /// or is not of the kind that [`entries`](Filesystem::entries) says, if a directory has two, if there is an inode in use
    /// that no names lead to from the root (nor, if it holds the value of an attribute, that attribute), or if other than a
    /// directory counts more or fewer names than it has. Of a recovered filesystem. Nothing to ask where there are no names.
    fn check_names(&self) -> Result<()> {
        Ok(())
    }

    /// What an inode says of itself.
    fn metadata(&self, inode: InodeId) -> Result<Metadata>;

    /// Reads content of a regular file from `offset` on. Returns how much: short only at the end of the file.
    fn read(&self, inode: InodeId, offset: u64, buf: &mut [u8]) -> Result<usize>;

    /// Reports where the written content of a regular file lies: offset in the file, and the volume's bytes that
    /// hold it, in the file's order. Holes and unwritten extents are left out; so is content that lies inside
    /// the inode.
    fn extents(&self, inode: InodeId, visit: &mut dyn FnMut(u64, Extent) -> Result<()>) -> Result<()>;

    /// Where a symbolic link points to.
    fn link_target(&self, inode: InodeId) -> Result<Vec<u8>>;

    /// `Ok` if [`FilesystemMut::change`] will carry out this change, so that a plan is exact before the first
    /// edit; `Unsupported` with the reason otherwise.
    fn supports(&self, target: &Target, change: &Change) -> Result<()>;

    /// `Ok` if [`FilesystemMut::create`] will make this name in this directory, as things are now; otherwise its
    /// error. Nothing is changed.
    fn supports_create(&self, _dir: InodeId, _name: &[u8], _new: &NewEntry) -> Result<()> {
        Err(no_creation())
    }

    /// The value of an extended attribute, by its name with the prefix: `security.selinux`. `None` if the inode has
    /// no such attribute, or the filesystem none at all.
    fn attribute(&self, _inode: InodeId, _name: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    /// Reports what residue once was, as far as the volume still tells: the blocks of its journal, then content of
    /// files that are gone. Reads a recovered filesystem as well as one with a pending journal; of the latter, files
    /// that only the journal knows count as gone. A record that makes no sense is passed over in silence. Fails where
    /// [`claims`](Filesystem::claims) fails on the fixed metadata.
    fn history(&self, _visit: &mut dyn FnMut(Past) -> Result<()>) -> Result<()> {
        Ok(())
    }
}

/// A filesystem on a view that can be edited. Every edit leaves the filesystem's own checker silent.
pub trait FilesystemMut: Filesystem {
    /// Replays the journal, processes orphans, then marks the journal empty. Must come before all else.
    /// A clean filesystem is left as it is, but for the journal's emptied header.
    fn recover(&mut self) -> Result<Recovery>;

    /// Carries out one change. What the filesystem says of its space and of the directory counts again after the scrub.
    fn change(&mut self, target: &Target, change: &Change) -> Result<()>;

    /// Makes a name in a directory that has none of that name, and returns the new inode. The directory keeps its
    /// times. An error of any kind but the medium's leaves every byte as it was.
    fn create(&mut self, _dir: InodeId, _name: &[u8], _new: &NewEntry) -> Result<InodeId> {
        Err(no_creation())
    }

    /// Zeroes residue inside live metadata (names in directory tails, gaps between xattrs, stale entries behind
    /// the last one, superblock strings) and redoes the checksums. Returns the bytes that were not zero.
    fn scrub(&mut self) -> Result<u64>;
}

/// What a filesystem says that has no way to make a name.
fn no_creation() -> Error {
    Unsupported::new(Object::the("filesystem"), "creating files in all but ext2, ext3, ext4 and XFS").into()
}

/// The attribute that holds a SELinux label.
pub const LABEL: &[u8] = b"security.selinux";

/// The SELinux label of a directory as an attribute for what is made in it: none without labels. A policy may have
/// another for a path of its own, which is for the caller to know.
pub fn label_of(filesystem: &dyn Filesystem, dir: InodeId) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
    Ok(filesystem.attribute(dir, LABEL)?.map(|label| (LABEL.to_vec(), label)))
}
