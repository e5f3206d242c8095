//! What was removed: the files, where their bytes lie in the input's view, and one address space over all of them.
//!
//! Nothing of their content is held but what lies inside inodes.

use std::{collections::HashSet, io};

use block::{BlockRead, Extent, Window, to_u64, to_usize};
use filesystem::{FileKind, Filesystem, InodeId, Object, Result, Unsupported};

use crate::second::read_full;

/// Files that are followed; content of further ones is counted, but not searched for.
const MAX_FILES: usize = 1 << 17;
/// Pieces of content over all files, likewise.
const MAX_PIECES: usize = 1 << 20;
/// Deepest directory that is followed.
const MAX_DEPTH: usize = 512;
/// Largest content inside an inode in bytes.
const INLINE: usize = 1 << 16;

/// Bytes of a removed file, one after the other.
#[derive(Debug)]
struct Piece {
    /// Address of the first.
    start: u64,
    len: u64,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    /// On the disk, from this offset on.
    Disk(u64),
    /// In an inode.
    Inline(Box<[u8]>),
}

/// A file that goes.
#[derive(Debug)]
pub(super) struct File {
    /// Its path in the guest.
    pub(super) path: Box<[u8]>,
    /// The address of its first byte.
    pub(super) start: u64,
    /// Its size in bytes.
    pub(super) size: u64,
}

/// All that goes. Each byte has an address: files follow each other, in the order in which they were added.
#[derive(Debug, Default)]
pub struct Removed {
    files: Vec<File>,
    pieces: Vec<Piece>,
    /// The next file's address.
    end: u64,
    /// Inodes that were added, of whichever volume.
    seen: HashSet<(u32, InodeId)>,
    /// Bytes that were not added, because there are too many pieces.
    left_out: u64,
}

impl Removed {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file, or a directory with all below it, of a volume of the disk. The journal must have been replayed.
    /// `path` is the path in the guest.
    pub fn add<D: BlockRead>(
        &mut self,
        window: &Window<D>,
        volume: u32,
        filesystem: &dyn Filesystem,
        (inode, kind): (InodeId, FileKind),
        path: &[u8],
    ) -> Result<()> {
        let mut stack = vec![(inode, kind, path.to_vec(), 0)];
        while let Some((inode, kind, path, depth)) = stack.pop() {
            if !matches!(kind, FileKind::File | FileKind::Directory) || !self.seen.insert((volume, inode)) {
                continue;
            }
            if kind == FileKind::File {
                self.file(window, filesystem, inode, &path)?;
                continue;
            }
            if depth > MAX_DEPTH {
                let feature = format!("a directory below more than {MAX_DEPTH} others");
                return Err(Unsupported::new(Object::numbered("inode", inode.0), feature).into());
            }
            let from = stack.len();
            filesystem.entries(inode, &mut |entry| {
                let path = [&path, b"/".as_slice(), &entry.name].concat();
                stack.push((entry.inode, entry.kind, path, depth + 1));
                Ok(())
            })?;
            stack[from..].reverse();
        }
        Ok(())
    }

    fn file<D: BlockRead>(
        &mut self,
        window: &Window<D>,
        filesystem: &dyn Filesystem,
        inode: InodeId,
        path: &[u8],
    ) -> Result<()> {
        let metadata = filesystem.metadata(inode)?;
        // Ciphertext is no secret, and other files have other keys.
        if metadata.size == 0 || metadata.encrypted {
            return Ok(());
        }
        let start = self.end;
        let end = start.saturating_add(metadata.size);
        let from = self.pieces.len();
        let mut left_out = 0;
        filesystem.extents(inode, &mut |offset, extent| {
            let mut at = start.saturating_add(offset);
            for extent in window.map(extent) {
                let len = extent.len.min(end.saturating_sub(at));
                if self.pieces.len() < MAX_PIECES && self.files.len() < MAX_FILES && end < u64::MAX {
                    if len > 0 {
                        self.pieces.push(Piece { start: at, len, bytes: Bytes::Disk(extent.start) });
                    }
                } else {
                    left_out += len;
                }
                at = at.saturating_add(extent.len);
            }
            Ok(())
        })?;
        self.left_out += left_out;
        if from == self.pieces.len() && left_out == 0 && metadata.size <= to_u64(INLINE) {
            let mut bytes = vec![0; to_usize(metadata.size)];
            let len = read_full(filesystem, inode, 0, &mut bytes)?;
            bytes.truncate(len);
            if self.pieces.len() < MAX_PIECES && self.files.len() < MAX_FILES && len > 0 {
                let bytes = Bytes::Inline(bytes.into());
                self.pieces.push(Piece { start, len: to_u64(len), bytes });
            } else {
                self.left_out += to_u64(len);
            }
        }
        if from < self.pieces.len() {
            self.files.push(File { path: path.into(), start, size: metadata.size });
            // A byte between two files belongs to none: no run goes from one to the other.
            self.end = end.saturating_add(1);
        }
        Ok(())
    }

    /// Adds a file whose content is at hand.
    pub fn add_content(&mut self, path: &[u8], content: &[u8]) {
        let size = to_u64(content.len());
        if content.is_empty() || self.pieces.len() >= MAX_PIECES || self.files.len() >= MAX_FILES {
            self.left_out += size;
            return;
        }
        self.pieces.push(Piece { start: self.end, len: size, bytes: Bytes::Inline(content.into()) });
        self.files.push(File { path: path.into(), start: self.end, size });
        self.end += size + 1;
    }

    /// The files, in the order of their addresses.
    pub(super) fn files(&self) -> &[File] {
        &self.files
    }

    /// Bytes that are stored, holes not counted.
    pub(super) fn stored(&self, file: &File) -> u64 {
        self.of(file).map(|piece| piece.len).sum()
    }

    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The file that has the byte at an address.
    pub(super) fn file_at(&self, address: u64) -> Option<(usize, &File)> {
        let index = self.files.partition_point(|file| file.start <= address).checked_sub(1)?;
        let file = self.files.get(index)?;
        (address - file.start < file.size).then_some((index, file))
    }

    fn of(&self, file: &File) -> impl Iterator<Item = &Piece> {
        let end = file.start.saturating_add(file.size);
        let first = self.pieces.partition_point(|piece| piece.start < file.start);
        self.pieces[first..].iter().take_while(move |piece| piece.start < end)
    }

    /// The stored runs of a file as addresses; pieces that follow each other are one.
    pub(super) fn runs(&self, file: &File) -> Vec<Extent> {
        let mut runs: Vec<Extent> = Vec::new();
        for piece in self.of(file) {
            match runs.last_mut() {
                Some(last) if last.end() == piece.start => last.len += piece.len,
                _ => runs.push(Extent { start: piece.start, len: piece.len }),
            }
        }
        runs
    }

    fn piece_at(&self, address: u64) -> Option<(usize, &Piece)> {
        let index = self.pieces.partition_point(|piece| piece.start <= address).checked_sub(1)?;
        let piece = self.pieces.get(index)?;
        (address - piece.start < piece.len).then_some((index, piece))
    }

    /// Reads from an address on; short where the file, or what is stored of it, ends.
    pub(super) fn read(&self, view: &dyn BlockRead, address: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        let Some((mut index, _)) = self.piece_at(address) else { return Ok(0) };
        while done < buf.len() {
            let Some(piece) = self.pieces.get(index) else { break };
            let at = address + to_u64(done);
            if piece.start > at {
                break;
            }
            let within = at - piece.start;
            let len = to_usize((piece.len - within).min(to_u64(buf.len() - done)));
            match &piece.bytes {
                Bytes::Disk(start) => view.read_at(start + within, &mut buf[done..done + len])?,
                Bytes::Inline(bytes) => {
                    let from = to_usize(within);
                    buf[done..done + len].copy_from_slice(&bytes[from..from + len]);
                }
            }
            done += len;
            index += 1;
        }
        Ok(done)
    }

    /// How many bytes, at most `limit`, are stored right before an address, in the same file.
    pub(super) fn before(&self, address: u64, limit: usize) -> usize {
        let Some((mut index, piece)) = self.piece_at(address) else { return 0 };
        let mut start = piece.start;
        while address - start < to_u64(limit) && index > 0 {
            let previous = &self.pieces[index - 1];
            if previous.start + previous.len != start {
                break;
            }
            (start, index) = (previous.start, index - 1);
        }
        limit.min(to_usize(address - start))
    }
}
