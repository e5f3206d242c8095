//! The XFS reader against mkfs.xfs, xfs_db, xfs_repair and the kernel.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these files are tests throughout")]

mod corpora;
mod fields;
#[path = "../common/file.rs"]
mod file;
mod hostile;
mod image;
mod incomplete;
mod kernel;
mod tails;
mod tree;

use block::{Extent, ExtentSet};
use filesystem::{Claim, Filesystem};

/// All claims: live and dead, disjoint.
fn claims(xfs: &impl Filesystem) -> (ExtentSet, ExtentSet) {
    let (mut live, mut dead): (Vec<Extent>, Vec<Extent>) = Default::default();
    xfs.claims(&mut |extent, claim| {
        assert!(!extent.is_empty());
        match claim {
            Claim::Live(_) => live.push(extent),
            Claim::Dead(..) => dead.push(extent),
        }
        Ok(())
    })
    .unwrap_or_else(|error| panic!("{error}"));
    let both: Vec<Extent> = live.iter().chain(&dead).copied().collect();
    ExtentSet::disjoint(both).unwrap();
    (live.into_iter().collect(), dead.into_iter().collect())
}

/// The two witnesses agree to the byte.
fn assert_partition(xfs: &impl Filesystem, what: &str) {
    let (live, dead) = claims(xfs);
    let claimed = live.union(&dead);
    let allocated = xfs.allocated().unwrap_or_else(|error| panic!("{what}: {error}"));
    let (more, less): (Vec<_>, Vec<_>) =
        (claimed.difference(&allocated).iter().collect(), allocated.difference(&claimed).iter().collect());
    assert!(
        more.is_empty() && less.is_empty(),
        "{what}: claimed but free {more:?}, in use but unclaimed {less:?}"
    );
}
