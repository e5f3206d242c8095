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
    let said = "diskscrub: r.pdf: a report's name ends in .json, .sarif, .xml, .dfxml, .html or .txt\n";
    assert_eq!(clean(directory.path(), "r.pdf"), (Some(2), said.to_owned()));
    assert_eq!(fs::read(at("image")).unwrap(), image);

    // Another image, of which this run knows nothing.
    fs::write(at("other"), &image).unwrap();
    let said = "diskscrub: other: is there, and no report: a report replaces nothing else\n";
    assert_eq!(clean(directory.path(), "other"), (Some(2), said.to_owned()));
    assert_eq!(fs::read(at("other")).unwrap(), image);
    fs::write(at("report"), "an older one").unwrap();
    assert_eq!(clean(directory.path(), "report"), (Some(0), String::new()));
    assert!(fs::read_to_string(at("report")).unwrap().starts_with('{'));
    assert_eq!(fs::read(at("out")).unwrap(), image);
}

#[test]
fn a_run_writes_as_many_reports_as_it_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("image"), vec![0; 1 << 20]).unwrap();
    let run = |more: &[&str]| {
        let mut clean = Command::new(env!("CARGO_BIN_EXE_diskscrub"));
        clean.args(["clean", "image", "-o", "out", "--force"]).current_dir(directory.path());
        let done = clean.env("SOURCE_DATE_EPOCH", "1769860800").args(more).output().unwrap();
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let said = "diskscrub: ./r.html: is named for two reports\n".to_owned();
    assert_eq!(run(&["--report", "r.html", "--report", "./r.html"]), (Some(2), said));
    let names = ["r.json", "r.sarif", "r.xml", "r.html", "r.txt"];
    let asked: Vec<&str> = names.iter().flat_map(|name| ["--report", name]).collect();
    assert_eq!(run(&asked), (Some(0), String::new()));
    for (name, start) in names.iter().zip(["{", "{", "<?xml", "<!DOCTYPE html>", "out is clean: "]) {
        let text = fs::read_to_string(at(name)).unwrap();
        assert!(text.starts_with(start), "{name}: {text}");
        assert!(text.contains("2026-01-31T12:00:00Z"), "{name}: {text}");
    }
}
