//! Judges any image on its own: what is live is found anew from the image itself, never taken from whoever
//! wrote it. Shares the readers with `sanitize`, never its plan, its live set or its code.
//!
//! For an image of unknown origin, [`examine()`] accounts for every byte: an [`Atlas`] gives each its class and owner,
//! [`residue()`] counts what is dead and not zero, [`attribute()`] names places. What is damaged is opaque and noted. What
//! the image *file* holds besides the disk is judged on its own ([`container`]).
//!
//! For what `sanitize` wrote, where damage is an error, three witnesses: every byte that nothing live claims, and every
//! unused byte inside what metadata claims, must be zero ([`judge`]); the published readers ext4-view, fatfs and gpt
//! must see the same tree ([`judge`]); and what was to stay must have stayed ([`compare_trees`]).

mod atlas;
mod attribute;
mod complement;
pub mod container;
mod examine;
mod finding;
mod guest;
mod history;
mod legs;
mod names;
mod note;
mod packages;
mod past;
mod paths;
mod patience;
mod picture;
mod place;
mod region;
mod residue;
mod retained;
mod second;
mod secrets;
mod survey;
mod tails;
pub mod taint;
mod views;

use std::sync::Arc;

use block::{BlockRead, Extent, ExtentSet, Window};
use filesystem::{Claim, Content, Layout, Result};

pub use atlas::{Area, Atlas};
pub use attribute::attribute;
pub use examine::{ClassTotal, Examination, ExaminedVolume, conclude, examine};
pub use filesystem::Expected;
pub use finding::{Finding, Tier};
use history::History;
use legs::Legs;
use names::Names;
pub use note::Note;
pub use picture::{Cell, Picture};
pub use place::{Place, Was};
pub use region::Region;
pub use residue::{Counter, Residue, Run, Sum, residue};
pub use retained::compare_trees;
pub use second::{Opinion, Reader};
pub use secrets::{
    Archives, InFile, Search, Secrets, Shipped, named_files, path_findings, secrets, secrets_in_file,
    set_shipped_apart, unwanted, with_guest,
};
pub use survey::Survey;
pub use tails::{Visit as VisitTails, table_tails, volume_tails};
pub use views::Views;

/// What the caller allows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Bytes of a logical sector; `None`: found out.
    pub sector_size: Option<u32>,
    /// Volumes that diskscrub cannot read count as live (they were kept on purpose).
    pub keep_opaque: bool,
    /// Blocks that are allocated but owned by nothing are no finding (they were dropped on purpose), if they are zero.
    pub drop_unowned: bool,
    /// The second readers read every file's content too, not only the tree.
    pub content: bool,
    /// Threads in which the second readers walk a tree; at least one does.
    pub threads: usize,
}

/// The judgement of an image.
#[derive(Debug, Default, serde::Serialize)]
pub struct Verdict {
    /// What should not be. Empty: the image is clean.
    pub findings: Vec<Finding>,
    /// What the other readers said, one each a volume.
    pub opinions: Vec<Opinion>,
    /// Live bytes.
    pub live: u64,
    /// Bytes outside live ranges that were looked at; holes, which are zero by definition, not counted.
    pub examined: u64,
}

/// Reads the image as if for the first time, and says what is left in it.
///
/// Fails if it cannot be read: then it can't be judged.
pub fn judge(device: &Arc<dyn BlockRead>, options: Options) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    let layout = filesystem::layout(device, options.sector_size)?;
    verdict.findings.extend(tails::of_table(device, &layout)?);
    let mut live: Vec<Extent> = layout.live.iter().map(|region| region.extent).collect();
    for volume in &layout.volumes {
        let window = Window::new(Arc::clone(device), &volume.extents)?;
        match &volume.content {
            Content::Ext | Content::Fat | Content::Xfs | Content::Swap => {
                let found = claims_of(device, &window, volume, &mut live)?;
                let dropped = |finding: &Finding| {
                    options.drop_unowned
                        && matches!(finding, Finding::Residue { region: Region::Unowned, .. })
                };
                verdict.findings.extend(found.into_iter().filter(|finding| !dropped(finding)));
                verdict.findings.extend(tails::of_volume(&window, volume)?);
            }
            Content::Opaque(_) if options.keep_opaque => live.extend(volume.places()),
            Content::Opaque(_) | Content::Lvm2 | Content::BootCode | Content::Empty => {}
        }
    }
    let live: ExtentSet = live.into_iter().collect();
    verdict.live = live.total();
    let left = complement::non_zero(device, &live)?;
    verdict.examined = left.examined;
    if !left.non_zero.is_empty() {
        let survey = Survey::of(device, options.sector_size)?;
        verdict.findings.extend(complement::attribute(&survey, &left.non_zero));
    }
    if verdict.findings.is_empty() {
        second_opinions(device, &layout, options, &mut verdict)?;
    }
    Ok(verdict)
}

/// Adds the volume's live extents (on the disk), and compares the two witnesses: claims and bitmaps; and names with inodes,
/// and the legs of a mirror with each other.
fn claims_of(
    device: &Arc<dyn BlockRead>,
    window: &Window<Arc<dyn BlockRead>>,
    volume: &filesystem::Volume,
    live: &mut Vec<Extent>,
) -> Result<Vec<Finding>> {
    let filesystem = filesystem::open(window, volume.content)?;
    let mut claimed: Vec<Extent> = Vec::new();
    let mut legs = Legs::of(device, volume)?;
    filesystem.claims(&mut |extent, claim| {
        // Most claims follow the last one: a file's bytes, its slack, the next file.
        match claimed.last_mut() {
            Some(last) if last.end() == extent.start => last.len += extent.len,
            _ => claimed.push(extent),
        }
        if matches!(claim, Claim::Live(_)) {
            live.extend(window.map(extent));
            legs.add(extent, live);
        }
        Ok(())
    })?;
    let claimed: ExtentSet = claimed.into_iter().collect();
    let allocated = filesystem.allocated()?;
    let (owned, unowned) = (claimed.difference(&allocated), allocated.difference(&claimed));
    let finding = |extents: &ExtentSet, region| {
        extents.iter().next().map(|first| Finding::Residue {
            volume: Some(volume.number),
            region,
            first: window.map(first).next().map_or(first.start, |extent| extent.start),
            bytes: extents.total(),
        })
    };
    filesystem.check_names()?;
    let witnesses = [finding(&owned, Region::OwnedButFree), finding(&unowned, Region::Unowned)];
    let mut findings: Vec<Finding> = witnesses.into_iter().flatten().collect();
    findings.extend(legs.compare(window, volume.number)?);
    Ok(findings)
}

/// The published readers come last: their input has passed our own checks by then.
fn second_opinions(
    device: &Arc<dyn BlockRead>,
    layout: &Layout,
    options: Options,
    verdict: &mut Verdict,
) -> Result<()> {
    let noting = Arc::new(second::Noting::new(Arc::clone(device)));
    let noted: Arc<dyn BlockRead> = Arc::<second::Noting<_>>::clone(&noting);
    let device = &noted;
    verdict.opinions.extend(second::gpt(device, layout));
    for volume in &layout.volumes {
        let window = Window::new(Arc::clone(device), &volume.extents)?;
        let opinion = match volume.content {
            Content::Ext => second::ext4(&window, volume.number, options)?,
            Content::Fat => second::fat(&window, volume.number, options)?,
            _ => continue,
        };
        verdict.opinions.push(opinion);
    }
    noting.check()?;
    verdict.findings.extend(verdict.opinions.iter().flat_map(Opinion::findings));
    Ok(())
}
