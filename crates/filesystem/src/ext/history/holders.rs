//! Whose content the journal's copies are: of all files that once had a block, the one that had it at that time.

use std::collections::BTreeMap;

use block::{Extent, ExtentSet};

use super::{MAX_STEPS, copies::Copies, lives::Lives};
use crate::ext::layout::Layout;

/// The copies that each life has, by its index.
pub(super) fn holders(
    layout: &Layout,
    copies: &Copies,
    lives: &Lives,
    free: &ExtentSet,
) -> BTreeMap<usize, Vec<Extent>> {
    let mut best: Vec<Option<(u32, usize)>> = vec![None; copies.all().len()];
    let mut steps = MAX_STEPS;
    for (index, life) in lives.gone.iter().enumerate() {
        for run in &life.runs {
            let range = copies.range(run.start, run.start + run.count);
            let Some(left) = steps.checked_sub(range.len()) else { break };
            steps = left;
            for (copy, best) in copies.all()[range.clone()].iter().zip(&mut best[range]) {
                let distance = run.distance(copies.order(copy));
                if best.is_none_or(|(nearest, _)| distance < nearest) {
                    *best = Some((distance, index));
                }
            }
        }
    }
    let mut held: BTreeMap<usize, Vec<Extent>> = BTreeMap::new();
    for (copy, best) in copies.all().iter().zip(best) {
        let Some((distance, index)) = best else { continue };
        // Before and after, it may have been another's, unless nobody has it now.
        if distance == 0 || free.contains(layout.extent(copy.block, 1)) {
            held.entry(index).or_default().push(Extent { start: copy.at, len: layout.block_size });
        }
    }
    held
}
