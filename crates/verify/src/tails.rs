//! Residue inside live metadata, as findings: of each volume and each kind of place, the first byte and how many.

use std::collections::BTreeMap;

use block::{BlockRead, Extent, Window};
use filesystem::{Filesystem, Layout, Result, Volume};

use crate::{Finding, Region};

/// First disk offset and bytes, by kind of place.
#[derive(Debug, Default)]
struct Sums(BTreeMap<Region, (u64, u64)>);

impl Sums {
    fn add(&mut self, region: Region, extent: Extent) -> Result<()> {
        let sum = self.0.entry(region).or_insert((extent.start, 0));
        *sum = (sum.0.min(extent.start), sum.1 + extent.len);
        Ok(())
    }

    fn findings(self, volume: Option<u32>) -> Vec<Finding> {
        let finding = |(region, (first, bytes))| Finding::Residue { volume, region, first, bytes };
        self.0.into_iter().map(finding).collect()
    }
}

/// Told of each run of unused bytes: its place on the disk, and its class.
pub type Visit<'a> = dyn FnMut(Extent, Region) -> Result<()> + 'a;

/// Visits what the sectors of the partition table hold beyond what they use.
pub fn table_tails(disk: &dyn BlockRead, layout: &Layout, visit: &mut Visit<'_>) -> Result<()> {
    filesystem::table_tails(disk, layout, &mut |extent, tail| visit(extent, tail.into()))
}

/// Visits what the live metadata of a filesystem holds beyond what it uses. `window` is its volume on the disk.
pub fn volume_tails<D: BlockRead>(
    filesystem: &dyn Filesystem,
    window: &Window<D>,
    visit: &mut Visit<'_>,
) -> Result<()> {
    filesystem
        .tails(&mut |extent, tail| window.map(extent).try_for_each(|part| visit(part, Region::from(tail))))
}

pub(crate) fn of_table(disk: &dyn BlockRead, layout: &Layout) -> Result<Vec<Finding>> {
    let mut sums = Sums::default();
    table_tails(disk, layout, &mut |extent, region| sums.add(region, extent))?;
    Ok(sums.findings(None))
}

pub(crate) fn of_volume<D: BlockRead>(window: &Window<D>, volume: &Volume) -> Result<Vec<Finding>> {
    let mut sums = Sums::default();
    let filesystem = filesystem::open(window, volume.content)?;
    volume_tails(&*filesystem, window, &mut |extent, region| sums.add(region, extent))?;
    Ok(sums.findings(Some(volume.number)))
}
