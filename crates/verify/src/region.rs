//! The class of a byte: what it is to the image that holds it. Every byte has one.

use std::fmt;

use filesystem::{Residue, Tail};
use serde::Serialize;

/// What a byte of a disk, or of the file that holds one, is.
///
/// The first three are live. Of all others, a byte that is not zero is residue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Region {
    /// The content of a file.
    File,
    /// What a filesystem or a partition table needs for itself.
    Metadata,
    /// Code that a firmware or a boot loader reads.
    BootCode,
    /// Outside all partitions.
    Gap,
    /// In a volume, but not allocated.
    Free,
    /// In a journal: old copies of blocks.
    Journal,
    /// In extents that were never written.
    Unwritten,
    /// Behind the end of a file.
    Slack,
    /// In inode slots that hold no inode.
    DeadInode,
    /// In a directory, but in no entry: names that were removed or moved.
    DirectoryTail,
    /// In other live metadata, but in no field or entry that is used.
    MetadataTail,
    /// In padding and reserved blocks.
    Reserved,
    /// In a cluster that its file does not map.
    Unmapped,
    /// In a swap area.
    Swap,
    /// In the metadata area of an LVM2 physical volume, but not in the current text: what groups and volumes once were.
    OldMetadata,
    /// In a volume without a filesystem.
    Empty,
    /// In a volume that cannot be read.
    Opaque,
    /// Allocated, but owned by nothing.
    Unowned,
    /// Owned, but free in the allocation bitmap: the filesystem is inconsistent.
    OwnedButFree,
    /// In the image file, but in nothing that the guest can read: leaked clusters, snapshots, old tables.
    Container,
}

impl Region {
    /// Every class, in the order of reports.
    pub const ALL: [Self; 20] = [
        Self::File,
        Self::Metadata,
        Self::BootCode,
        Self::Gap,
        Self::Free,
        Self::Journal,
        Self::Unwritten,
        Self::Slack,
        Self::DeadInode,
        Self::DirectoryTail,
        Self::MetadataTail,
        Self::Reserved,
        Self::Unmapped,
        Self::Swap,
        Self::OldMetadata,
        Self::Empty,
        Self::Opaque,
        Self::Unowned,
        Self::OwnedButFree,
        Self::Container,
    ];

    /// Whether somebody can reach the byte.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::File | Self::Metadata | Self::BootCode)
    }

    /// The class in one or two words, as it is written in JSON: `dead-inode`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Metadata => "metadata",
            Self::BootCode => "boot-code",
            Self::Gap => "gap",
            Self::Free => "free",
            Self::Journal => "journal",
            Self::Unwritten => "unwritten",
            Self::Slack => "slack",
            Self::DeadInode => "dead-inode",
            Self::DirectoryTail => "directory-tail",
            Self::MetadataTail => "metadata-tail",
            Self::Reserved => "reserved",
            Self::Unmapped => "unmapped",
            Self::Swap => "swap",
            Self::OldMetadata => "old-metadata",
            Self::Empty => "empty",
            Self::Opaque => "opaque",
            Self::Unowned => "unowned",
            Self::OwnedButFree => "owned-but-free",
            Self::Container => "container",
        }
    }
}

impl Region {
    /// The class as one lower-case letter: a cell of a picture.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::File => 'f',
            Self::Metadata => 'm',
            Self::BootCode => 'b',
            Self::Gap => 'g',
            Self::Free => 'a',
            Self::Journal => 'j',
            Self::Unwritten => 'u',
            Self::Slack => 's',
            Self::DeadInode => 'i',
            Self::DirectoryTail => 'd',
            Self::MetadataTail => 't',
            Self::Reserved => 'r',
            Self::Unmapped => 'p',
            Self::Swap => 'w',
            Self::OldMetadata => 'l',
            Self::Empty => 'e',
            Self::Opaque => 'o',
            Self::Unowned => 'n',
            Self::OwnedButFree => 'x',
            Self::Container => 'c',
        }
    }
}

impl From<Residue> for Region {
    fn from(residue: Residue) -> Self {
        match residue {
            Residue::Journal => Self::Journal,
            Residue::Unwritten => Self::Unwritten,
            Residue::Slack => Self::Slack,
            Residue::DeadInode => Self::DeadInode,
            Residue::Reserved => Self::Reserved,
            Residue::Unmapped => Self::Unmapped,
            Residue::Swap => Self::Swap,
            Residue::OldMetadata => Self::OldMetadata,
        }
    }
}

impl From<Tail> for Region {
    fn from(tail: Tail) -> Self {
        match tail {
            Tail::Directory => Self::DirectoryTail,
            Tail::Inode
            | Tail::Xattr
            | Tail::Map
            | Tail::Superblock
            | Tail::Descriptors
            | Tail::Bitmap
            | Tail::Mmp
            | Tail::Journal
            | Tail::Orphans
            | Tail::Boot
            | Tail::Table
            | Tail::Swap
            | Tail::Partitions
            | Tail::Lvm => Self::MetadataTail,
        }
    }
}

/// As the end of a sentence about bytes: `in free blocks`.
impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "in a file",
            Self::Metadata => "in live metadata",
            Self::BootCode => "in boot code",
            Self::Gap => "outside all partitions",
            Self::Free => "in free blocks",
            Self::Journal => "in the journal",
            Self::Unwritten => "in unwritten extents",
            Self::Slack => "in file slack",
            Self::DeadInode => "in dead inodes",
            Self::DirectoryTail => "in directories, behind their entries",
            Self::MetadataTail => "in unused parts of live metadata",
            Self::Reserved => "in reserved blocks",
            Self::Unmapped => "in unmapped blocks of clusters",
            Self::Swap => "in the swap area",
            Self::OldMetadata => "in old metadata of a volume group",
            Self::Empty => "in a volume without a filesystem",
            Self::Opaque => "in a volume that cannot be read",
            Self::Unowned => "allocated, but owned by nothing",
            Self::OwnedButFree => "owned by files, but free in the bitmaps",
            Self::Container => "in the image file, outside the guest's disk",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn letters_differ() {
        let letters: BTreeSet<char> = Region::ALL.into_iter().map(Region::letter).collect();
        assert_eq!(letters.len(), Region::ALL.len());
        assert!(letters.iter().all(char::is_ascii_lowercase));
    }

    #[test]
    fn names_are_those_of_json() {
        for region in Region::ALL {
            assert_eq!(serde_json::to_string(&region).unwrap(), format!("\"{}\"", region.name()));
        }
    }
}
