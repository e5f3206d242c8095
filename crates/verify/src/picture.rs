//! A disk at a glance: cut into cells, each with the class that most of it has, and whether residue is in it.

use block::Extent;
use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{Atlas, Region};

/// Most cells of a picture.
const CELLS: u64 = 1024;
/// Cells have a multiple of this many bytes.
const GRAIN: u64 = 4096;

/// One cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// The class of most of its bytes.
    pub region: Region,
    /// Bytes of residue in it.
    pub residue: u64,
}

impl Cell {
    /// The class's letter; upper case where residue is.
    #[must_use]
    pub fn letter(self) -> char {
        let letter = self.region.letter();
        if self.residue > 0 { letter.to_ascii_uppercase() } else { letter }
    }
}

/// At most 1024 cells of one size, the last one shorter. In JSON: the size, and one letter a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Bytes of a cell.
    pub cell: u64,
    /// The cells, in the order of the disk.
    pub cells: Vec<Cell>,
}

impl Picture {
    pub(crate) fn of(atlas: &Atlas) -> Self {
        let size = atlas.size();
        let cell = size.div_ceil(CELLS).next_multiple_of(GRAIN);
        let mut cells = Vec::new();
        let mut at = 0;
        while at < size {
            let extent = Extent::between(at, size.min(at.saturating_add(cell)));
            let mut bytes = [0; Region::ALL.len()];
            for area in atlas.parts(extent) {
                let place = Region::ALL.iter().position(|&region| region == area.region);
                bytes[place.expect("every class is in the list")] += area.extent.len;
            }
            let most = bytes.iter().zip(Region::ALL).rev().max_by_key(|(bytes, _)| **bytes);
            let region = most.expect("there are classes").1;
            cells.push(Cell { region, residue: 0 });
            at = extent.end();
        }
        Self { cell, cells }
    }

    /// Adds residue in one cell.
    pub(crate) fn mark(&mut self, offset: u64, bytes: u64) {
        if let Some(cell) = usize::try_from(offset / self.cell).ok().and_then(|at| self.cells.get_mut(at)) {
            cell.residue += bytes;
        }
    }

    /// A letter a cell.
    #[must_use]
    pub fn letters(&self) -> String {
        self.cells.iter().map(|cell| cell.letter()).collect()
    }
}

impl Serialize for Picture {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut picture = serializer.serialize_struct("Picture", 2)?;
        picture.serialize_field("cell", &self.cell)?;
        picture.serialize_field("cells", &self.letters())?;
        picture.end()
    }
}
