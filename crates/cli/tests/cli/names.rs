//! Names that attack whoever shows them: terminals, line-wise readers, HTML, XML and JSON. Every name of the image is one,
//! and no command shows it raw, in no format.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::sandbox::Sandbox;

const REPORTS: [&str; 5] = ["r.json", "r.sarif", "r.xml", "r.html", "r.txt"];
const ALL: [&str; 6] = ["r.json", "r.sarif", "r.xml", "r.html", "r.txt", "r.csv"];

/// Images beside the disk, and what `inspect` answers.
const OTHERS: &[(&str, i32)] = &[
    ("xfs", 0),
    ("lvm", 0),
    ("lvm-type", 0),
    ("lvm-part", 0),
    ("lvm-name", 0),
    ("lvm-group", 0),
    ("lvm-id", 0),
    ("feature.qcow2", 65),
    ("backing0.qcow2 --allow-backing", 2),
    ("backing1.qcow2 --allow-backing", 65),
    ("backing2.qcow2 --allow-backing", 65),
    ("backing3.qcow2 --allow-backing", 65),
    ("stored.qcow2", 65),
    ("stored.qcow2 --allow-backing", 0),
    ("lost.qcow2 --allow-backing", 2),
];

/// Why a text must not be shown as it is.
fn complaint(bytes: &[u8]) -> Option<String> {
    let Ok(text) = str::from_utf8(bytes) else { return Some("is no UTF-8".to_owned()) };
    let steers = |c: char| match c {
        '\n' => false,
        // Marks, embeddings, overrides and isolates of the writing direction; separators; what has no width.
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => true,
        // A soft hyphen, tags, and what is no character.
        '\u{ad}' | '\u{e0000}'..='\u{e007f}' | '\u{fffe}' | '\u{ffff}' => true,
        c => c.is_control(),
    };
    let at = text.find(steers)?;
    let from = text[..at].char_indices().rev().nth(60).map_or(0, |(at, _)| at);
    Some(format!("has {:?} behind {:?}", text[at..].chars().next().unwrap(), &text[from..at]))
}

/// The same of every text in a JSON value: who prints one shall not be attacked, either.
fn strings(value: &Value, look: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => look(text),
        Value::Array(values) => values.iter().for_each(|value| strings(value, look)),
        Value::Object(values) => values.iter().for_each(|(key, value)| {
            look(key);
            strings(value, look);
        }),
        _ => {}
    }
}

#[track_caller]
fn check_json(bytes: &[u8], what: &str) {
    let value: Value = serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
    if what.starts_with("batch ") {
        // Of files on this machine, which programs have to find again.
        return;
    }
    strings(&value, &mut |text| {
        // Texts of several lines are ours.
        if let Some(complaint) = complaint(text.as_bytes()) {
            panic!("{what}: {complaint}");
        }
        assert!(!text.contains("\n<script>"), "{what}: {text:?}");
    });
}

/// Runs a command; the reports that it wrote are removed.
fn check(dir: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let what = arguments.join(" ");
    let mut command = Command::new(env!("CARGO_BIN_EXE_diskscrub"));
    let output = command.args(arguments).current_dir(dir).output().unwrap();
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        if let Some(complaint) = complaint(bytes) {
            panic!("{what}: {name} {complaint}");
        }
    }
    // A name with a line break would begin a line.
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        arguments[0] == "batch" || stderr.lines().all(|line| line.starts_with("diskscrub: ")),
        "{what}: {stderr}"
    );
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(!stdout.lines().any(|line| line.trim_start().starts_with("<script>")), "{what}: {stdout}");
    if arguments.contains(&"--json") && !stdout.is_empty() {
        check_json(stdout.as_bytes(), &what);
    }
    for name in ALL {
        let Ok(mut bytes) = fs::read(dir.join(name)) else { continue };
        if name == "r.csv" {
            // RFC 4180 ends lines with both.
            let text = String::from_utf8(bytes).unwrap();
            bytes = text.replace("\r\n", "\n").into();
        }
        let (what, text) = (format!("{what}: {name}"), String::from_utf8_lossy(&bytes));
        if let Some(complaint) = complaint(&bytes) {
            panic!("{what} {complaint}");
        }
        match name.rsplit_once('.').unwrap().1 {
            "json" | "sarif" => check_json(&bytes, &what),
            "xml" => assert!(
                !text.contains("<script>") && !text.contains("<b a") && !text.contains("<ba"),
                "{what}"
            ),
            // The page has no script of its own, and loads nothing.
            "html" => assert!(!text.contains("<script") && !text.contains("a=\"b'"), "{what}"),
            _ => {}
        }
        if name == "r.xml" {
            let mut lint = Command::new("xmllint");
            let lint = lint.args(["--noout", name]).current_dir(dir).output();
            assert!(lint.expect("xmllint has to be installed").status.success(), "{what}");
        }
        fs::remove_file(dir.join(name)).unwrap();
    }
    (output.status.code(), stdout)
}

#[test]
fn no_name_is_shown_raw() {
    let sandbox = Sandbox::new();
    let dir = sandbox.path();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/names.py");
    let volume_groups = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/cases/pv.py");
    let made = Command::new("python3").arg(script).arg(dir).arg(volume_groups).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let reports: Vec<&str> = REPORTS.iter().flat_map(|name| ["--report", name]).collect();
    let run = |arguments: &str, more: &[&str]| {
        let mut words: Vec<&str> = arguments.split_whitespace().collect();
        words.extend(more);
        let said = check(dir, &words);
        words.push("--json");
        check(dir, &words);
        said
    };
    for image in ["disk", "disk.qcow2", "above.qcow2 --allow-backing"] {
        let (code, said) = run(&format!("inspect {image}"), &[]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("<script>") && said.contains("\\u{1b}"), "the names are shown: {said}");
        assert_eq!(run(&format!("plan {image} --opaque zero"), &[]).0, Some(0));
        assert_eq!(run(&format!("scan {image}"), &reports).0, Some(1));
        assert_eq!(run(&format!("verify {image}"), &reports).0, Some(1));
        for guideline in ["aws", "outscale"] {
            assert_eq!(run(&format!("audit {image} --policy {guideline}"), &reports).0, Some(1));
        }
        let (code, said) =
            run(&format!("clean {image} -o out --output-format raw --force --opaque zero"), &reports);
        assert_eq!(code, Some(1), "pieces of what goes are in a file that stays: {said}");
        assert_eq!(run(&format!("verify out --original {image}"), &reports).0, Some(1));
        assert_eq!(run(&format!("audit out --original {image} --policy aws"), &reports).0, Some(1));
        assert_eq!(
            run(
                &format!("clean {image} -o out2 --opaque zero --policy aws --output-format qcow2 --force"),
                &reports
            )
            .0,
            Some(1)
        );
    }
    // What the disk has not: names of XFS, of LVM2, and in headers of qcow2. What is refused is named, too.
    for (image, expected) in OTHERS {
        let (code, said) = run(&format!("inspect {image}"), &[]);
        assert_eq!(code, Some(*expected), "{image}: {said}");
        run(&format!("plan {image} --opaque zero --policy aws"), &[]);
        for command in ["scan", "verify", "audit --policy outscale"] {
            run(&format!("{command} {image}"), &reports);
        }
        for format in ["raw", "qcow2"] {
            let clean = format!("clean {image} -o out --output-format {format} --force --opaque zero");
            let (code, said) = run(&clean, &reports);
            assert!(*expected != 0 || code.is_some_and(|code| code < 2), "{image}: {code:?} {said}");
        }
    }
    // What refuses names what it refuses.
    assert_eq!(run("clean above.qcow2 -o out", &["--force"]).0, Some(65));
    assert_eq!(run("clean disk -o out", &["--force"]).0, Some(65));
    check(dir, &["scan", "disk", "--write-allow", "draft.toml"]);
    assert_eq!(complaint(&fs::read(dir.join("draft.toml")).unwrap()), None);
    // The command line can be as bad: shelves are of files that others named.
    let below = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let below =
        below.map(|name| name.into_string().unwrap_or_default()).find(|name| name.starts_with("below"));
    let below = below.unwrap();
    run("inspect", &[&below]);
    run("verify", &[&[&*below][..], &reports].concat());
    run("clean --opaque zero -o out --force", &[&[&*below][..], &reports].concat());
    run("clean disk --opaque zero --force -o", &[&format!("out{below}")]);
    run("clean disk --opaque zero -o", &[&format!("out{below}")]);
    run("clean disk --opaque zero --policy", &[&below, "-o", "out"]);
    fs::create_dir(dir.join("shelf")).unwrap();
    fs::rename(dir.join(&below), dir.join("shelf").join(format!("{below}.raw"))).unwrap();
    let (code, plan) = check(dir, &["batch", "plan", "shelf", "--out", "clean"]);
    assert_eq!(code, Some(0), "{plan}");
    fs::write(dir.join("plan"), plan).unwrap();
    // The one row fails, as the image has a volume that is not read; why is told in every format.
    assert_eq!(check(dir, &["batch", "run", "--plan", "plan", "--quiet"]).0, Some(65));
    check(dir, &["batch", "run", "--plan", "plan", "--again"]);
    check(dir, &["batch", "status", "--plan", "plan"]);
    check(dir, &["batch", "status", "--plan", "plan", "--json"]);
    let reports: Vec<&str> =
        ["r.json", "r.csv", "r.html", "r.txt"].iter().flat_map(|name| ["--report", name]).collect();
    check(dir, &[&["batch", "merge", "--plan", "plan"], &reports[..]].concat());
}
