//! Swap files keep their place, size and header; their body goes.

use crate::support::{BLOCK, Lab, assert_consistent, clean, content, has, judge, request, run, selection};

const TOKEN: &[u8] = b"a page of memory";

/// A guest with a swap file in use, in which TOKEN lies behind the header.
fn guest() -> (Lab, Vec<u8>) {
    let lab = Lab::new();
    let area = vec![0; 40 * BLOCK];
    lab.put("swapfile", &area);
    let file = lab.path("tree/swapfile");
    run("mkswap", &["-q", "-L", "swap", file.to_str().unwrap()]);
    let mut area = std::fs::read(&file).unwrap();
    for page in area.chunks_mut(BLOCK).skip(1) {
        page[..TOKEN.len()].copy_from_slice(TOKEN);
        page[TOKEN.len()..].fill(b'.');
    }
    (lab, area)
}

#[test]
fn the_header_stays_and_the_body_goes() {
    let (lab, area) = guest();
    lab.put("swapfile", &area);
    lab.make(&[]);
    assert!(has(&lab.image(), TOKEN));
    let selection = selection(&[]);
    let (output, report) = clean(lab.image(), &request(&selection)).unwrap();
    assert!(!has(&output, TOKEN));
    let mut expected = area[..BLOCK].to_vec();
    expected.resize(area.len(), 0);
    assert!(content(&output, "/swapfile") == expected);
    let edit = report.edits.iter().find(|edit| edit.path == "/swapfile").unwrap();
    assert_eq!((&*edit.rule, edit.files), ("swap-files", 1));
    assert_eq!(report.volumes[0].dropped["swap"], 39 * 4096);
    assert_consistent(&output);
    assert_eq!(judge(&output, false), [""; 0]);
    assert_eq!(clean(output.clone(), &request(&selection)).unwrap().0, output);
}

#[test]
fn a_suspended_system_is_named_and_forgotten() {
    let (lab, mut area) = guest();
    area[BLOCK - 10..BLOCK].copy_from_slice(b"S1SUSPEND\0");
    lab.put("swapfile", &area);
    lab.make(&[]);
    let (output, report) = clean(lab.image(), &request(&selection(&[]))).unwrap();
    assert!(!has(&output, TOKEN) && !has(&output, b"S1SUSPEND"));
    assert_eq!(content(&output, "/swapfile")[BLOCK - 10..BLOCK], *b"SWAPSPACE2");
    let note = "/swapfile holds a suspended system (S1SUSPEND), which is dropped: filesystems may be dirty";
    assert!(report.notes.iter().any(|one| one == note), "{:?}", report.notes);
}
