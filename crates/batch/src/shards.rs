//! Rows on shards, so that all shards end at about the same time.

use std::{cmp::Reverse, collections::BinaryHeap};

/// Gives each size a shard below `count`: the largest first, each to the shard that has the least so far. The longest
/// shard has at most 4/3 of the least that is possible (Graham 1969). The same sizes give the same shards.
pub(crate) fn balance(sizes: &[u64], count: u32) -> Vec<u32> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&row| (Reverse(sizes[row]), row));
    let mut loads: BinaryHeap<Reverse<(u64, u32)>> = (0..count).map(|shard| Reverse((0, shard))).collect();
    let mut shards = vec![0; sizes.len()];
    for row in order {
        let Some(Reverse((load, shard))) = loads.pop() else { break };
        shards[row] = shard;
        // An image costs something to open, too: empty ones are spread as well.
        loads.push(Reverse((load.saturating_add(sizes[row]).saturating_add(1), shard)));
    }
    shards
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_ones_are_spread_first() {
        assert_eq!(balance(&[1, 9, 5, 5], 2), [0, 0, 1, 1]);
        assert_eq!(balance(&[0, 0, 0], 3), [0, 1, 2]);
        assert_eq!(balance(&[], 3), [0; 0]);
    }

    #[test]
    fn no_shard_has_more_than_the_bound() {
        let mut state = 7u64;
        let sizes: Vec<u64> = (0..400)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state >> 40
            })
            .collect();
        let shards = balance(&sizes, 16);
        let load = |shard| -> u64 {
            sizes.iter().zip(&shards).filter(|(_, of)| **of == shard).map(|(size, _)| size).sum()
        };
        let longest = (0..16).map(load).max().unwrap();
        assert!(longest <= sizes.iter().sum::<u64>() / 16 * 4 / 3, "{longest}");
    }
}
