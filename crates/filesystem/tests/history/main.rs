//! What residue once was, against those who know: the kernel that wrote it, debugfs and the Sleuth Kit.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these files are tests throughout")]

#[path = "../common/file.rs"]
mod file;
#[path = "../ext_journal/tools.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the tests of the replay")]
mod tools;

mod fat;
mod hostile;
mod journal;
mod kernel;
mod slots;
mod xfs;

use std::collections::BTreeMap;

use filesystem::{BlockCopy, Filesystem, FormerFile, Past, ext::Ext};

/// All that the filesystem in `image` tells of the past.
#[derive(Debug, Default)]
struct Told {
    copies: Vec<BlockCopy>,
    files: Vec<FormerFile>,
    log: BTreeMap<u64, filesystem::LogBlock>,
}

impl Told {
    fn by(filesystem: &dyn Filesystem) -> Self {
        let mut told = Self::default();
        filesystem
            .history(&mut |past| {
                match past {
                    Past::Copy(copy) => told.copies.push(copy),
                    Past::Former(file) => told.files.push(file),
                    Past::Log { at, kind } => drop(told.log.insert(at.start, kind)),
                }
                Ok(())
            })
            .unwrap();
        // No byte has two owners.
        let mut extents: Vec<_> = told.files.iter().flat_map(|file| file.extents.iter().copied()).collect();
        extents.sort_unstable();
        assert!(extents.windows(2).all(|pair| pair[0].end() <= pair[1].start));
        told
    }

    fn of(image: Vec<u8>) -> Self {
        Self::by(&Ext::open(image).unwrap())
    }

    fn file_at(&self, offset: usize) -> Option<&FormerFile> {
        let offset = block::to_u64(offset);
        self.files.iter().find(|file| file.extents.iter().any(|extent| extent.contains_byte(offset)))
    }

    fn copy_at(&self, offset: usize) -> Option<&BlockCopy> {
        self.copies.iter().find(|copy| copy.at.contains_byte(block::to_u64(offset)))
    }
}

/// Where a text lies in an image.
fn places(image: &[u8], text: &str) -> Vec<usize> {
    memchr::memmem::find_iter(image, text.as_bytes()).collect()
}

/// Whether a byte of the volume is free.
fn is_free(ext: &Ext<Vec<u8>>, offset: usize) -> bool {
    let byte = filesystem::Extent { start: block::to_u64(offset), len: 1 };
    !ext.allocated().unwrap().contains(byte)
}
