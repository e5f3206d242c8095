//! `cargo xtask test`: everything that has to be right before a change is good, step by step.

use std::{path::PathBuf, time::Instant};

use crate::{
    docs, fuzz,
    jobs::Tally,
    licences, paths,
    run::{Result, cargo, check},
    suite, tools,
};

type Step = (&'static str, fn() -> Result<Tally>);

const STEPS: &[Step] = &[
    ("tools", || once(tools::provide())),
    ("format", || {
        let fuzz = ["fmt", "--all", "--check", "--manifest-path", "fuzz/Cargo.toml"];
        once(check(&mut cargo(["fmt", "--all", "--check"])).and_then(|()| check(&mut cargo(fuzz))))
    }),
    ("lints", || {
        once(check(&mut cargo(["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])))
    }),
    ("fuzz lints", || once(fuzz::lints())),
    ("api docs", || {
        let mut doc = cargo(["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"]);
        once(check(doc.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links")))
    }),
    ("generated docs", || once(docs::check())),
    ("licences", licences_and_advisories),
    ("tests", suite::run),
    ("fuzzing", || once(fuzz::smoke())),
    ("demo", || once(crate::demo::run())),
];

/// Runs every step, even after a failure; ends with a summary.
pub(crate) fn run() -> Result<()> {
    let (begun, mut total, mut broken) = (Instant::now(), Tally::default(), Vec::new());
    for (name, step) in STEPS {
        println!("==> {name}");
        let start = Instant::now();
        let outcome = match step() {
            Ok(tally) => {
                total += tally;
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
