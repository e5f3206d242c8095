//! `cargo xtask test`: everything that has to be right before a change is good, one line a step.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

use crate::{
    docs, fuzz, licences, paths,
    run::{Result, at, cargo, check},
    tools,
};

type Step = (&'static str, fn() -> Result<Tally>);

/// Tests that passed and failed in one step.
#[derive(Default, Clone, Copy)]
struct Tally {
    passed: u64,
    failed: u64,
}

const STEPS: &[Step] = &[
    ("tools", || once(tools::provide())),
    ("format", || {
        let fuzz = ["fmt", "--all", "--check", "--manifest-path", "fuzz/Cargo.toml"];
        once(check(&mut cargo(["fmt", "--all", "--check"])).and_then(|()| check(&mut cargo(fuzz))))
    }),
    ("lints", || {
        once(check(&mut cargo(["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])))
    }),
    ("api docs", || {
        let mut doc = cargo(["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"]);
        once(check(doc.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links")))
    }),
    ("generated docs", || once(docs::check())),
    ("licences", licences_and_advisories),
    ("tests", tests),
    ("fuzzing", || once(fuzz::smoke())),
    ("demo", || once(crate::demo::run())),
    ("lab", lab),
    ("distributions", distributions),
];

/// Runs every step, even after a failure; ends with a summary.
pub(crate) fn run() -> Result<()> {
    let (begun, mut total, mut broken) = (Instant::now(), Tally::default(), Vec::new());
    for (name, step) in STEPS {
        println!("==> {name}");
        let start = Instant::now();
        let outcome = match step() {
            Ok(tally) => {
                total.passed += tally.passed;
                total.failed += tally.failed;
                if tally.failed > 0 {
                    broken.push(*name);
                }
                if tally.failed > 0 { "FAILED" } else { "ok" }
            }
            Err(error) => {
                println!("{error}");
                total.failed += 1;
                broken.push(*name);
                "FAILED"
            }
        };
        println!("==> {name}: {outcome}, {} s\n", start.elapsed().as_secs());
        // Nothing behind it would say anything new.
        if *name == "tools" && !broken.is_empty() {
            break;
        }
    }
    println!("{} passed, {} failed, {} s", total.passed, total.failed, begun.elapsed().as_secs());
    if broken.is_empty() { Ok(()) } else { Err(format!("not right: {}", broken.join(", "))) }
}

/// A step is one test.
fn once(result: Result<()>) -> Result<Tally> {
    result.map(|()| Tally { passed: 1, failed: 0 })
}

fn licences_and_advisories() -> Result<Tally> {
    licences::check()?;
    if tools::find("cargo-deny").is_some() {
        check(&mut cargo(["deny", "--offline", "check", "bans", "licenses", "sources"]))?;
    } else {
        println!(
            "cargo-deny is not installed: the licences above are from `cargo metadata`, advisories are not looked up"
        );
    }
    once(Ok(()))
}

/// All tests of the workspace, shown as they run, and counted.
fn tests() -> Result<Tally> {
    let mut tests = cargo(["test", "--workspace", "--no-fail-fast"]);
    // From a worktree, the corpora beside the main one are further away.
    if !corpora().exists() {
        println!("the corpora are not at {}: their tests are not run", corpora().display());
    }
    counted(&mut tests)
}

/// Writes what becomes of the images of the corpora.
pub(crate) fn robustness() -> Result<()> {
    tools::provide()?;
    let mut tests = cargo(["test", "--package", "diskscrub-tests", "--test", "corpora"]);
    check(tests.env("DISKSCRUB_ROBUSTNESS", paths::root().join("docs/robustness.md")))
}

/// Where the corpora are, if they are.
pub(crate) fn corpora() -> PathBuf {
    std::env::var_os("DISKSCRUB_CORPORA")
        .map_or_else(|| paths::root().join("../shared/corpora"), PathBuf::from)
}

/// The guidelines' bullets on trees of distributions' packages: needs root, and Debian's packages.
fn distributions() -> Result<Tally> {
    let root =
        std::process::Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if !root && std::env::var_os("CI").is_none() {
        println!("trees are made by mmdebstrap: not run without root");
        return Ok(Tally::default());
    }
    tools::provide_for_distributions()?;
    let test = ["--test", "distributions", "--", "--ignored", "--nocapture", "--test-threads=1"];
    let work = paths::root().join("target/distributions");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work).map_err(at(&work))?;
    let mut tests = cargo(["test", "--package", "diskscrub-tests"]);
    let tally = counted(tests.args(test).env("DISKSCRUB_TREES", &work))?;
    fs::remove_dir_all(&work).map_err(at(&work))?;
    Ok(tally)
}

/// Secrets planted all over a real Debian: needs root, and a lab beside the clone.
fn lab() -> Result<Tally> {
    let lab =
        std::env::var_os("DISKSCRUB_LAB").map_or_else(|| paths::root().join("../shared/lab"), PathBuf::from);
    if !lab.join("mkimage.sh").exists() {
        println!("there is no lab at {}: not run", lab.display());
        return Ok(Tally::default());
    }
    let root =
        std::process::Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if !root {
        println!("the lab mounts images: not run without root");
        return Ok(Tally::default());
    }
    tools::provide_for_lab()?;
    let work = paths::root().join("target/lab");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work).map_err(at(&work))?;
    let test = ["--test", "lab", "--", "--ignored", "--nocapture"];
    let mut cleaned = cargo(["test", "--package", "diskscrub-tests"]);
    cleaned.args(test);
    let cleaned = counted(cleaned.env("DISKSCRUB_LAB", lab).env("DISKSCRUB_LAB_WORK", &work))?;
    // The same images as they were planted: what `verify` says of each hit is what the lab says.
    let mut classes = cargo(["test", "--package", "diskscrub-verify"]);
    let classes = counted(classes.args(test).env("DISKSCRUB_LAB", &work))?;
    fs::remove_dir_all(&work).map_err(at(&work))?;
    Ok(Tally { passed: cleaned.passed + classes.passed, failed: cleaned.failed + classes.failed })
}

/// Runs cargo's tests and adds up its `test result:` lines.
fn counted(command: &mut Command) -> Result<Tally> {
    let mut run = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cargo test could not run: {error}"))?;
    let mut tally = Tally::default();
    if let Some(stdout) = run.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(std::result::Result::ok) {
            println!("{line}");
            if let Some(counts) = line.strip_prefix("test result: ") {
                tally.passed += number_before(counts, " passed");
                tally.failed += number_before(counts, " failed");
            }
        }
    }
    let status = run.wait().map_err(|error| error.to_string())?;
    // What does not compile, or is killed, prints no result.
    if !status.success() && tally.failed == 0 {
        tally.failed = 1;
    }
    Ok(tally)
}

/// The number in front of `word`.
fn number_before(text: &str, word: &str) -> u64 {
    let number = text.split(word).next().and_then(|before| before.rsplit(' ').next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn counts_what_cargo_says() {
        let line = "FAILED. 12 passed; 3 failed; 0 ignored; 0 measured";
        assert_eq!(super::number_before(line, " passed"), 12);
        assert_eq!(super::number_before(line, " failed"), 3);
    }
}
