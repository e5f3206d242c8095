//! Mirrored volumes: every leg has the bytes that the filesystem on the first one needs.

use std::{io, sync::Arc};

use block::{BlockRead, Extent, Window, to_u64, to_usize};
use filesystem::{Result, Volume};

use crate::Finding;

/// Bytes that are compared at once.
const PIECE: u64 = 1 << 20;

/// The further legs of a volume, and what they must have.
pub(crate) struct Legs {
    copies: Vec<Window<Arc<dyn BlockRead>>>,
    needed: Vec<Extent>,
}

impl Legs {
    pub(crate) fn of(device: &Arc<dyn BlockRead>, volume: &Volume) -> io::Result<Self> {
        let copies = volume.copies.iter().map(|copy| Window::new(Arc::clone(device), copy));
        Ok(Self { copies: copies.collect::<io::Result<_>>()?, needed: Vec::new() })
    }

    /// Bytes of the volume are needed: tells where they lie in the further legs.
    pub(crate) fn add(&mut self, extent: Extent, live: &mut Vec<Extent>) {
        if self.copies.is_empty() {
            return;
        }
        live.extend(self.copies.iter().flat_map(|copy| copy.map(extent)));
        match self.needed.last_mut() {
            Some(last) if last.end() == extent.start => last.len += extent.len,
            _ => self.needed.push(extent),
        }
    }

    /// What the legs do not have in common with the first, each by its first difference.
    pub(crate) fn compare(&self, first: &dyn BlockRead, volume: u32) -> Result<Vec<Finding>> {
        let (mut a, mut b) = (vec![0; to_usize(PIECE)], vec![0; to_usize(PIECE)]);
        let mut findings = Vec::new();
        'legs: for (leg, copy) in (2..).zip(&self.copies) {
            for extent in &self.needed {
                let mut at = extent.start;
                while at < extent.end() {
                    let len = to_usize(PIECE.min(extent.end() - at));
                    first.read_at(at, &mut a[..len])?;
                    copy.read_at(at, &mut b[..len])?;
                    if let Some(byte) = a[..len].iter().zip(&b[..len]).position(|(a, b)| a != b) {
                        let byte = at + to_u64(byte);
                        let difference =
                            format!("leg {leg} of its mirror differs from the first at byte {byte}");
                        findings.push(Finding::NotRetained { volume, difference });
                        continue 'legs;
                    }
                    at += to_u64(len);
                }
            }
        }
        Ok(findings)
    }
}
