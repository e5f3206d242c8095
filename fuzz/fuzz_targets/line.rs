//! The whole line on a patched disk: inspect, plan, clean, verify, and all of it again on what came out.
//!
//! Here rather than beside the others, because it is as much to compile as all of them: so that both happen at once.
#![no_main]

use std::{
    io,
    sync::{Arc, LazyLock, Mutex},
};

use block::{BlockRead, BlockWrite, ImageWriter, Overlay, Window, to_usize};
use filesystem::Result;
use sanitize::{OpaqueVolumes, Plan, Request, Silent, in_place::clean_view};
use scan::{Overrides, Policy, Selection};

/// Largest disk that is also written front to back.
const COPIED: u64 = 4 << 20;

/// Policies, and what goes besides.
static SELECTIONS: LazyLock<Vec<Selection>> = LazyLock::new(|| {
    let remove = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect();
    let choices: [(&str, &[&str]); 4] =
        [("default", &[]), ("aws", &[]), ("none", &["/many/*-1*", "/home/**"]), ("default", &["/**"])];
    choices
        .iter()
        .map(|(name, globs)| {
            let policy = Policy::built_in(name).expect("the policy is built in");
            let overrides = Overrides { remove: remove(globs), ..Overrides::default() };
            Selection::new(&policy, &overrides).expect("the patterns are right")
        })
        .collect()
});

support::target!("line", line);

/// A disk.
fn line(data: &[u8]) {
    let Some((input, device)) = support::image(data) else { return };
    support::save(&device);
    let device: Arc<dyn BlockRead> = Arc::new(device);
    let request = Request {
        selection: &SELECTIONS[to_usize((input.options & 3).into())],
        create: &[],
        opaque: if input.option(2) { OpaqueVolumes::Keep } else { OpaqueVolumes::Zero },
        drop_unowned: input.option(3),
        sector_size: None,
        list_files: input.option(4),
        workers: if input.option(1) { 2 } else { 1 },
    };
    let options = verify::Options {
        sector_size: None,
        keep_opaque: input.option(2),
        drop_unowned: input.option(3),
        content: true,
        threads: 1,
    };
    if input.option(7) {
        let _ = sanitize::inspect(&mut Overlay::new(Arc::clone(&device)), None, &Silent);
    }
    if input.option(5) {
        // What is damaged is a note: only the medium, or less than a sector, is an error.
        let examined = verify::examine(&device, options);
        drop(examined.unwrap_or_else(|error| panic!("the examination: {error}")));
    }
    // An error is a refusal.
    let Ok((plan, cleaned)) = clean(&device, &request) else { return };
    let cleaned: Arc<dyn BlockRead> = cleaned;
    let verdict = verify::judge(&cleaned, options).unwrap_or_else(|error| panic!("the output: {error}"));
    let sentences = |findings: &[verify::Finding]| {
        findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert!(verdict.findings.is_empty(), "the output:\n{}", sentences(&verdict.findings));
    let differences = compare(&device, &cleaned, &plan).unwrap_or_else(|error| panic!("the trees: {error}"));
    assert!(differences.is_empty(), "the trees:\n{}", differences.join("\n"));
    let (_, again) =
        clean(&cleaned, &request).unwrap_or_else(|error| panic!("the output is refused: {error}"));
    same(&*cleaned, &again);
    if input.option(6) && device.size() <= COPIED {
        same(&*cleaned, &copy(&device, &request));
    }
}

type Cleaned = Arc<sanitize::in_place::Cleaned>;

fn clean(device: &Arc<dyn BlockRead>, request: &Request<'_>) -> Result<(Plan, Cleaned)> {
    let mut view = Overlay::new(Arc::clone(device));
    let plan = sanitize::plan(&mut view, request, &Silent)?;
    let cleaned = clean_view(view, &plan, request, &Silent)?;
    Ok((plan, Arc::new(cleaned)))
}

/// Both have the same bytes.
fn same(one: &dyn BlockRead, other: &dyn BlockRead) {
    assert_eq!(one.size(), other.size(), "sizes");
    let (mut at, mut left, mut right) = (0, vec![0; 65_536], vec![0; 65_536]);
    while at < one.size() {
        let run = |device: &dyn BlockRead| device.run_at(at).expect("the disk is in memory");
        let (a, b) = (run(one), run(other));
        let len = a.len.min(b.len);
        if a.zero && b.zero {
            at += len;
            continue;
        }
        let len = len.min(65_536);
        for (device, buf) in [(one, &mut left), (other, &mut right)] {
            device.read_at(at, &mut buf[..to_usize(len)]).expect("the disk is in memory");
        }
        assert!(
            left[..to_usize(len)] == right[..to_usize(len)],
            "cleaned again, or copied, bytes from {at} on differ"
        );
        at += len;
    }
}

/// What is written front to back.
#[derive(Clone)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl ImageWriter for Memory {
    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let from = to_usize(offset);
        let mut bytes = self.0.lock().expect("nobody panics with it");
        bytes[from..from + data.len()].copy_from_slice(data);
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

/// The other way to the same bytes.
fn copy(device: &Arc<dyn BlockRead>, request: &Request<'_>) -> Vec<u8> {
    let written = Memory(Arc::new(Mutex::new(vec![0; to_usize(device.size())])));
    let mut view = Overlay::new(Arc::clone(device));
    sanitize::plan(&mut view, request, &Silent)
        .and_then(|plan| sanitize::sanitize(&mut view, &plan, Box::new(written.clone()), request, &Silent))
        .unwrap_or_else(|error| panic!("what could be cleaned in place: {error}"));
    let bytes = written.0.lock().expect("nobody panics with it");
    bytes.clone()
}

/// What the trees of input and output do not have in common, the plan's edits apart.
fn compare(device: &Arc<dyn BlockRead>, cleaned: &Arc<dyn BlockRead>, plan: &Plan) -> Result<Vec<String>> {
    let mut before = Overlay::new(Arc::clone(device));
    let mut differences = Vec::new();
    for (index, volume) in (0..).zip(&plan.layout.volumes) {
        if !volume.content.has_tree() {
            continue;
        }
        // One type for all of them: each further one is the whole reader compiled again.
        let mut before = Window::new(&mut before, &volume.extents)?;
        let mut before: &mut dyn BlockWrite = &mut before;
        filesystem::open_mut(&mut before, volume.content)?.recover()?;
        let after = Window::new(cleaned, &volume.extents)?;
        let after: &dyn BlockRead = &after;
        let before = filesystem::open_mut(before, volume.content)?;
        let after = filesystem::open(after, volume.content)?;
        differences.extend(verify::compare_trees(&*before, &*after, &plan.expected(index), true)?);
    }
    Ok(differences)
}
