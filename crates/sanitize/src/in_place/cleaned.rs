//! The disk as it will be: what can be judged before a byte of it is changed. Nothing is written.

use std::io;

use block::{BlockRead, Extent, Run, to_u64, to_usize};
use filesystem::Result;

use crate::{
    View,
    apply::{Scrubbed, apply},
    live,
    map::{Class, DiskMap},
    plan::Plan,
    progress::Progress,
    request::Request,
};

/// Reads as `view` where that is live, and as zero elsewhere.
pub struct Cleaned {
    pub(super) view: View,
    pub(super) map: DiskMap,
    pub(super) scrubbed: Scrubbed,
}

/// Carries the plan out in the overlay, and finds out what is live on it.
pub fn clean_view(
    mut view: View,
    plan: &Plan,
    request: &Request<'_>,
    progress: &dyn Progress,
) -> Result<Cleaned> {
    let scrubbed = apply(&mut view, plan, progress)?;
    let map = live::live(&view, plan, request)?;
    Ok(Cleaned { view, map, scrubbed })
}

impl Cleaned {
    /// What is live, and why the rest is not.
    pub fn map(&self) -> &DiskMap {
        &self.map
    }
}

impl BlockRead for Cleaned {
    fn size(&self) -> u64 {
        self.view.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.view.read_at(offset, buf)?;
        for part in self.map.parts(Extent { start: offset, len: to_u64(buf.len()) }) {
            if part.class != Class::Live {
                buf[to_usize(part.extent.start - offset)..to_usize(part.extent.end() - offset)].fill(0);
            }
        }
        Ok(())
    }

    fn run_at(&self, offset: u64) -> io::Result<Run> {
        let run = self.view.run_at(offset)?;
        let here = self.map.parts(Extent::between(offset, self.size())).next();
        Ok(match here {
            Some(here) if here.class == Class::Live => {
                Run { len: run.len.min(here.extent.len), zero: run.zero }
            }
            Some(here) => Run { len: here.extent.len, zero: true },
            None => run,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::map::Region;

    #[test]
    fn live_bytes_and_zeros() {
        let base: Vec<u8> = (0..10_000u32).map(|n| n.to_le_bytes()[0] | 1).collect();
        let live = Extent::between(3000, 7001);
        let region = Region { extent: live, volume: Some(0), class: Class::Live };
        let map = DiskMap::new(10_000, vec![region]).unwrap();
        let cleaned = Cleaned { view: View::new(Arc::new(base.clone())), map, scrubbed: Scrubbed::default() };
        let mut found = vec![0; 9000];
        cleaned.read_at(500, &mut found).unwrap();
        for (at, byte) in (500..).zip(found) {
            let expected = if live.contains_byte(to_u64(at)) { base[at] } else { 0 };
            assert_eq!(byte, expected, "byte {at}");
        }
        assert_eq!(cleaned.run_at(0).unwrap(), Run { len: 3000, zero: true });
        assert_eq!(cleaned.run_at(4000).unwrap(), Run { len: 3001, zero: false });
        assert_eq!(cleaned.run_at(9999).unwrap(), Run { len: 1, zero: true });
    }
}
