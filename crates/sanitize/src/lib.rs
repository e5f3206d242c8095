//! From an input image to a clean output.
//!
//! > `output[b] = view[b]` if b is live, else 0. `view` = input + overlay of edits; `live` = what the *edited*
//! > filesystems can reach.
//!
//! [`sanitize`] reads as that line, one call a stage. The input is never written: every change is in the
//! overlay. [`in_place`] is the same line for a disk that is its own output. Nothing is edited before the plan is complete (journal recovery, in the overlay, excepted).

mod apply;
mod claimed;
mod copy;
mod digest;
pub mod in_place;
mod inspect;
mod live;
mod map;
mod mirrors;
mod plan;
mod progress;
mod report;
mod request;
mod walk;

use std::sync::Arc;

use block::{BlockRead, ImageWriter, Overlay};
use filesystem::Result;

pub use digest::{ALGORITHM as DIGEST_ALGORITHM, Digest};
pub use inspect::{InspectedFilesystem, InspectedUser, InspectedVolume, Inspection, inspect};
pub use map::{Class, DiskMap};
pub use plan::{Creation, Edit, Listed, Plan, VolumeFacts, plan};
pub use progress::{Progress, Silent, Stage};
pub use report::{
    DryRun, EditReport, FileReport, Report, Residues, RuleReport, VolumeReport, edit_reports, rule_reports,
};
pub use request::{OpaqueVolumes, Request};

/// A disk as it is worked on: the input, whatever it is stored in, and the edits over it.
pub type View = Overlay<Arc<dyn BlockRead>>;

/// Writes the clean image of what `view` shows to `writer`, and finishes it.
///
/// On an error the writer is dropped unfinished: the caller's output file must then vanish. Afterwards `view`
/// shows the edited disk.
pub fn sanitize(
    view: &mut View,
    plan: &Plan,
    mut writer: Box<dyn ImageWriter>,
    request: &Request<'_>,
    progress: &dyn Progress,
) -> Result<Report> {
    let scrubbed = apply::apply(view, plan, progress)?;
    let map = live::live(view, plan, request)?;
    progress.stage(Stage::Copy, Some(view.size()));
    let copied = copy::copy(view, &map, &mut *writer, request.workers, progress)?;
    progress.stage(Stage::Sync, None);
    writer.finish()?;
    Ok(report::report(plan, &scrubbed, &copied, request.selection.digest(), view.size()))
}
