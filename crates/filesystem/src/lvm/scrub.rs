//! Residue in the live metadata of physical volumes: what no field has becomes zero, and checksums are redone.
//!
//! Names, identifiers and the text's settings stay. The text loses the command line and the host of whoever wrote it
//! last; it keeps its length and its place.

use block::{BlockRead, BlockWrite, Result, Window, to_u64, to_usize};

use super::{PhysicalVolume, area, label, text};

/// Cleans the metadata of physical volumes. Returns the bytes that held something and no longer do.
pub(crate) fn scrub<D: BlockWrite>(disk: &mut D, physical: &[PhysicalVolume]) -> Result<u64> {
    let mut cleared = 0;
    for one in physical {
        let mut pv = Window::new(&mut *disk, &[one.extent])?;
        let label = label::read(&pv)?;
        let mut sector = label::sector(&pv, &label)?;
        let mut from = 0;
        for used in label::used(&label) {
            sector[from..used.start].fill(0);
            from = used.end;
        }
        sector[from..].fill(0);
        label::seal(&mut sector);
        cleared += replace(&mut pv, label.extent.start, &sector)?;
        for (number, &extent) in (1..).zip(&label.areas) {
            let (area, mut current) = area::read(&pv, number, extent)?;
            if let Some(current) = &mut current {
                text::forget(current)?;
                for (start, piece) in area::pieces(&area, current) {
                    cleared += replace(&mut pv, start, piece)?;
                }
            }
            let mut header = vec![0; to_usize(area.header().len)];
            pv.read_at(extent.start, &mut header)?;
            area::clean_header(&mut header, current.as_deref());
            cleared += replace(&mut pv, extent.start, &header)?;
        }
    }
    Ok(cleared)
}

/// Makes `new` the bytes at `offset`, if they are not already.
fn replace(pv: &mut impl BlockWrite, offset: u64, new: &[u8]) -> Result<u64> {
    let mut old = vec![0; new.len()];
    pv.read_at(offset, &mut old)?;
    if old != new {
        pv.write_at(offset, new)?;
    }
    let blank = |byte: u8| matches!(byte, 0 | b' ');
    Ok(to_u64(old.iter().zip(new).filter(|&(&old, &new)| !blank(old) && blank(new)).count()))
}
