//! The lab's own scanner, written in Python from the specifications and sharing nothing with us, says what class each
//! planted token lies in: every answer has to agree, and what is dead has to be in the residue that is reported. Run
//! where the lab is (`DISKSCRUB_LAB`) and has images.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "this file is tests throughout")]

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use block::{BlockRead, Cached, Extent, Image, OpenOptions, container::ContainerUse, to_u64, to_usize};
use filesystem::{Entry, FileKind, InodeId};
use scan::{Overrides, Policy, Selection};
use verify::{Area, Counter, Region, Run, Survey};

/// One line for each hit: offset, number, kind and purpose of the token, class, and inode where the class has one.
/// With no image to locate in, offsets are all that is known.
const PLACES: &str = "
import sys
sys.path.insert(0, sys.argv[1])
import scan
tokens = scan.load(sys.argv[3])
place = scan.Loc(sys.argv[2]) if sys.argv[4] == 'disk' else None
for offset, number in scan.search(sys.argv[2], [token[3] for token in tokens]):
    where, inode = place(offset) if place else 'container', 0
    for start, end, kind, _ in place.parts if place else []:
        if start <= offset < end and isinstance(place.fs.get(start), scan.Ext4):
            found = place.fs[start].where(offset - start)
            inode = found[1] if isinstance(found, tuple) else 0
    print(offset, number, tokens[number][0], tokens[number][2], where, inode)
";

/// A token that the lab's scanner found.
struct Hit {
    offset: u64,
    token: usize,
    /// The lab's name for how it was planted: `SLACK`.
    kind: String,
    /// `remove`, `app` or `keep`.
    purpose: String,
    place: String,
    inode: u64,
}

/// Searches a file: one with a disk in it, or one that is only bytes to the lab.
fn search(lab: &Path, file: &Path, tokens: &Path, what: &str) -> Vec<Hit> {
    let output =
        Command::new("python3").args(["-c", PLACES]).args([lab, file, tokens]).arg(what).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let hit = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        Hit {
            offset: fields[0].parse().unwrap(),
            token: fields[1].parse().unwrap(),
            kind: fields[2].to_owned(),
            purpose: fields[3].to_owned(),
            place: fields[4].to_owned(),
            inode: fields[5].parse().unwrap(),
        }
    };
    String::from_utf8(output.stdout).unwrap().lines().map(hit).collect()
}

/// What the lab's word may mean to us. It knows neither fields nor entries, so what is live in metadata and what is
/// not, is one to it.
fn may_be(place: &str) -> &'static [Region] {
    match place {
        "gap" => &[Region::Gap, Region::Metadata, Region::BootCode, Region::MetadataTail],
        "biosboot" => &[Region::Empty, Region::BootCode],
        "swap" => &[Region::Swap, Region::Metadata, Region::MetadataTail],
        "esp-meta" | "super/gdt" | "bootblock" => &[Region::Metadata, Region::Reserved, Region::MetadataTail],
        "esp-used" => &[Region::File, Region::Slack, Region::Metadata, Region::DirectoryTail],
        "esp-free" | "free" | "fs-tail" => &[Region::Free],
        "file" | "symlink" => &[Region::File],
        "slack" => &[Region::Slack],
        "journal" => &[Region::Journal],
        "unwritten" => &[Region::Unwritten],
        "itable" => &[Region::Metadata, Region::DeadInode, Region::MetadataTail],
        "dir" | "xattrblk" | "extentblk" => &[Region::Metadata, Region::DirectoryTail, Region::MetadataTail],
        "blkbitmap" | "inobitmap" => &[Region::Metadata, Region::Reserved],
        _ => &[],
    }
}

/// The lab's classes that are dead as a whole.
fn is_dead(place: &str) -> bool {
    matches!(
        place,
        "gap" | "biosboot" | "swap" | "esp-free" | "free" | "fs-tail" | "slack" | "journal" | "unwritten"
    )
}

const GRAIN: u64 = 4096;

/// The runs of residue that are reported for these pieces of the disk. Of each class only the first are listed, so
/// few pieces are counted at a time.
fn runs(device: &dyn BlockRead, survey: &Survey, grains: &[u64], found: &mut Vec<Run>) {
    let mut counter = Counter::new(survey, false);
    for grain in grains {
        let mut bytes = vec![0; to_usize(GRAIN.min(device.size() - grain))];
        device.read_at(*grain, &mut bytes).unwrap();
        counter.feed(*grain, &bytes);
    }
    let residue = counter.finish();
    if residue.sums.values().map(|sum| sum.runs).sum::<u64>() == to_u64(residue.runs.len()) {
        found.extend(residue.runs);
    } else {
        let (front, back) = grains.split_at(grains.len() / 2);
        assert!(!front.is_empty(), "too many runs at {grains:?}");
        runs(device, survey, front, found);
        runs(device, survey, back, found);
    }
}

/// Every inode that the rules take, with all below it: the volume's index, and its number.
fn unwanted(survey: &Survey, findings: &[scan::Finding]) -> HashSet<(usize, InodeId)> {
    let mut all = HashSet::new();
    for finding in findings {
        let scan::Place::File { volume, target, kind, .. } = &finding.place;
        let filesystem = survey.views.filesystem(*volume).unwrap().unwrap();
        let mut pending = vec![(target.inode, *kind)];
        while let Some((inode, kind)) = pending.pop() {
            if all.insert((*volume, inode)) && kind == FileKind::Directory {
                let below = &mut |entry: Entry| {
                    pending.push((entry.inode, entry.kind));
                    Ok(())
                };
                filesystem.entries(inode, below).unwrap();
            }
        }
    }
    all
}

/// What became of the hits of one class.
#[derive(Debug, Default)]
struct Recall {
    hits: u64,
    /// In residue that is reported, of the same class.
    residue: u64,
    /// In a file that is reported because a rule removes it.
    unwanted: u64,
    /// Live, and to be kept.
    live: u64,
    /// The kinds of the tokens that are live.
    kinds: BTreeSet<String>,
}

/// `seen` is the disk as a raw file, for the lab; `image` is what we read.
fn compare(lab: &Path, seen: &Path, image: &Path, tokens: &Path) {
    let hits = search(lab, seen, tokens, "disk");
    let opened = block::open(image, &OpenOptions::default()).unwrap();
    let device: Arc<dyn BlockRead> = Arc::new(Cached::new(opened.device));
    let survey = Survey::of(&device, None).unwrap();
    let dirty = survey
        .layout
        .volumes
        .iter()
        .enumerate()
        .any(|(index, _)| survey.views.summary(index).is_some_and(|summary| summary.dirty));
    let selection = Selection::new(&Policy::built_in("default").unwrap(), &Overrides::default()).unwrap();
    let named =
        unwanted(&survey, &verify::path_findings(&survey, &selection, &mut Vec::new()).unwrap().findings);
    let grains: BTreeSet<u64> = hits.iter().map(|hit| hit.offset / GRAIN * GRAIN).collect();
    let grains: Vec<u64> = grains.into_iter().collect();
    let mut residue = Vec::new();
    grains.chunks(256).for_each(|grains| runs(&*device, &survey, grains, &mut residue));
    residue.sort_by_key(|run| run.extent.start);

    let mut recall: BTreeMap<&str, Recall> = BTreeMap::new();
    let mut differ = Vec::new();
    for Hit { offset, kind, purpose, place, inode, .. } in &hits {
        let Area { region, inode: owner, volume, .. } = survey.atlas.at(*offset).unwrap();
        let owned = matches!(&**place, "file" | "symlink" | "slack" | "unwritten" | "dir" | "xattrblk");
        let same_owner = !owned || owner.is_some_and(|owner| owner.0 == *inode);
        // The lab does not replay a journal: what is free for it may be in use by the journal's word.
        // Old bytes under a block that the replay overwrites are live to us: a limit that docs/verify.md names.
        let replayed = dirty && place == "free" && (region.is_live() || region == Region::Slack);
        // An xattr block may have several.
        let agreed = replayed || may_be(place).contains(&region) && (same_owner || place == "xattrblk");
        let behind = residue.partition_point(|run| run.extent.start <= *offset);
        let reported = behind
            .checked_sub(1)
            .map(|before| residue[before])
            .filter(|run| run.extent.contains_byte(*offset) && run.region == region && run.volume == volume);
        let recall = recall.entry(place).or_default();
        recall.hits += 1;
        match (region.is_live(), reported.is_some()) {
            (false, true) if agreed => recall.residue += 1,
            (true, false) if agreed && (replayed || purpose == "keep" || !is_dead(place)) => {
                let unwanted = volume.zip(owner).is_some_and(|owner| named.contains(&owner));
                *if unwanted { &mut recall.unwanted } else { &mut recall.live } += 1;
                if !unwanted {
                    recall.kinds.insert(format!("{purpose}/{kind}"));
                }
            }
            _ => differ.push(format!(
                "{offset}: {kind} in {place} of {inode} for the lab, {region:?} of {owner:?} for us, reported: {}",
                reported.is_some()
            )),
        }
    }
    println!("\n{}: {} differ", image.display(), differ.len());
    println!("| class of the lab | hits | residue of that class | unwanted file | live, stays |");
    println!("|---|---|---|---|---|");
    for (place, Recall { hits, residue, unwanted, live, kinds }) in &recall {
        println!("| {place} | {hits} | {residue} | {unwanted} | {live} | {kinds:?}");
    }
    differ.iter().take(20).for_each(|line| println!("  {line}"));
    assert!(hits.len() > 300, "the lab planted little");
    assert!(differ.is_empty(), "{} differ", differ.len());
}

/// Tokens that the file holds and its disk does not are in what is reported of the file; and all that the file holds
/// is either there or on the disk.
fn compare_container(lab: &Path, seen: &Path, image: &Path, tokens: &Path) {
    let in_file = search(lab, image, tokens, "file");
    let on_disk = search(lab, seen, tokens, "disk");
    let opened: Image = block::open(image, &OpenOptions::default()).unwrap();
    let mut unused: Vec<(Extent, ContainerUse)> = Vec::new();
    let mut buf = vec![0; 1 << 20];
    for container in opened.containers() {
        let visit = &mut |reason, at, bytes: &[u8]| {
            unused.push((Extent { start: at, len: to_u64(bytes.len()) }, reason));
            Ok(())
        };
        verify::container::read(container, &mut buf, visit).unwrap();
    }
    unused.sort_by_key(|(extent, _)| *extent);
    let reason = |offset: u64| {
        let behind = unused.partition_point(|(extent, _)| extent.start <= offset);
        let (extent, reason) = unused[behind.checked_sub(1)?];
        extent.contains_byte(offset).then_some(reason)
    };
    let guest: HashSet<usize> = on_disk.iter().map(|hit| hit.token).collect();
    let (mut outside, mut only) = (BTreeMap::<&str, u64>::new(), BTreeMap::<&str, HashSet<usize>>::new());
    for hit in &in_file {
        match reason(hit.offset) {
            Some(reason) => {
                *outside.entry(reason.name()).or_default() += 1;
                if !guest.contains(&hit.token) {
                    only.entry(reason.name()).or_default().insert(hit.token);
                }
            }
            None => assert!(guest.contains(&hit.token), "{} at {} is not reported", hit.kind, hit.offset),
        }
    }
    println!(
        "container: {} hits in the file, {} on the disk, {outside:?} besides",
        in_file.len(),
        on_disk.len()
    );
    for (reason, tokens) in &only {
        println!("container: {reason}: {} tokens that the disk does not hold", tokens.len());
    }
    assert_eq!(in_file.len(), on_disk.len() + usize::try_from(outside.values().sum::<u64>()).unwrap());
}

/// The images in a directory of the lab, with the tokens that were planted in them.
fn images(lab: &Path, directory: &Path, kind: &str) -> Vec<(PathBuf, PathBuf)> {
    let wanted = env::var("DISKSCRUB_LAB_IMAGE").ok();
    let entries = directory.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    let with_tokens = |image: PathBuf| {
        let name = image.file_name()?.to_str()?.to_owned();
        let tokens = lab.join(format!("{}.canaries.tsv", name.split('.').next()?));
        let asked = wanted.as_ref().is_none_or(|wanted| *wanted == name);
        (asked && name.ends_with(kind) && tokens.exists()).then_some((image, tokens))
    };
    let mut images: Vec<_> = entries.filter_map(with_tokens).collect();
    images.sort();
    images
}

fn lab() -> PathBuf {
    PathBuf::from(env::var_os("DISKSCRUB_LAB").expect("DISKSCRUB_LAB says where the lab is"))
}

/// What other tools have cleaned lies in `work`, under the name of what it was made from.
#[test]
#[ignore = "needs images of the lab"]
fn classes_agree_with_the_lab() {
    let lab = lab();
    assert!(!images(&lab, &lab, ".raw").is_empty(), "the lab has no raw image");
    for directory in [lab.clone(), lab.join("work")] {
        for (image, tokens) in images(&lab, &directory, ".raw") {
            compare(&lab, &image, &image, &tokens);
        }
    }
}

#[test]
#[ignore = "needs images of the lab"]
fn what_only_the_container_holds_is_reported() {
    let lab = lab();
    let images = images(&lab, &lab, ".qcow2");
    assert!(!images.is_empty(), "the lab has no qcow2 image: BASE=fast ./mkvariants.sh c");
    for (image, tokens) in images {
        let directory = tempfile::tempdir().unwrap();
        let disk = directory.path().join("disk.raw");
        let convert = Command::new("qemu-img").args(["convert", "-O", "raw"]).args([&image, &disk]).output();
        let output =
            convert.unwrap_or_else(|error| panic!("qemu-img is needed ({error}): install qemu-utils"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        compare(&lab, &disk, &image, &tokens);
        compare_container(&lab, &disk, &image, &tokens);
        fs::remove_file(disk).unwrap();
    }
}
