//! The ledger of claims: each block is claimed once, and with `bigalloc` each cluster by one owner.

use std::collections::HashMap;

use block::{Extent, Object, Result};

use crate::{Claim, InodeId, Residue, bits::Bits, ext::layout::Layout};

/// Who claims: the filesystem's fixed metadata, or an inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claimant {
    /// Fixed metadata of a group.
    Group(u64),
    /// An inode, for its content or its map.
    Inode(u64),
}

impl Claimant {
    fn object(self) -> Object {
        match self {
            Self::Group(number) => Object::numbered("group", number),
            Self::Inode(number) => Object::numbered("inode", number),
        }
    }
}

/// Collects claims of whole blocks and passes them on byte by byte.
pub(super) struct Ledger<'a> {
    layout: &'a Layout,
    visit: &'a mut dyn FnMut(Extent, Claim) -> Result<()>,
    blocks: Bits,
    /// With bigalloc: clusters that are claimed, and who claims those of which only a part is.
    clusters: Bits,
    partial: HashMap<u64, Claimant>,
    /// Looks for the first claimant of this block instead.
    find: Option<u64>,
    /// Who that is.
    pub(super) found: Option<Claimant>,
    /// The block that two claim, once that has happened.
    pub(super) conflict: Option<u64>,
}

impl<'a> Ledger<'a> {
    /// With `find`, a ledger that only looks for the first claimant of a block.
    pub(super) fn new(
        layout: &'a Layout,
        find: Option<u64>,
        visit: &'a mut dyn FnMut(Extent, Claim) -> Result<()>,
    ) -> Self {
        Self {
            layout,
            visit,
            blocks: Bits::default(),
            clusters: Bits::default(),
            partial: HashMap::new(),
            find,
            found: None,
            conflict: None,
        }
    }

    /// Claims `count` blocks, which lie inside the filesystem. What is in them comes with [`say`](Self::say).
    pub(super) fn claim(&mut self, block: u64, count: u64, who: Claimant) -> Result<()> {
        if let Some(wanted) = self.find {
            let cluster = |block: u64| self.layout.cluster_of(block);
            if self.found.is_none()
                && (cluster(block)..=cluster(block + count - 1)).contains(&cluster(wanted))
            {
                self.found = Some(who);
            }
            return Ok(());
        }
        let twice = self.blocks.insert(block, block + count).err();
        let twice = match twice {
            None if self.layout.cluster_blocks > 1 => self.claim_clusters(block, count, who),
            twice => twice,
        };
        match twice {
            None => Ok(()),
            Some(block) => {
                self.conflict = Some(block);
                Err(who.object().corrupt("block", format!("{block}, which is in use"), "a block of its own"))
            }
        }
    }

    /// Claims whole clusters. Only one that is claimed in part may be claimed again, by the same claimant.
    fn claim_clusters(&mut self, block: u64, count: u64, who: Claimant) -> Option<u64> {
        let layout = self.layout;
        let ratio = layout.cluster_blocks;
        let first_block = block - layout.first_data_block;
        let (first, last) = (first_block / ratio, (first_block + count).div_ceil(ratio));
        for cluster in first..last {
            let whole = cluster * ratio >= first_block && (cluster + 1) * ratio <= first_block + count;
            let block = layout.first_data_block + cluster * ratio;
            if !whole {
                match self.partial.get(&cluster) {
                    // Metadata of several groups may share a cluster; to a cluster it is all one owner.
                    Some(&other)
                        if other == who
                            || matches!((other, who), (Claimant::Group(_), Claimant::Group(_))) =>
                    {
                        continue;
                    }
                    Some(_) => return Some(block),
                    None => {
                        self.partial.insert(cluster, who);
                    }
                }
            }
            if self.clusters.insert(cluster, cluster + 1).is_err() {
                return Some(block);
            }
        }
        None
    }

    /// Says what some bytes of claimed blocks are.
    pub(super) fn say(&mut self, start: u64, end: u64, claim: Claim) -> Result<()> {
        if start >= end || self.find.is_some() {
            return Ok(());
        }
        (self.visit)(Extent::between(start, end), claim)
    }

    /// Claims whole blocks and says the same of all their bytes.
    pub(super) fn claim_all(&mut self, block: u64, count: u64, who: Claimant, claim: Claim) -> Result<()> {
        self.claim(block, count, who)?;
        let extent = self.layout.extent(block, count);
        self.say(extent.start, extent.end(), claim)
    }

    /// Reports blocks of claimed clusters that nobody claimed.
    pub(super) fn finish(mut self) -> Result<()> {
        if self.layout.cluster_blocks == 1 {
            return Ok(());
        }
        let mut clusters: Vec<(u64, Claimant)> = self.partial.drain().collect();
        clusters.sort_unstable_by_key(|(cluster, _)| *cluster);
        for (cluster, who) in clusters {
            let file = match who {
                Claimant::Inode(number) => Some(InodeId(number)),
                Claimant::Group(_) => None,
            };
            let start = self.layout.first_data_block + cluster * self.layout.cluster_blocks;
            let end = (start + self.layout.cluster_blocks).min(self.layout.blocks);
            let mut free = start;
            for block in start..=end {
                if block < end && !self.blocks.contains(block) {
                    continue;
                }
                let gap = self.layout.extent(free, block - free);
                self.say(gap.start, gap.end(), Claim::Dead(Residue::Unmapped, file))?;
                free = block + 1;
            }
        }
        Ok(())
    }
}
