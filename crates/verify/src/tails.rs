//! Residue inside live metadata, as findings: of each volume and each kind of place, the first byte and how many.

use std::collections::BTreeMap;

use block::{BlockRead, Extent, Window};
use filesystem::{Layout, Result, Volume, table_tails};

use crate::{Finding, Region};

/// First disk offset and bytes, by kind of place.
#[derive(Debug, Default)]
struct Sums(BTreeMap<Region, (u64, u64)>);

impl Sums {
    fn add(&mut self, region: Region, extent: Extent) {
        let sum = self.0.entry(region).or_insert((extent.start, 0));
        *sum = (sum.0.min(extent.start), sum.1 + extent.len);
    }

    fn findings(self, volume: Option<u32>) -> Vec<Finding> {
        let finding = |(region, (first, bytes))| Finding::Residue { volume, region, first, bytes };
        self.0.into_iter().map(finding).collect()
    }
}

/// What the sectors of the partition table hold beyond what they use.
pub fn of_table(disk: &dyn BlockRead, layout: &Layout) -> Result<Vec<Finding>> {
    let mut sums = Sums::default();
    table_tails(disk, layout, &mut |extent, tail| {
        sums.add(tail.into(), extent);
        Ok(())
    })?;
    Ok(sums.findings(None))
}

/// What the live metadata of a volume holds beyond what it uses. `window` is the volume, which has a filesystem.
pub fn of_volume<D: BlockRead>(window: &Window<D>, volume: &Volume) -> Result<Vec<Finding>> {
    let mut sums = Sums::default();
    filesystem::open(window, volume.content)?.tails(&mut |extent, tail| {
        window.map(extent).for_each(|part| sums.add(tail.into(), part));
        Ok(())
    })?;
    Ok(sums.findings(Some(volume.number)))
}
