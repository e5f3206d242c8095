//! The lab's own scanner, written in Python from the specifications and sharing nothing with us, says what class each
//! planted token lies in: every answer has to agree. Run where the lab is (`DISKSCRUB_LAB`) and has images.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "this file is tests throughout")]

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use block::{BlockRead, Cached, OpenOptions};
use verify::{Area, Region, Survey};

/// One line for each hit: offset, class, and inode where the class has one.
const PLACES: &str = "
import sys
sys.path.insert(0, sys.argv[1])
import scan
tokens = scan.load(sys.argv[3])
place = scan.Loc(sys.argv[2])
for offset, number in scan.search(sys.argv[2], [token[3] for token in tokens]):
    where, inode = place(offset), 0
    for start, end, kind, _ in place.parts:
        if start <= offset < end and isinstance(place.fs.get(start), scan.Ext4):
            found = place.fs[start].where(offset - start)
            inode = found[1] if isinstance(found, tuple) else 0
    print(offset, where, inode)
";

/// What the lab's word may mean to us. It knows neither fields nor entries, so what is live in metadata and what is
/// not, is one to it.
fn may_be(place: &str) -> &'static [Region] {
    match place {
        "gap" => &[Region::Gap, Region::Metadata, Region::BootCode],
        "biosboot" => &[Region::Empty, Region::BootCode],
        "swap" => &[Region::Swap, Region::Metadata],
        "esp-meta" | "super/gdt" | "bootblock" => &[Region::Metadata, Region::Reserved],
        "esp-used" => &[Region::File, Region::Slack, Region::Metadata],
        "esp-free" | "free" | "fs-tail" => &[Region::Free],
        "file" | "symlink" => &[Region::File],
        "slack" => &[Region::Slack],
        "journal" => &[Region::Journal],
        "unwritten" => &[Region::Unwritten],
        "itable" => &[Region::Metadata, Region::DeadInode],
        "dir" | "xattrblk" | "extentblk" => &[Region::Metadata],
        "blkbitmap" | "inobitmap" => &[Region::Metadata, Region::Reserved],
        _ => &[],
    }
}

fn compare(lab: &Path, image: &Path, tokens: &Path) {
    let args = [lab, image, tokens];
    let output = Command::new("python3").args(["-c", PLACES]).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let opened = block::open(image, &OpenOptions::default()).unwrap();
    let device: Arc<dyn BlockRead> = Arc::new(Cached::new(opened.device));
    let survey = Survey::of(&device, None).unwrap();
    let dirty = survey
        .layout
        .volumes
        .iter()
        .enumerate()
        .any(|(index, _)| survey.views.summary(index).is_some_and(|summary| summary.dirty));

    let mut agreed: BTreeMap<(String, Region), u64> = BTreeMap::new();
    let mut differ = Vec::new();
    for hit in String::from_utf8(output.stdout).unwrap().lines() {
        let fields: Vec<&str> = hit.split(' ').collect();
        let (offset, place, inode): (u64, _, u64) =
            (fields[0].parse().unwrap(), fields[1], fields[2].parse().unwrap());
        let Area { region, inode: owner, .. } = survey.atlas.at(offset).unwrap();
        let owned = matches!(place, "file" | "symlink" | "slack" | "unwritten" | "dir" | "xattrblk");
        let same_owner = !owned || owner.is_some_and(|owner| owner.0 == inode);
        // The lab does not replay a journal: what is free for it may be in use by the journal's word.
        let replayed = dirty && place == "free" && region.is_live();
        // An xattr block may have several.
        if replayed || may_be(place).contains(&region) && (same_owner || place == "xattrblk") {
            *agreed.entry((place.to_owned(), region)).or_default() += 1;
        } else {
            differ.push(format!("{offset}: {place} of {inode} for the lab, {region:?} of {owner:?} for us"));
        }
    }
    println!("{}: {agreed:?}, {} differ", image.display(), differ.len());
    differ.iter().take(20).for_each(|line| println!("  {line}"));
    assert!(agreed.values().sum::<u64>() > 500, "the lab planted little");
    assert!(differ.is_empty(), "{} differ", differ.len());
}

#[test]
#[ignore = "needs images of the lab"]
fn classes_agree_with_the_lab() {
    let lab = PathBuf::from(env::var_os("DISKSCRUB_LAB").expect("DISKSCRUB_LAB says where the lab is"));
    for entry in lab.read_dir().unwrap().flatten() {
        let image = entry.path();
        let tokens = image.with_extension("canaries.tsv");
        if image.extension().is_some_and(|kind| kind == "raw") && tokens.exists() {
            compare(&lab, &image, &tokens);
        }
    }
}
