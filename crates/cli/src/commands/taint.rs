//! What `clean` and `verify --original` hand over to the search for pieces of removed files: the plan's edits, as bytes
//! of the input.

use std::sync::Arc;

use block::{BlockRead, Overlay, Window};
use filesystem::{Content, Result};
use report::allow::Key;
use sanitize::{OpaqueVolumes, Plan, Request, Silent};
use scan::{Action, RuleId, Selection};
use verify::taint::{Index, Removed, Taint};

use super::open;
use crate::{args::InputArgs, failure::Failure, reports};

/// Rules whose files say nothing that does not stand elsewhere: they are made anew from what stays.
const DERIVED: [&str; 1] = ["system-caches"];

/// Searches the finished output for pieces of what the plan removed from the input.
pub(crate) fn search(
    input: &Arc<dyn BlockRead>,
    output: &Arc<dyn BlockRead>,
    plan: &Plan,
    key: &Key,
    threads: usize,
) -> Result<Taint> {
    let mut view = Overlay::new(Arc::clone(input));
    let mut removed = Removed::new();
    for (index, volume) in plan.layout.volumes.iter().enumerate() {
        if !matches!(volume.content, Content::Ext | Content::Fat) {
            continue;
        }
        filesystem::open_mut(Window::new(&mut view, &volume.extents)?, volume.content)?.recover()?;
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
    let mount_points: Vec<(u32, Vec<u8>)> = plan
        .layout
        .volumes
        .iter()
        .zip(&plan.volumes)
        .filter_map(|(volume, facts)| Some((volume.number, facts.mount_point.as_ref()?.0.clone())))
        .collect();
    let layout = filesystem::layout(output, None)?;
    let index = Index::new(&view, &removed)?;
    verify::taint::search(&index, output, &layout, &mount_points, key.bytes(), threads)
}

/// Searches an image for pieces of what the policy removes from the original that it was made from.
pub(crate) fn against(
    original: &InputArgs,
    selection: &Selection,
    subject: &Arc<dyn BlockRead>,
    key: &Key,
    threads: usize,
) -> Result<(report::Image, Taint), Failure> {
    let (device, info) = open(original)?;
    let failed = |error: block::Error| Failure::image(&original.input, &error);
    let request = Request {
        selection,
        create: &[],
        // What cannot be read holds nothing that is known to be removed.
        opaque: OpaqueVolumes::Keep,
        drop_unowned: true,
        sector_size: original.sector_size,
        list_files: false,
        workers: threads,
    };
    let plan = sanitize::plan(&mut Overlay::new(Arc::clone(&device)), &request, &Silent).map_err(failed)?;
    let taint = search(&device, subject, &plan, key, threads).map_err(failed)?;
    Ok((reports::image(&original.input, info.format, device.size()), taint))
}
