//! Every byte outside the live ranges must be zero.

use std::collections::BTreeMap;

use block::{BlockRead, Extent, ExtentSet, is_zero, to_u64, to_usize};
use filesystem::Result;

use crate::{Finding, Region, Survey};

/// Largest read in bytes.
const PIECE: u64 = 1 << 20;
/// Non-zero extents remembered one by one; of further ones only the sum is known.
const REMEMBERED: usize = 65_536;

/// What [`non_zero`] saw.
pub(crate) struct Left {
    /// Bytes read.
    pub(crate) examined: u64,
    /// Where they were not zero: in each piece of 4096 bytes, from the first to the last that is not.
    pub(crate) non_zero: Vec<Extent>,
}

/// Reads all that is neither live nor a hole.
pub(crate) fn non_zero(device: &dyn BlockRead, live: &ExtentSet) -> Result<Left> {
    let mut left = Left { examined: 0, non_zero: Vec::new() };
    let mut buf = vec![0; to_usize(PIECE)];
    let mut at = 0;
    while at < device.size() {
        let run = device.run_at(at)?;
        let end = at + run.len;
        if run.zero {
            at = end;
            continue;
        }
        let piece = Extent::between(at, end.min((at / PIECE + 1) * PIECE));
        look(device, live, piece, &mut buf, &mut left)?;
        at = piece.end();
    }
    Ok(left)
}

fn look(
    device: &dyn BlockRead,
    live: &ExtentSet,
    piece: Extent,
    buf: &mut [u8],
    left: &mut Left,
) -> Result<()> {
    // One large read where there are many small gaps, a read each where there are few.
    let whole = live.gaps(piece).nth(16).is_some();
    if whole {
        device.read_at(piece.start, &mut buf[..to_usize(piece.len)])?;
    }
    for gap in live.gaps(piece) {
        let from = if whole { to_usize(gap.start - piece.start) } else { 0 };
        let bytes = &mut buf[from..from + to_usize(gap.len)];
        if !whole {
            device.read_at(gap.start, bytes)?;
        }
        left.examined += gap.len;
        let found = non_zero_parts(gap.start, bytes);
        left.non_zero.extend(found.take(REMEMBERED.saturating_sub(left.non_zero.len())));
    }
    Ok(())
}

/// In each piece of 4096 bytes, from the first to the last that is not zero. `start`: where `bytes` lie.
pub(crate) fn non_zero_parts(start: u64, bytes: &[u8]) -> impl Iterator<Item = Extent> {
    let bytes = if is_zero(bytes) { &[] } else { bytes };
    bytes.chunks(4096).enumerate().filter_map(move |(index, part)| {
        let non_zero = |&byte: &u8| byte != 0;
        let (first, last) = (part.iter().position(non_zero)?, part.iter().rposition(non_zero)?);
        let start = start + to_u64(index * 4096);
        Some(Extent::between(start + to_u64(first), start + to_u64(last) + 1))
    })
}

/// Names the place of each non-zero extent, summed by volume and region.
pub(crate) fn attribute(survey: &Survey, extents: &[Extent]) -> Vec<Finding> {
    let mut sums: BTreeMap<(Option<u32>, Region), (u64, u64)> = BTreeMap::new();
    for area in extents.iter().flat_map(|&extent| survey.atlas.parts(extent)) {
        let sum = sums.entry((survey.number(area.volume), area.region)).or_insert((area.extent.start, 0));
        *sum = (sum.0.min(area.extent.start), sum.1 + area.extent.len);
    }
    sums.into_iter()
        .map(|((volume, region), (first, bytes))| Finding::Residue { volume, region, first, bytes })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_byte_between_live_ranges() {
        let mut disk = vec![0u8; 3_000_000];
        disk[..1000].fill(1);
        disk[2_500_000] = 9;
        let live: ExtentSet = [Extent::between(0, 1000)].into_iter().collect();
        let left = non_zero(&disk, &live).unwrap();
        assert_eq!(left.examined, 2_999_000);
        assert_eq!(left.non_zero.len(), 1);
        assert_eq!(left.non_zero[0].start, 2_500_000);
    }

    #[test]
    fn many_small_gaps_are_all_seen() {
        let mut disk = vec![0u8; 100_000];
        let live: ExtentSet = (0..1000).map(|i| Extent { start: i * 100, len: 90 }).collect();
        assert!(non_zero(&disk, &live).unwrap().non_zero.is_empty());
        disk[5_095] = 1;
        assert_eq!(non_zero(&disk, &live).unwrap().non_zero[0].start, 5_095);
    }
}
