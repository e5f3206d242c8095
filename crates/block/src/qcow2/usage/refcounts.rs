//! Refcounts, as far as they matter here: where they lie, and which are not 0. None of them is believed.

use crate::{
    BlockRead, Extent, Object, Result,
    field::Be64,
    qcow2::{
        Qcow2Image,
        layout::{REFCOUNT_TABLE_BYTES_MAX, refcount},
    },
    raw::read_up_to,
    to_usize,
};

const TABLE: Object = Object::the("refcount table");

/// Bytes of the refcount table that are read at once.
const PIECE: u64 = 64 << 10;

/// The refcount table inside the file; shorter than the header says if the file or the format's limit is.
fn table(image: &Qcow2Image) -> Extent {
    let len = u64::from(image.header.refcount_clusters) * image.cluster_size();
    Extent { start: image.header.refcount_table, len: len.min(REFCOUNT_TABLE_BYTES_MAX) }
        .intersect(Extent { start: 0, len: image.file.size() })
}

/// Clusters that one refcount block counts.
fn block_entries(image: &Qcow2Image) -> u64 {
    (image.cluster_size() * 8) >> image.header.refcount_order
}

/// Visits the refcount table, and the refcount blocks that count clusters of the file. Others count nothing.
pub(super) fn tables(image: &Qcow2Image, visit: &mut dyn FnMut(Extent) -> Result<()>) -> Result<()> {
    let (table, cluster) = (table(image), image.cluster_size());
    visit(table)?;
    let counted = image.file.size().div_ceil(cluster).div_ceil(block_entries(image));
    let len = table.len.min(counted.saturating_mul(refcount::ENTRY_SIZE));
    for start in (0..len).step_by(to_usize(PIECE)) {
        let piece = read_up_to(&image.file, TABLE, table.start + start, PIECE.min(len - start))?;
        for entry in piece.chunks_exact(8) {
            let block = Be64(0).get(entry) & refcount::OFFSET_MASK;
            if block != 0 && block.is_multiple_of(cluster) {
                visit(Extent { start: block, len: cluster.min(u64::MAX - block) })?;
            }
        }
    }
    Ok(())
}

/// Says of one cluster after the other whether it has a refcount. Holds one refcount block.
pub(super) struct Refcounts<'a> {
    image: &'a Qcow2Image,
    /// Its number, and its bytes: none if there is no such block.
    block: Option<(u64, Vec<u8>)>,
}

impl<'a> Refcounts<'a> {
    pub(super) fn new(image: &'a Qcow2Image) -> Self {
        Self { image, block: None }
    }

    /// Whether the cluster's refcount is not 0. Where there is no refcount, it is.
    pub(super) fn counted(&mut self, cluster: u64) -> Result<bool> {
        let (number, within) = (cluster / block_entries(self.image), cluster % block_entries(self.image));
        if self.block.as_ref().is_none_or(|(held, _)| *held != number) {
            self.block = Some((number, self.read(number)?));
        }
        let (_, bytes) = self.block.as_ref().expect("filled above");
        let order = self.image.header.refcount_order;
        let (first, width) = (to_usize((within << order) / 8), 1usize << order);
        Ok(match width {
            // Several to a byte, from the least significant bits on.
            1..8 => bytes.get(first).is_some_and(|byte| {
                let shift = to_usize(within << order) % 8;
                byte >> shift & ((1 << width) - 1) != 0
            }),
            _ => bytes.get(first..first + width / 8).is_some_and(|count| count.iter().any(|&byte| byte != 0)),
        })
    }

    fn read(&self, number: u64) -> Result<Vec<u8>> {
        let (table, file) = (table(self.image), &self.image.file);
        let entry = Extent { start: table.start + number * refcount::ENTRY_SIZE, len: refcount::ENTRY_SIZE };
        if entry.intersect(table) != entry {
            return Ok(Vec::new());
        }
        let block = Be64(0).get(&read_up_to(file, TABLE, entry.start, entry.len)?) & refcount::OFFSET_MASK;
        if block == 0 {
            return Ok(Vec::new());
        }
        read_up_to(file, Object::numbered("refcount block", number), block, self.image.cluster_size())
    }
}
