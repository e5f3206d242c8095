//! Intents: what was announced, to be done in later transactions, and what says that it was done.
//!
//! An intent left over is work that the kernel would finish after its replay. Freeing extents, changing owners and
//! reference counts touches the trees of allocation groups alone, and those can be rebuilt from what inodes own; the
//! groups are handed on for that. Changes of files' maps and attributes cannot be had that way and are refused.

use std::collections::{BTreeSet, HashMap};

use block::{Object, Result, Unsupported, to_usize};

use super::{
    super::geometry::{AgNumber, FsBlock, Geometry},
    layout::*,
    transaction::Item,
};

/// One kind of intent.
struct Kind {
    intent: u16,
    done: u16,
    /// Bytes of an extent in the description, and where its first block is; none if trees cannot tell.
    extents: Option<(usize, usize)>,
}

const KINDS: [Kind; 6] = [
    Kind { intent: LI_EFI, done: LI_EFD, extents: Some((16, 0)) },
    Kind { intent: LI_RUI, done: LI_RUD, extents: Some((32, 8)) },
    Kind { intent: LI_CUI, done: LI_CUD, extents: Some((16, 0)) },
    Kind { intent: LI_BUI, done: LI_BUD, extents: None },
    Kind { intent: LI_ATTRI, done: LI_ATTRD, extents: None },
    Kind { intent: LI_XMI, done: LI_XMD, extents: None },
];
/// Bytes of an extent to free, as old 32-bit machines log it.
const EFI_EXTENT_32: usize = 12;

/// Those that have not been done yet, by kind and number, with the first blocks of their extents.
#[derive(Debug, Default)]
pub(crate) struct Intents(HashMap<(u16, u64), Vec<FsBlock>>);

impl Intents {
    /// Whether items of this kind are intents, or say that one was done.
    pub(crate) fn knows(kind: u16) -> bool {
        KINDS.iter().any(|known| known.intent == kind || known.done == kind)
    }

    /// Notes an item of such a kind.
    pub(crate) fn add(&mut self, item: &Item) -> Result<()> {
        let head = item.head(INTENT_EXTENTS)?;
        let id = INTENT_ID.get(head);
        for kind in &KINDS {
            if item.kind == kind.done {
                self.0.remove(&(kind.intent, id));
            } else if item.kind == kind.intent {
                let extents = kind.extents.map_or(Ok(Vec::new()), |layout| extents(item, head, layout))?;
                self.0.insert((kind.intent, id), extents);
            }
        }
        Ok(())
    }

    /// The groups whose trees lack something. `Unsupported` if rebuilding trees is not enough.
    pub(crate) fn finish(&self, geometry: &Geometry) -> Result<BTreeSet<AgNumber>> {
        let mut groups = BTreeSet::new();
        // Errors must not depend on the order of a hash map.
        let mut left: Vec<_> = self.0.iter().collect();
        left.sort_unstable_by_key(|(name, _)| **name);
        for ((kind, _), extents) in left {
            if KINDS.iter().any(|known| known.intent == *kind && known.extents.is_none()) {
                let feature = format!("a log with an unfinished {} item", item_name(*kind));
                return Err(Unsupported::new(Object::the("log"), feature).into());
            }
            for &block in extents {
                let Some((group, _)) = geometry.split(block) else {
                    let object = Object::the("log item");
                    return Err(object.corrupt("block of an intent", block.0, "inside the filesystem"));
                };
                groups.insert(group);
            }
        }
        Ok(groups)
    }
}

/// The first blocks of an intent's extents.
fn extents(item: &Item, head: &[u8], (len, start): (usize, usize)) -> Result<Vec<FsBlock>> {
    let count = to_usize(INTENT_COUNT.get(head).into());
    let body = &head[INTENT_EXTENTS..];
    let len = if item.kind == LI_EFI && count > 0 && body.len() == count.saturating_mul(EFI_EXTENT_32) {
        EFI_EXTENT_32
    } else {
        len
    };
    if body.len() / len < count {
        let expected = format!("at most {}", body.len() / len);
        return Err(item.object().corrupt("extents of an intent", count, expected));
    }
    let starts = body.chunks_exact(len).take(count);
    Ok(starts.map(|extent| FsBlock(block::field::Le64(start).get(extent))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(kind: u16, id: u64, extents: &[(u64, u32)], len: usize) -> Item {
        let mut head = vec![0; INTENT_EXTENTS];
        ITEM_TYPE.set(&mut head, kind);
        ITEM_SIZE.set(&mut head, 1);
        INTENT_COUNT.set(&mut head, u32::try_from(extents.len()).unwrap());
        INTENT_ID.set(&mut head, id);
        for (start, count) in extents {
            let mut extent = vec![0; len];
            let at = if len == 32 { 8 } else { 0 };
            extent[at..at + 8].copy_from_slice(&start.to_le_bytes());
            extent[8.max(at + 8) % len..][..4.min(len - 8)].copy_from_slice(&count.to_le_bytes());
            head.extend(extent);
        }
        Item { kind, regions: vec![head] }
    }

    #[test]
    fn extents_in_three_forms() {
        for (kind, len) in [(LI_EFI, 16), (LI_EFI, 12), (LI_CUI, 16)] {
            let item = item(kind, 7, &[(5, 1), (1 << 20, 2)], len);
            let mut intents = Intents::default();
            intents.add(&item).unwrap();
            assert_eq!(intents.0[&(kind, 7)], [FsBlock(5), FsBlock(1 << 20)], "{kind:#x} {len}");
        }
        let mut intents = Intents::default();
        intents.add(&item(LI_RUI, 7, &[(5, 1)], 32)).unwrap();
        assert_eq!(intents.0[&(LI_RUI, 7)], [FsBlock(5)]);
    }

    #[test]
    fn more_extents_than_there_are() {
        let mut item = item(LI_EFI, 7, &[(5, 1)], 16);
        INTENT_COUNT.set(&mut item.regions[0], u32::MAX);
        let error = Intents::default().add(&item).unwrap_err().to_string();
        assert_eq!(error, "log item: extents of an intent is 4294967295, expected at most 1");
    }

    #[test]
    fn what_is_done_is_forgotten() {
        let mut intents = Intents::default();
        intents.add(&item(LI_BUI, 7, &[], 32)).unwrap();
        intents.add(&item(LI_RUD, 7, &[], 32)).unwrap();
        assert_eq!(intents.0.len(), 1, "another kind");
        intents.add(&item(LI_BUD, 7, &[], 32)).unwrap();
        assert!(intents.0.is_empty());
    }
}
