//! Carries the plan out, in the overlay: creations and edits, then the scrub of live metadata and of the partition table.

use block::{BlockWrite, Extent, Window, to_u64, to_usize};
use filesystem::{Content, Object, Result, Unsupported, Volume};
use scan::Action;

use crate::{
    View, mirrors,
    plan::{Edit, Plan, change, swap_header},
    progress::{Progress, Stage},
};

/// Bytes of residue that were zeroed inside live metadata, by volume of the layout.
#[derive(Debug, Default)]
pub(crate) struct Scrubbed {
    pub(crate) volumes: Vec<u64>,
    pub(crate) table: u64,
}

/// Applies every edit and scrubs what stays. After it the view is what the output will be, where it is live.
pub(crate) fn apply(view: &mut View, plan: &Plan, progress: &dyn Progress) -> Result<Scrubbed> {
    progress.stage(Stage::Edit, Some(to_u64(plan.edits.len() + plan.creations.len())));
    let mut scrubbed = Scrubbed::default();
    let mut done = 0;
    for (index, volume) in (0u16..).zip(&plan.layout.volumes) {
        let edits = || plan.edits.iter().filter(move |edit| edit.volume == index);
        let bytes = match volume.content {
            Content::Ext | Content::Fat | Content::Xfs | Content::Swap => {
                for edit in edits().filter(|edit| edit.action == Action::SwapFile) {
                    rewrite_swap_header(view, volume, edit)?;
                }
                let mut filesystem =
                    filesystem::open_mut(Window::new(&mut *view, &volume.extents)?, volume.content)?;
                for creation in plan.creations.iter().filter(|creation| creation.volume == index) {
                    let inode = filesystem.create(creation.parent, &creation.name, &creation.new)?;
                    if inode != creation.inode {
                        let object = Object::numbered("inode", creation.parent.0);
                        return Err(object.corrupt("inode of the new name", inode.0, creation.inode.0));
                    }
                    done += 1;
                    progress.at(done);
                }
                for edit in edits() {
                    if let Some(change) = change(edit.action, edit.rewrite.as_ref()) {
                        filesystem.change(&edit.target, &change)?;
                    }
                    done += 1;
                    progress.at(done);
                }
                filesystem.scrub()?
            }
            Content::Lvm2 | Content::BootCode | Content::Empty | Content::Opaque(_) => 0,
        };
        mirrors::bring_in_step(view, volume)?;
        scrubbed.volumes.push(bytes);
    }
    scrubbed.table = filesystem::scrub_table(view, &plan.layout)?;
    Ok(scrubbed)
}

/// Puts a clean header where the file's first page lies: no hibernation image survives in it.
fn rewrite_swap_header(view: &mut View, volume: &Volume, edit: &Edit) -> Result<()> {
    let mut pieces: Vec<(u64, Extent)> = Vec::new();
    let header = {
        let filesystem = filesystem::open(Window::new(&*view, &volume.extents)?, volume.content)?;
        let header = swap_header(&*filesystem, &edit.target, &edit.path)?.page;
        filesystem.extents(edit.target.inode, &mut |offset, extent| {
            if offset < to_u64(header.len()) {
                pieces.push((offset, extent));
            }
            Ok(())
        })?;
        header
    };
    let covered: u64 =
        pieces.iter().map(|(offset, extent)| extent.len.min(to_u64(header.len()) - offset)).sum();
    if covered != to_u64(header.len()) {
        let object = Object::numbered("inode", edit.target.inode.0);
        return Err(Unsupported::new(object, "a swap file whose header is not stored").into());
    }
    let mut window = Window::new(view, &volume.extents)?;
    for (offset, extent) in pieces {
        let from = to_usize(offset);
        let len = to_usize(extent.len).min(header.len() - from);
        window.write_at(extent.start, &header[from..from + len])?;
    }
    Ok(())
}
