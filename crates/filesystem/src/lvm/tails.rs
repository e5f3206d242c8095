//! Residue in the live metadata of physical volumes, seen read-only, as positive lists.

use block::{BlockRead, Extent, Result, Window, to_u64};

use super::{PhysicalVolume, area, label, text};
use crate::{
    Tail,
    tails::{Visit, unused},
};

/// Reports what is in no field of a label or a metadata header, and what the text says of its last writer. Offsets
/// are of the disk.
pub(crate) fn tails(disk: &dyn BlockRead, physical: &[PhysicalVolume], visit: &mut Visit<'_>) -> Result<()> {
    for one in physical {
        let (pv, base) = (Window::new(disk, &[one.extent])?, one.extent.start);
        let label = label::read(&pv)?;
        let sector = label::sector(&pv, &label)?;
        unused(&sector, label::used(&label), base + label.extent.start, Tail::Lvm, visit)?;
        for (number, &extent) in (1..).zip(&label.areas) {
            let (area, current) = area::read(&pv, number, extent)?;
            let mut header = [0; label::SECTOR_LEN];
            pv.read_at(extent.start, &mut header)?;
            unused(&header, area::used(&area), base + extent.start, Tail::Lvm, visit)?;
            let Some(current) = current else { continue };
            for range in text::history(&current)? {
                // The empty string that is left has its quotes.
                let said = |&at: &usize| !matches!(current[at], b' ' | b'\n' | b'"');
                let Some(first) = range.clone().find(said) else { continue };
                let last = range.rev().find(said).unwrap_or(first);
                let part = Extent { start: to_u64(first), len: to_u64(last - first + 1) };
                let text = Window::new(&pv, &area.text)?;
                for piece in text.map(part) {
                    visit(Extent { start: base + piece.start, len: piece.len }, Tail::Lvm)?;
                }
            }
        }
    }
    Ok(())
}
