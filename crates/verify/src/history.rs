//! What residue once was: copies of blocks in journals, and content of files that are gone, by place on the disk.
//!
//! Read once from what the filesystems still tell, then asked for each finding. Memory follows the number of copies
//! and of known pieces, both of which the readers limit; an answer takes two binary searches. Evidence, not proof: the
//! newest record of a byte is believed.

use block::Extent;
use filesystem::{Error, FormerFile, Past, Result};

use crate::{Note, Region, Survey, Was};

/// What is known of the present, for those who ask about the past.
pub(crate) trait Present {
    /// What the byte at an offset of the disk is now, and the inode that it belongs to.
    fn place(&self, offset: u64) -> (Region, Option<u64>);

    /// The path of an inode of a volume, one of them, escaped.
    fn path(&self, volume: u32, inode: u64) -> Option<String>;
}

/// A block's copy in a journal.
#[derive(Debug, Clone, Copy)]
struct Copy {
    /// First byte, on the disk.
    start: u64,
    /// First byte, on the disk, of what it is a copy of.
    home: u64,
    /// The number of that block.
    block: u64,
    len: u32,
    volume: u32,
}

/// A piece of what a file had.
#[derive(Debug, Clone, Copy)]
struct Piece {
    /// First byte, on the disk.
    start: u64,
    len: u64,
    /// Index of the file.
    file: usize,
}

#[derive(Debug)]
struct File {
    volume: u32,
    inode: u64,
    /// Escaped; `None` if it is not known, or the file is still there.
    path: Option<Box<str>>,
    deleted: bool,
}

/// All that the volumes of a disk tell of the past.
#[derive(Debug, Default)]
pub(crate) struct History {
    copies: Vec<Copy>,
    pieces: Vec<Piece>,
    files: Vec<File>,
}

/// Copies that are remembered; the largest journals that mke2fs(8) makes by itself have a quarter of a million.
const MAX_COPIES: usize = 1 << 21;

impl History {
    /// Reads it from all volumes of which the trees can be read, journals replayed. What is damaged tells nothing, with a
    /// note. Fails only if the medium does.
    pub(crate) fn of(survey: &Survey, notes: &mut Vec<Note>) -> Result<Self> {
        let mut history = Self::default();
        for (index, volume) in survey.layout.volumes.iter().enumerate() {
            let Some(filesystem) = survey.views.filesystem(index).transpose()? else { continue };
            if survey.atlas.is_blank(index) {
                continue;
            }
            let on_disk = |extent| survey.on_disk(index, extent);
            let outcome = filesystem.history(&mut |past| {
                history.add(&on_disk, volume.number, past);
                Ok(())
            });
            match outcome {
                Ok(()) => {}
                Err(error @ Error::Io(_)) => return Err(error),
                Err(error) => {
                    let text = format!("what residue once was is not all known: {error}");
                    notes.push(Note { volume: Some(volume.number), text });
                }
            }
        }
        history.sort();
        Ok(history)
    }

    fn sort(&mut self) {
        self.copies.sort_unstable_by_key(|copy| copy.start);
        self.pieces.sort_unstable_by_key(|piece| piece.start);
    }

    /// `on_disk` says where bytes of the volume lie, in its order.
    fn add(&mut self, on_disk: &dyn Fn(Extent) -> Vec<Extent>, volume: u32, past: Past) {
        match past {
            Past::Copy(copy) => {
                // A volume may lie in pieces, and so may a block.
                let mut done = 0;
                for part in on_disk(copy.at) {
                    let there = Extent { start: copy.home + done, len: 1 };
                    let len = u32::try_from(part.len);
                    if self.copies.len() < MAX_COPIES
                        && let (Some(home), Ok(len)) = (on_disk(there).first(), len)
                    {
                        let (start, home) = (part.start, home.start);
                        self.copies.push(Copy { start, home, block: copy.block, len, volume });
                    }
                    done += part.len;
                }
            }
            Past::Former(FormerFile { inode, path, deleted, extents }) => {
                let file = self.files.len();
                for part in extents.into_iter().flat_map(on_disk) {
                    self.pieces.push(Piece { start: part.start, len: part.len, file });
                }
                let path = path.map(|path| path.escape_ascii().to_string().into());
                self.files.push(File { volume, inode: inode.0, path, deleted });
            }
            Past::Log { .. } => {}
        }
    }

    /// What the byte at `offset` of the disk once was, if it is residue of a kind that can tell: `region` is what it is
    /// now. `present` is asked where the byte is, or was, of something that is still there.
    pub(crate) fn was(&self, offset: u64, region: Region, present: &dyn Present) -> Option<Was> {
        match region {
            Region::Journal => self.copy_of(offset, present),
            Region::Free | Region::Unwritten | Region::Slack | Region::Unmapped => {
                let file = self.file_at(offset)?;
                let (inode, path) = (Some(file.inode), file.path(present));
                Some(if file.deleted {
                    Was::DeletedFile { inode, path }
                } else {
                    Was::FormerContent { inode, path }
                })
            }
            _ => None,
        }
    }

    fn copy_of(&self, offset: u64, present: &dyn Present) -> Option<Was> {
        let at = self.copies.partition_point(|copy| copy.start <= offset).checked_sub(1)?;
        let copy = self.copies.get(at).filter(|copy| offset - copy.start < u64::from(copy.len))?;
        let (region, now) = present.place(copy.home + (offset - copy.start));
        let (inode, path) = match self.file_at(offset) {
            Some(file) => (Some(file.inode), file.path(present)),
            None => (now, now.and_then(|inode| present.path(copy.volume, inode))),
        };
        Some(Was::CopyOf { block: copy.block, region, inode, path })
    }

    fn file_at(&self, offset: u64) -> Option<&File> {
        let at = self.pieces.partition_point(|piece| piece.start <= offset).checked_sub(1)?;
        let piece = self.pieces.get(at).filter(|piece| offset - piece.start < piece.len)?;
        self.files.get(piece.file)
    }
}

impl File {
    fn path(&self, present: &dyn Present) -> Option<String> {
        match &self.path {
            Some(path) => Some(path.to_string()),
            None if self.deleted => None,
            None => present.path(self.volume, self.inode),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use block::Window;
    use filesystem::{BlockCopy, InodeId};

    struct Now;

    impl Present for Now {
        fn place(&self, offset: u64) -> (Region, Option<u64>) {
            if offset < 50_000 { (Region::Metadata, Some(12)) } else { (Region::Free, None) }
        }
        fn path(&self, volume: u32, inode: u64) -> Option<String> {
            Some(format!("/v{volume}/i{inode}"))
        }
    }

    #[test]
    fn a_volume_in_two_pieces() {
        let extents = [Extent { start: 60_000, len: 10_000 }, Extent { start: 20_000, len: 10_000 }];
        let window = Window::new(vec![0; 100_000], &extents).unwrap();
        let on_disk = |extent| window.map(extent).collect();
        let mut history = History::default();
        let former = |inode, path: Option<&str>, deleted, extents| {
            let path = path.map(|path| path.as_bytes().to_vec());
            Past::Former(FormerFile { inode: InodeId(inode), path, deleted, extents })
        };
        // Volume bytes 8192 to 12288: the disk's 68192 to 70000 and 20000 to 22288.
        let copy = BlockCopy {
            at: Extent { start: 8192, len: 4096 },
            block: 3,
            home: 12_288,
            sequence: 1,
            escaped: false,
        };
        history.add(&on_disk, 2, Past::Copy(copy));
        history.add(&on_disk, 2, former(7, Some("/a b"), true, vec![Extent { start: 0, len: 100 }]));
        history.add(&on_disk, 2, former(8, None, false, vec![Extent { start: 4096, len: 10 }]));
        history.add(&on_disk, 2, former(9, None, true, vec![Extent { start: 11_000, len: 10 }]));
        history.sort();

        let was = |offset, region| history.was(offset, region, &Now);
        let text = |offset, region| was(offset, region).map(|was| was.to_string());
        assert_eq!(text(60_099, Region::Free).as_deref(), Some("of a deleted file, /a b"));
        assert_eq!(text(60_100, Region::Free), None);
        assert_eq!(text(60_050, Region::File), None, "what is live is nobody's past");
        assert_eq!(text(64_105, Region::Unwritten).as_deref(), Some("former content, /v2/i8"));
        let home = |inode, path: &str| {
            let path = Some(path.to_owned());
            Some(Was::CopyOf { block: 3, region: Region::Metadata, inode: Some(inode), path })
        };
        assert_eq!(was(68_192, Region::Journal), home(12, "/v2/i12"));
        assert_eq!(was(20_000, Region::Journal), home(12, "/v2/i12"));
        let deleted = Some(Was::CopyOf { block: 3, region: Region::Metadata, inode: Some(9), path: None });
        assert_eq!(was(21_005, Region::Journal), deleted);
        assert_eq!(was(22_288, Region::Journal), None);
    }
}
