//! Every format, judged by programs that know it: schemas, an XML parser, an HTML parser.

#![allow(clippy::unwrap_used, reason = "this file is tests throughout")]

mod sample;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use report::{Format, Report};

/// The samples, by name.
fn samples() -> [(&'static str, Report); 4] {
    [
        ("report", sample::report()),
        ("clean", sample::clean()),
        ("audited", sample::audited()),
        ("hostile", sample::hostile()),
    ]
}

/// Runs a judge; its whole answer, if it is not content.
fn judge(command: &mut Command) {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{name}: {error}; `cargo xtask test` installs what the tests need"));
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}");
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Each sample in a file of this format.
fn each(format: Format, test: impl Fn(&Path)) {
    let directory = tempfile::tempdir().unwrap();
    for (name, report) in samples() {
        let path = directory.path().join(name);
        format.write(&report, &mut File::create(&path).unwrap()).unwrap();
        test(&path);
        // To look at them: the browser is the judge of a page.
        if let Some(keep) = std::env::var_os("DISKSCRUB_KEEP_REPORTS") {
            fs::copy(&path, Path::new(&keep).join(format!("{name}.{format:?}").to_lowercase())).unwrap();
        }
    }
}

#[test]
fn json_is_as_its_schema_says() {
    let schema = workspace().join("docs/report.schema.json");
    each(Format::Json, |path| judge(Command::new("jsonschema").arg("-i").args([path, &schema])));
}

#[test]
fn sarif_is_as_oasis_says() {
    let schema = workspace().join("testdata/sarif/sarif-schema-2.1.0.json");
    each(Format::Sarif, |path| judge(Command::new("jsonschema").arg("-i").args([path, &schema])));
}

#[test]
fn dfxml_has_its_elements_in_order() {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dfxml.xsd");
    each(Format::Dfxml, |path| {
        judge(Command::new("xmllint").args(["--noout", "--nonet", "--schema"]).args([&schema, path]));
    });
}

#[test]
fn the_page_is_whole_and_inert() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page.py");
    each(Format::Html, |path| {
        judge(Command::new("python3").arg(&script).stdin(Stdio::from(File::open(path).unwrap())));
    });
}

#[test]
fn the_same_report_is_the_same_bytes() {
    for format in [Format::Json, Format::Sarif, Format::Dfxml, Format::Html, Format::Text] {
        let write = || {
            let mut out = Vec::new();
            format.write(&sample::report(), &mut out).unwrap();
            out
        };
        assert!(!write().is_empty());
        assert_eq!(write(), write(), "{format:?}");
    }
}
