//! What the content rules find in sets that other projects labelled, and what they find where there is nothing.
//! Needs a checkout of the corpora (see `DISKSCRUB_CORPORA`); without one, says so and passes. Each test prints a line
//! of the table of docs/scanning.md, and holds its floor.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod clean;
mod credsweeper;
mod hashes;
mod keys;
mod noseyparker;

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    process::Command,
};

use scan::content::{Hit, Scanner, Tier, rules};

/// Where the corpora are, if they are.
fn corpora() -> Option<PathBuf> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora"));
    let dir = std::env::var_os("DISKSCRUB_CORPORA").map_or_else(beside, PathBuf::from);
    let found = dir.join("INDEX.tsv").is_file();
    if !found {
        println!("not run: no corpora at {}", dir.display());
    }
    found.then_some(dir)
}

/// The files of an archive of the corpora, by path, in order.
fn archive(name: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let path = corpora()?.join(name);
    let dir = tempfile::tempdir().unwrap();
    let tar = Command::new("tar").arg("--zstd").arg("-xf").arg(&path).arg("-C").arg(dir.path()).status();
    assert!(tar.expect("tar(1) has to be installed").success(), "tar -xf {}", path.display());
    let mut files = Vec::new();
    walk(dir.path(), &mut |file| {
        let name = file.strip_prefix(dir.path()).unwrap().to_string_lossy().into_owned();
        files.push((name, fs::read(file).unwrap()));
    });
    files.sort();
    Some(files)
}

/// Every regular file below a directory. What cannot be read is passed over.
fn walk(dir: &Path, visit: &mut dyn FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&entry.path(), visit),
            Ok(kind) if kind.is_file() => visit(&entry.path()),
            _ => {}
        }
    }
}

fn scanner() -> Scanner {
    Scanner::new(&rules::all().collect::<Vec<_>>())
}

/// All hits in some bytes, or those that are sure without their surroundings.
fn hits(bytes: &[u8], context: bool) -> Vec<Hit> {
    let mut hits = Vec::new();
    scanner().scan(bytes, 0..bytes.len(), &mut |hit| {
        if context || hit.rule.tier != Tier::Context {
            hits.push(hit);
        }
    });
    hits
}

fn overlap(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

/// What a set gave.
#[derive(Default)]
struct Score {
    /// Secrets that the set's labels name, and how many of them were found.
    expected: usize,
    found: usize,
    /// Hits that are where the labels have nothing.
    false_hits: usize,
    /// Whom it hit, or missed: names of files, never secrets.
    notes: Vec<String>,
}

impl Score {
    fn count(&mut self, found: bool, what: &str) {
        self.expected += 1;
        if found {
            self.found += 1;
        } else {
            self.notes.push(format!("missed: {what}"));
        }
    }

    fn false_hit(&mut self, rule: &str, what: &str) {
        self.false_hits += 1;
        self.notes.push(format!("false: {rule} in {what}"));
    }

    /// Prints a line of the table, and what is behind it; fails below a floor, in percent.
    fn print(&self, set: &str, least_recall: usize, least_precision: usize) {
        let percent = |part: usize, whole: usize| (part * 100).checked_div(whole).unwrap_or(100);
        let recall = percent(self.found, self.expected);
        let precision = percent(self.found, self.found + self.false_hits);
        println!(
            "| {set} | {} | {} | {recall} % | {} | {precision} % |",
            self.expected, self.found, self.false_hits
        );
        for note in &self.notes {
            println!("    {note}");
        }
        assert!(recall >= least_recall, "{set}: recall {recall} %, below {least_recall} %");
        assert!(precision >= least_precision, "{set}: precision {precision} %, below {least_precision} %");
    }
}
