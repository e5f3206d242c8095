//! What `clean` hands over to the search for pieces of removed files: the plan's edits, as bytes of the input.

use std::sync::Arc;

use block::{BlockRead, Overlay, Window};
use filesystem::{Content, Result};
use report::allow::Key;
use sanitize::Plan;
use scan::{Action, RuleId};
use verify::taint::{Index, Removed, Taint};

/// Rules whose files say nothing that does not stand elsewhere: they are made anew from what stays.
const DERIVED: [&str; 1] = ["system-caches"];

/// Searches the finished output for pieces of what the plan removed from the input.
pub(crate) fn search(
    input: &Arc<dyn BlockRead>,
    output: &Arc<dyn BlockRead>,
    plan: &Plan,
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
    verify::taint::search(&index, output, &layout, &mount_points, Key::random()?.bytes(), threads)
}
