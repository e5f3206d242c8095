//! Reports for people: plain text, a screen or two. Names from the image are escaped.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

pub(crate) use report::{count, size};
use sanitize::{DryRun, EditReport, Residues, RuleReport, VolumeReport, in_place::Totals};
use verify::taint::{Coverage, Taint, Tolerated};

use crate::commands::clean::{CleanReport, Overwritten, dropped};

/// Paths shown of a long list.
const SHOWN: usize = 12;

/// A word of a command line, in quotes if a shell would take it apart; safe on a terminal.
pub(crate) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-._/+=:,@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", report::visible(word).replace('\'', r"'\''")),
    }
}

fn residues(residues: &Residues) -> String {
    let parts: Vec<String> =
        residues.iter().map(|(class, bytes)| format!("{class} {}", size(*bytes))).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

/// Appends a line to a string.
macro_rules! line {
    ($text:expr, $($arg:tt)*) => {{
        // Writing to a string cannot fail.
        let _ = writeln!($text, $($arg)*);
    }};
}
pub(crate) use line;

fn rules(text: &mut String, rules: &[RuleReport]) {
    let width = rules.iter().map(|rule| rule.rule.len()).max().unwrap_or(0);
    for rule in rules {
        line!(text, "  {:width$}  {:>12}  {:>10}", rule.rule, count(rule.files, "file"), size(rule.bytes));
    }
}

fn edit(text: &mut String, edit: &EditReport) {
    let tree = if edit.files == 1 { String::new() } else { format!(", {}", count(edit.files, "file")) };
    line!(text, "  {} {} ({}, {}{tree})", edit.action, edit.path, edit.rule, size(edit.bytes));
    edit.changes.iter().for_each(|change| line!(text, "      {change}"));
    for file in edit.contents.iter().filter(|file| file.path != edit.path) {
        line!(text, "      {} ({})", file.path, size(file.bytes));
    }
}

fn notes(text: &mut String, notes: &[String]) {
    if !notes.is_empty() {
        line!(text, "\nTo know:");
        notes.iter().for_each(|note| line!(text, "  {note}"));
    }
}

/// Every path that would go or change.
pub(crate) fn dry_run(plan: &DryRun) -> String {
    let mut text = String::new();
    if plan.edits.is_empty() {
        line!(text, "No file would be removed or changed.");
    } else {
        let files = plan.edits.iter().map(|edit| edit.files).sum();
        line!(text, "{} would be removed or changed:", count(files, "file"));
    }
    plan.edits.iter().for_each(|one| edit(&mut text, one));
    if !plan.rules.is_empty() {
        line!(text, "\nBy rule:");
        rules(&mut text, &plan.rules);
    }
    notes(&mut text, &plan.notes);
    text
}

fn volume(text: &mut String, volume: &VolumeReport) {
    let place = volume.mount_point.as_ref().map_or_else(String::new, |path| format!(" on {path}"));
    let name = if volume.name.is_empty() { String::new() } else { format!(" {}", volume.name) };
    line!(text, "  {}{name} {}{place}, {}", volume.number, volume.content, size(volume.size));
    line!(text, "      kept {}, dropped: {}", size(volume.live), residues(&volume.dropped));
    if volume.scrubbed > 0 {
        line!(text, "      scrubbed in live metadata: {}", size(volume.scrubbed));
    }
    if volume.transactions > 0 || volume.orphans > 0 {
        let (transactions, orphans) =
            (count(volume.transactions, "transaction"), count(volume.orphans, "orphan"));
        line!(text, "      journal: {transactions} replayed, {orphans} freed");
    }
}

/// What was found of removed files in what stays.
fn remnants(text: &mut String, taint: &Taint) {
    let Coverage { searched, files, bytes, words, small, large, .. } = &taint.coverage;
    line!(text, "\nPieces of removed files in what stays:");
    line!(
        text,
        "  {} searched for {} of {}: {}, and pieces that look random, for certain from {} bytes of small files and {} of others on",
        size(*searched),
        size(*bytes),
        count(*files, "removed file"),
        count(*words, "word"),
        small.certain,
        large.certain
    );
    let Tolerated { in_packages, as_in_packages, newer_versions } = taint.tolerated;
    line!(
        text,
        "  no finding: {in_packages} in packages' files, {as_in_packages} as in those, {newer_versions} in newer versions"
    );
    taint.findings.iter().for_each(|finding| line!(text, "  FOUND {finding}"));
    if taint.coverage.findings_left_out > 0 {
        line!(text, "  and {} more", taint.coverage.findings_left_out);
    }
}

/// What was written to an image in place.
fn overwritten(done: &Overwritten) -> String {
    let Totals { overwritten, ranges, changed, discarded } = done.totals;
    let discarded = if done.discard { format!(", {} discarded", size(discarded)) } else { String::new() };
    format!(
        "{} in {} overwritten ({}), {} of live data changed{discarded}",
        size(overwritten),
        count(ranges, "range"),
        done.passes,
        size(changed)
    )
}

/// What is about to be done to an image in place.
pub(crate) fn question(report: &CleanReport, path: &Path) -> String {
    let mut text = String::new();
    line!(
        text,
        "{}, {} disk, {}",
        block::visible(&path.display().to_string()),
        size(report.run.size),
        report.run.table
    );
    rules(&mut text, &report.run.rules);
    line!(text, "hidden residue: {}", size(dropped(&report.run).values().sum()));
    if let Some(done) = &report.in_place {
        line!(text, "{}", overwritten(done));
    }
    line!(text, "This is not undone.");
    text
}

/// What was done to an image.
pub(crate) fn clean(report: &CleanReport, outputs: &[PathBuf]) -> String {
    let run = &report.run;
    let mut text = String::new();
    let system = run.system.as_deref().unwrap_or("no operating system");
    line!(text, "{system}, {} disk, {}", size(run.size), run.table);
    line!(text, "\nRemoved or changed, by rule:");
    if run.rules.is_empty() {
        line!(text, "  nothing");
    }
    rules(&mut text, &run.rules);
    if run.edits.len() <= SHOWN {
        run.edits.iter().for_each(|one| edit(&mut text, one));
    } else {
        line!(text, "  (`plan` lists each path, as does the report of --report or --json)");
    }
    line!(text, "\nVolumes:");
    run.volumes.iter().for_each(|one| volume(&mut text, one));
    line!(text, "  outside volumes, dropped: {}", residues(&run.outside));
    let all = dropped(run);
    line!(text, "\nHidden residue dropped: {}", size(all.values().sum()));
    if let Some(done) = &report.in_place {
        line!(text, "\nIn place: {}", overwritten(done));
    }
    let known: Vec<String> = run.notes.iter().chain(&report.container).cloned().collect();
    notes(&mut text, &known);
    line!(text, "\nVerification:");
    line!(
        text,
        "  {} live, {} outside read and {}",
        size(report.verdict.live),
        size(report.verdict.examined),
        if report.verdict.findings.is_empty() { "all zero" } else { "not as it should be" }
    );
    if report.in_place.is_some() {
        line!(text, "  the disk was judged before the first write; read again, whole, it is what was judged");
    }
    for opinion in &report.verdict.opinions {
        let volume = opinion.volume.map_or_else(|| "table".to_owned(), |number| format!("volume {number}"));
        match &opinion.refused {
            Some(why) => line!(text, "  {} has no opinion on {volume}: {why}", opinion.reader),
            None if !opinion.differences.is_empty() => {
                line!(text, "  {} disagrees on {volume}", opinion.reader);
            }
            None => {
                line!(text, "  {} agrees on {volume}: {}", opinion.reader, count(opinion.compared, "name"));
            }
        }
    }
    report.verdict.findings.iter().for_each(|finding| line!(text, "  FOUND {finding}"));
    if let Some(taint) = &report.taint {
        remnants(&mut text, taint);
    }
    line!(
        text,
        "\ninput   {}\noutput  {}\npolicy  {} {}",
        run.input,
        run.output,
        report.policy_name,
        run.policy
    );
    let remnants = report.taint.as_ref().is_some_and(|taint| !taint.findings.is_empty());
    if report.verdict.findings.is_empty() {
        let what = match (remnants, report.undone) {
            (true, _) => "written, but files that stay hold pieces of removed ones",
            (false, 0) => "clean",
            (false, _) => {
                "written, but not all files are as the policy asks: see above what is not edited or made"
            }
        };
        let names: Vec<String> =
            outputs.iter().map(|path| block::visible(&path.display().to_string()).into_owned()).collect();
        let verb = if names.len() > 1 { "are" } else { "is" };
        line!(text, "\n{} {verb} {what}.", names.join(", "));
    }
    text
}
