//! What `clean` and `verify --original` hand over to the search for pieces of removed files: the plan's edits, as bytes
//! of the input.

use std::sync::{Arc, OnceLock};

use block::{BlockRead, Overlay, Window};
use filesystem::Result;
use report::allow::Key;
use sanitize::{OpaqueVolumes, Plan, Progress, Request, Silent, Stage};
use scan::{Action, RuleId, Selection};
use verify::taint::{Ahead, Index, Removed, Taint};

use super::{Input, sector_size};
use crate::{args::InputArgs, failure::Failure};

/// Rules whose files say nothing that does not stand elsewhere: they are made anew from what stays.
const DERIVED: [&str; 1] = ["system-caches"];

/// What the plan removes, and the input's view that has it.
pub(crate) struct Gone {
    view: Overlay<Arc<dyn BlockRead>>,
    removed: Removed,
}

/// Looks up what the plan removes from the input.
pub(crate) fn gone(input: &Arc<dyn BlockRead>, plan: &Plan) -> Result<Gone> {
    let mut view = Overlay::new(Arc::clone(input));
    let mut removed = Removed::new();
    for (index, volume) in plan.layout.volumes.iter().enumerate() {
        if !volume.content.has_tree() {
            continue;
        }
        super::input::replay(&mut view, volume)?;
        let window = Window::new(&view, &volume.extents)?;
        let filesystem = filesystem::open(&window, volume.content)?;
        for edit in plan.edits.iter().filter(|edit| usize::from(edit.volume) == index) {
            let derived = matches!(edit.rule, RuleId::BuiltIn(id) if DERIVED.contains(&id));
            if !derived && matches!(edit.action, Action::Remove | Action::Truncate) {
                let file = (edit.target.inode, edit.kind);
                removed.add(&window, volume.number, &*filesystem, file, &edit.path.0)?;
            }
        }
    }
    Ok(Gone { view, removed })
}

impl Gone {
    /// What to search for.
    pub(crate) fn index(&self) -> Result<Index<'_>> {
        Ok(Index::new(&self.view, &self.removed)?)
    }
}

/// Searches a finished output.
pub(crate) fn search(
    index: &Index<'_>,
    ahead: &Ahead,
    output: &Arc<dyn BlockRead>,
    key: &Key,
    threads: usize,
) -> Result<Taint> {
    let layout = filesystem::layout(output, None)?;
    verify::taint::search(index, ahead, output, &layout, key.bytes(), threads)
}

/// Shows a run's progress, and searches what is written while it is still in the processor's cache, as soon as it is
/// known what to search for.
pub(crate) struct Watching<'w, 'i> {
    pub(crate) shown: &'w dyn Progress,
    pub(crate) index: &'w OnceLock<Index<'i>>,
    pub(crate) ahead: &'w Ahead,
}

impl Progress for Watching<'_, '_> {
    fn stage(&self, stage: Stage, total: Option<u64>) {
        self.shown.stage(stage, total);
    }

    fn at(&self, byte: u64) {
        self.shown.at(byte);
    }

    fn writes(&self, offset: u64, bytes: &[u8]) {
        if let Some(index) = self.index.get() {
            index.search_ahead(offset, bytes, self.ahead);
        }
    }
}

/// Searches an image for pieces of what the policy removes from the original that it was made from.
pub(crate) fn against(
    original: &InputArgs,
    selection: &Selection,
    subject: &Arc<dyn BlockRead>,
    key: &Key,
    threads: usize,
) -> Result<(report::Image, Taint), Failure> {
    let input = Input::open(original)?;
    let device = input.device()?;
    let failed = |error: block::Error| Failure::image(&original.input, &error);
    let request = Request {
        selection,
        create: &[],
        // What cannot be read holds nothing that is known to be removed.
        opaque: OpaqueVolumes::Keep,
        drop_unowned: true,
        sector_size: sector_size(original, &device),
        list_files: false,
        workers: threads,
    };
    let taint = input.steadily(|| {
        let mut view = Overlay::new(Arc::clone(&device));
        let plan = sanitize::plan(&mut view, &request, &Silent).map_err(failed)?;
        let gone = gone(&device, &plan).map_err(failed)?;
        let index = gone.index().map_err(failed)?;
        search(&index, &Ahead::default(), subject, key, threads).map_err(failed)
    })?;
    Ok((input.about(original), taint))
}
