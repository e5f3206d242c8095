//! Finds free clusters and takes them into use.
//!
//! Only groups whose block bitmap was written are used; the first run that is long enough is taken, from the
//! group of the file on, else what is free, in the same order. The same image always gives the same places.

use block::{BlockRead, BlockWrite, Extent, Object, Result, to_usize};

use super::unsupported;
use crate::ext::{
    Ext,
    group::{FREE_BLOCKS_COUNT_HI, FREE_BLOCKS_COUNT_LO, bit},
};

/// Runs of zero bits below `limit`.
fn free_runs(bits: &[u8], limit: u64) -> Vec<Extent> {
    let mut runs = Vec::new();
    let mut start = None;
    for index in 0..=limit {
        let free = index < limit && !bit(bits, index);
        match (start, free) {
            (None, true) => start = Some(index),
            (Some(from), false) => {
                runs.push(Extent::between(from, index));
                start = None;
            }
            _ => {}
        }
    }
    runs
}

impl<D: BlockRead> Ext<D> {
    /// Free clusters of the groups that may be allocated from.
    pub(super) fn free_clusters(&self) -> Result<u64> {
        let mut sum = 0;
        for number in 0..self.layout.groups {
            let group = self.group(number)?;
            if !group.block_uninit() {
                sum += u64::from(group.get16(FREE_BLOCKS_COUNT_LO, FREE_BLOCKS_COUNT_HI));
            }
        }
        Ok(sum)
    }

    /// Runs of free clusters, `count` together, numbered as [`Layout::cluster_of`] does.
    ///
    /// [`Layout::cluster_of`]: crate::ext::layout::Layout::cluster_of
    fn find_clusters(&self, near: u64, count: u64, owner: Object) -> Result<Vec<Extent>> {
        let (groups, per_group) = (self.layout.groups, self.layout.clusters_per_group);
        let mut pieces = Vec::new();
        let mut missing = count;
        for number in (near..groups).chain(0..near.min(groups)) {
            let group = self.group(number)?;
            if group.block_uninit() || group.get16(FREE_BLOCKS_COUNT_LO, FREE_BLOCKS_COUNT_HI) == 0 {
                continue;
            }
            let bits = self.block_bitmap(&group)?;
            for run in free_runs(&bits, self.layout.group_clusters(number)) {
                let start = number * per_group + run.start;
                if run.len >= count {
                    return Ok(vec![Extent { start, len: count }]);
                }
                let len = run.len.min(missing);
                missing -= len;
                if len > 0 {
                    pieces.push(Extent { start, len });
                }
            }
        }
        if missing > 0 {
            return unsupported(
                owner,
                format!("content that needs {missing} more free clusters than there are"),
            );
        }
        Ok(pieces)
    }
}

impl<D: BlockWrite> Ext<D> {
    /// Takes `count` clusters into use, near a group. Returns runs of blocks.
    pub(crate) fn allocate(&mut self, near: u64, count: u64, owner: Object) -> Result<Vec<Extent>> {
        let per_group = self.layout.clusters_per_group;
        let runs = self.find_clusters(near, count, owner)?;
        for run in &runs {
            self.take_bits(run.start / per_group, run.start % per_group, run.len)?;
        }
        let (first, ratio) = (self.layout.first_data_block, self.layout.cluster_blocks);
        let blocks = |run: Extent| Extent { start: first + run.start * ratio, len: run.len * ratio };
        Ok(runs.into_iter().map(blocks).collect())
    }

    /// Marks clusters of one group, found free, as in use.
    fn take_bits(&mut self, number: u64, first: u64, count: u64) -> Result<()> {
        let mut group = self.group(number)?;
        let mut bits = self.block_bitmap(&group)?;
        let fixed = self.initial_block_bitmap(&group);
        for index in first..first + count {
            if bit(&fixed, index) {
                return Err(group.object().corrupt(
                    "block bitmap",
                    format!("free at {index}"),
                    "in use by the group",
                ));
            }
            bits[to_usize(index / 8)] |= 1 << (index % 8);
        }
        let free = group.get16(FREE_BLOCKS_COUNT_LO, FREE_BLOCKS_COUNT_HI);
        let Some(rest) = u32::try_from(count).ok().and_then(|count| free.checked_sub(count)) else {
            return Err(group.object().corrupt("bg_free_blocks_count", free, format!("at least {count}")));
        };
        group.set16(FREE_BLOCKS_COUNT_LO, FREE_BLOCKS_COUNT_HI, rest);
        self.set_block_bitmap(&mut group, &bits)?;
        self.set_group(&mut group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_at_the_limit() {
        let runs = |bits: &[u8], limit| {
            free_runs(bits, limit).iter().map(|run| (run.start, run.end())).collect::<Vec<_>>()
        };
        assert_eq!(runs(&[0b1110_0110, 0xFF, 0], 20), [(0, 1), (3, 5), (16, 20)]);
        assert_eq!(runs(&[0xFF], 8), []);
        assert_eq!(runs(&[], 0), []);
    }
}
