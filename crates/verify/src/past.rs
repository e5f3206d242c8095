//! What places of residue once were, with paths: the tree is walked once for all that history names by inode.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
};

use filesystem::{InodeId, Result};

use crate::{Note, Place, Region, Survey, attribute::walk, history::Present};

/// What is dead once was something: whose, and what.
pub(crate) fn tell(survey: &Survey, places: &mut [Place], notes: &mut Vec<Note>) -> Result<()> {
    if places.iter().all(|place| place.region.is_live()) {
        return Ok(());
    }
    let history = survey.history(notes)?;
    let mut now = Now { survey, paths: HashMap::new(), wanted: RefCell::default() };
    let ask = |now: &Now<'_>, places: &mut [Place]| {
        for place in places.iter_mut().filter(|place| !place.region.is_live()) {
            place.was = history.was(place.offset, place.region, now);
        }
    };
    // The first time, to know which paths are wanted: each tree is walked once for all of them.
    ask(&now, places);
    let wanted = now.wanted.take();
    if !wanted.is_empty() {
        for (index, volume) in survey.layout.volumes.iter().enumerate() {
            let inodes: HashSet<InodeId> = wanted
                .iter()
                .filter(|(number, _)| *number == volume.number)
                .map(|(_, inode)| InodeId(*inode))
                .collect();
            let mut paths = HashMap::new();
            walk(survey, index, &inodes, &mut paths, notes)?;
            now.paths.extend(paths.into_iter().map(|(inode, path)| ((volume.number, inode.0), path)));
        }
        ask(&now, places);
    }
    Ok(())
}

/// The present, as far as it has been looked up.
struct Now<'a> {
    survey: &'a Survey,
    paths: HashMap<(u32, u64), String>,
    wanted: RefCell<HashSet<(u32, u64)>>,
}

impl Present for Now<'_> {
    fn place(&self, offset: u64) -> (Region, Option<u64>) {
        match self.survey.atlas.at(offset) {
            Some(area) => (area.region, area.inode.map(|inode| inode.0)),
            None => (Region::Gap, None),
        }
    }

    fn path(&self, volume: u32, inode: u64) -> Option<String> {
        let path = self.paths.get(&(volume, inode)).cloned();
        if path.is_none() {
            self.wanted.borrow_mut().insert((volume, inode));
        }
        path
    }
}
