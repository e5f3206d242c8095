//! `--report` never costs a file that matters.

use std::{fs, path::Path, process::Command};

/// Runs `clean image -o out` in `directory`: the exit code and what it said on stderr.
fn clean(directory: &Path, report: &str) -> (Option<i32>, String) {
    let mut clean = Command::new(env!("CARGO_BIN_EXE_diskscrub"));
    clean.args(["clean", "image", "-o", "out", "--force", "--report", report]).current_dir(directory);
    let done = clean.output().expect("diskscrub runs");
    (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
}

#[test]
fn the_report_replaces_neither_input_nor_output() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let image = vec![0; 1 << 20];
    fs::write(at("image"), &image).unwrap();
    fs::hard_link(at("image"), at("hard")).unwrap();
    for name in ["image", "./image", "hard"] {
        let said = format!("diskscrub: {name}: is the input or a file that the input builds on\n");
        assert_eq!(clean(directory.path(), name), (Some(2), said));
    }
    for name in ["out", "./out"] {
        let said = format!("diskscrub: {name}: is the output, not a place for its report\n");
        assert_eq!(clean(directory.path(), name), (Some(2), said));
    }
    let (code, said) = clean(directory.path(), "nowhere/report");
    assert_eq!(code, Some(2), "{said}");
    assert!(!at("out").exists(), "a run that cannot report writes nothing");
    assert_eq!(fs::read(at("image")).unwrap(), image);

    fs::write(at("report"), "an older one").unwrap();
    assert_eq!(clean(directory.path(), "report"), (Some(0), String::new()));
    assert!(fs::read_to_string(at("report")).unwrap().starts_with('{'));
    assert_eq!(fs::read(at("out")).unwrap(), image);
}
