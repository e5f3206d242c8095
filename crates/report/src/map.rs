//! The disk's cells, joined until they fit a picture; and which of them hold findings.

use verify::{Finding, Region};

use crate::{Cell, Map, row::Row};

/// A cell of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) region: Region,
    pub(crate) residue: u64,
    /// Findings whose first byte is in it; the sums of residue apart.
    pub(crate) findings: u64,
}

/// The picture: at most `most` cells, and how many bytes each is of.
pub(crate) fn picture(map: &Map, findings: &[Finding], most: usize) -> (u64, Vec<Spot>) {
    let each = map.cells.len().div_ceil(most.max(1)).max(1);
    let scale = u64::try_from(each).unwrap_or(u64::MAX);
    let size = map.cell_size.max(1).saturating_mul(scale);
    let mut spots: Vec<Spot> = map.cells.chunks(each).map(join).collect();
    for row in findings.iter().map(Row::new) {
        let (Some(place), Some((offset, _))) = (row.place, row.bytes) else { continue };
        if place.region == Region::Container {
            continue;
        }
        let spot = usize::try_from(offset / size).ok().and_then(|index| spots.get_mut(index));
        if let Some(spot) = spot {
            spot.findings += 1;
        }
    }
    (size, spots)
}

/// The class that most cells have, and the sum of their residue.
fn join(cells: &[Cell]) -> Spot {
    let mut counts = [0usize; Region::ALL.len()];
    let index = |cell: &Cell| Region::ALL.iter().position(|region| *region == cell.region);
    for slot in cells.iter().filter_map(index) {
        counts[slot] += 1;
    }
    // Of two that are as many, the one that comes first in reports.
    let most = Region::ALL.iter().zip(counts).rev().max_by_key(|(_, count)| *count);
    Spot {
        region: most.map_or(Region::Free, |(region, _)| *region),
        residue: cells.iter().map(|cell| cell.residue).fold(0, u64::saturating_add),
        findings: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn cell(region: Region, residue: u64) -> Cell {
        Cell { region, residue }
    }

    #[test]
    fn cells_are_joined_by_most_and_residue_is_kept() {
        let cells = vec![cell(Region::Free, 0), cell(Region::File, 0), cell(Region::File, 7)];
        let map = Map { cell_size: 10, cells };
        let (size, spots) = picture(&map, &[], 1);
        assert_eq!((size, spots), (30, vec![Spot { region: Region::File, residue: 7, findings: 0 }]));
        let (size, spots) = picture(&map, &[], 100);
        assert_eq!((size, spots.len()), (10, 3));
        assert_eq!(picture(&Map { cell_size: 0, cells: vec![] }, &[], 0), (1, vec![]));
    }

    #[test]
    fn findings_are_where_they_are() {
        let report = sample::report();
        let map = report.map.as_ref().unwrap();
        let (size, spots) = picture(map, &report.findings, usize::MAX);
        let marked: u64 = spots.iter().map(|spot| spot.findings).sum();
        let on_disk = report
            .findings
            .iter()
            .map(Row::new)
            .filter(|row| row.place.is_some_and(|place| place.region != Region::Container));
        assert_eq!(usize::try_from(marked).unwrap(), on_disk.count());
        assert_eq!(size, map.cell_size);
    }
}
