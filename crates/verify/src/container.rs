//! What an image file holds that the guest cannot read, and that is not zero: leaked and zeroed clusters, snapshots,
//! older versions of compressed clusters.
//!
//! Reads the files of the image, not its disk; every byte that [`block::container`] reports, once. Holes are not
//! read. What was found is counted, and never kept.

use std::collections::BTreeMap;

use block::{
    Extent, Image,
    container::{Container, ContainerUse},
    to_usize,
};
use filesystem::Result;
use serde::Serialize;

use crate::{Finding, Region, complement::non_zero_parts};

/// Largest read in bytes.
const PIECE: u64 = 1 << 20;

/// What the files of an image hold besides its disk.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Examined {
    /// The image itself, then the files it stands on. Raw files hold nothing but their disk, and are not listed.
    pub files: Vec<FileUse>,
}

/// What one file holds besides its disk.
#[derive(Debug, Clone, Serialize)]
pub struct FileUse {
    /// Its path, escaped; empty if it was opened without one.
    pub file: String,
    /// Its length in bytes.
    pub size: u64,
    /// By reason (`leaked`, `snapshot` ...: [`ContainerUse::name`]), those that there are.
    #[serde(serialize_with = "by_name")]
    pub unused: BTreeMap<ContainerUse, Sum>,
}

/// Stored bytes that have one reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// Bytes that were read.
    pub examined: u64,
    /// Those that were not zero, short runs of zeros between them included.
    pub non_zero: u64,
    /// Offset in the file of the first that was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
}

impl Examined {
    /// A finding for each file and reason that has a byte which is not zero: a residue in [`Region::Container`],
    /// whose offset is that in the file.
    pub fn findings(&self) -> impl Iterator<Item = Finding> + '_ {
        self.files.iter().flat_map(|file| file.unused.values()).filter_map(|sum| {
            let first = sum.first?;
            Some(Finding::Residue { volume: None, region: Region::Container, first, bytes: sum.non_zero })
        })
    }
}

/// Reads all that the files of `image` hold besides its disk.
pub fn examine(image: &Image) -> Result<Examined> {
    let files = image.containers().map(examine_file).collect::<Result<_>>()?;
    Ok(Examined { files })
}

fn examine_file(container: Container<'_>) -> Result<FileUse> {
    let mut unused = BTreeMap::<ContainerUse, Sum>::new();
    let mut buf = vec![0; to_usize(PIECE)];
    read(container, &mut buf, &mut |reason, at, bytes| {
        let sum = unused.entry(reason).or_default();
        sum.examined += block::to_u64(bytes.len());
        for part in non_zero_parts(at, bytes) {
            sum.non_zero += part.len;
            sum.first = sum.first.or(Some(part.start));
        }
        Ok(())
    })?;
    Ok(FileUse {
        file: block::printable(&container.path().to_string_lossy()),
        size: container.file().size(),
        unused,
    })
}

/// Takes a reason, an offset in the file, and the bytes there.
pub type Visit<'a> = dyn FnMut(ContainerUse, u64, &[u8]) -> Result<()> + 'a;

/// Visits the bytes that the guest cannot read, holes left out. `buf` bounds how many come at once.
pub fn read(container: Container<'_>, buf: &mut [u8], visit: &mut Visit<'_>) -> Result<()> {
    let file = container.file();
    container.unused(&mut |extent, reason| {
        let mut at = extent.start;
        while at < extent.end() {
            let run = file.run_at(at)?;
            let end = extent.end().min(at + run.len);
            if run.zero {
                at = end;
                continue;
            }
            let piece = Extent { start: at, len: (end - at).min(block::to_u64(buf.len())) };
            let bytes = &mut buf[..to_usize(piece.len)];
            file.read_at(piece.start, bytes)?;
            visit(reason, piece.start, bytes)?;
            at = piece.end();
        }
        Ok(())
    })
}

fn by_name<S: serde::Serializer>(
    unused: &BTreeMap<ContainerUse, Sum>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(unused.iter().map(|(reason, sum)| (reason.name(), sum)))
}
