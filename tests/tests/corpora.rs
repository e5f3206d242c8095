//! Every ext, FAT, swap, journal, partition table, LVM and qcow2 image of the corpora, real, odd or hostile:
//! diskscrub cleans it and its own checker is as silent as before, or refuses it in one sentence; an image that
//! its own checker rejects may fail verification. Never a panic, a signal, more than a minute, or 300 MiB.

#![allow(clippy::print_stdout, reason = "a test runner")]

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex},
};

use libtest_mimic::{Arguments, Failed, Trial};
use tests::{
    Result, checkers, image,
    program::{command, diskscrub, lossy, output, run, workspace},
};

const CLASSES: [&str; 7] = ["ext", "fat", "swap", "journal", "pt", "lvm", "container-qcow2"];
/// Most seconds that a run may take.
const SECONDS: &str = "60";
/// Most bytes of data that a run may hold: 300 MiB.
const MEMORY: &str = "--data=314572800";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root =
        env::var_os("DISKSCRUB_CORPORA").map_or_else(|| workspace().join("../shared/corpora"), PathBuf::from);
    let Ok(index) = fs::read_to_string(root.join("INDEX.tsv")) else {
        println!("there are no corpora at {}: not run", root.display());
        return libtest_mimic::run(&arguments, Vec::new()).exit_code();
    };
    let counts = Arc::new(Mutex::new(BTreeMap::<String, u64>::new()));
    let mut trials = Vec::new();
    for line in index.lines().skip(1) {
        let mut fields = line.split('\t');
        let (Some(class), Some(path), Some(format)) = (fields.next(), fields.nth(2), fields.next()) else {
            continue;
        };
        if !CLASSES.contains(&class) || !["raw", "qcow2"].contains(&format) {
            continue;
        }
        let (class, packed, counts) = (class.to_owned(), root.join(path), Arc::clone(&counts));
        trials.push(Trial::test(path.to_owned(), move || {
            let outcome = examine(&packed).map_err(Failed::from)?;
            let mut counts = counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *counts.entry(format!("{class}: {outcome}")).or_default() += 1;
            Ok(())
        }));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    for (outcome, count) in counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner).iter() {
        println!("{count:5} {outcome}");
    }
    conclusion.exit_code()
}

/// Inspects and cleans one image; what became of it in a word.
fn examine(packed: &Path) -> Result<&'static str> {
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (image, out) = (scratch.path().join("image"), scratch.path().join("out"));
    if packed.extension().is_some_and(|extension| extension == "zst") {
        run(
            "zstd",
            ["-dqf".as_ref(), "--sparse".as_ref(), packed.as_os_str(), "-o".as_ref(), image.as_os_str()],
        )?;
    } else {
        fs::copy(packed, &image).map_err(|error| error.to_string())?;
    }
    let run = limited(scratch.path(), &["inspect", "image"])?;
    if run == Outcome::Unverified {
        return Err("inspect ends with 1".to_owned());
    }
    let run = limited(scratch.path(), &["clean", "image", "-o", "out", "--opaque", "keep"])?;
    if out.exists() != (run == Outcome::Done) {
        return Err("there is an output without success, or success without an output".to_owned());
    }
    let complaints = |image: &Path, name: &str| {
        let raw = image::raw(image, scratch.path(), name)?;
        checkers::complaints(image, &raw, scratch.path())
    };
    // An input that its own checker rejects, or that needs its journal replayed first, proves nothing.
    let sound = || complaints(&image, "in.raw").is_ok_and(|before| before.is_empty());
    match run {
        Outcome::Refused => Ok("refused"),
        Outcome::Unverified if sound() => Err("a sound image does not pass verification".to_owned()),
        Outcome::Unverified => Ok("damaged, and refused by the verification"),
        Outcome::Done => {
            let after = complaints(&out, "out.raw")?;
            match after.is_empty() {
                true => Ok("clean"),
                false if sound() => Err(after.join("\n")),
                false => Ok("clean, and as its checker found it"),
            }
        }
    }
}

/// How a run may end.
#[derive(PartialEq, Eq)]
enum Outcome {
    /// Exit 0.
    Done,
    /// Exit 65, and one sentence.
    Refused,
    /// Exit 1: the output was not what it should be, and was not written.
    Unverified,
}

/// Runs diskscrub.
fn limited(directory: &Path, arguments: &[&str]) -> Result<Outcome> {
    let mut limited = command("timeout");
    limited.args(["--signal=KILL", SECONDS, "prlimit", MEMORY]).arg(diskscrub()).args(arguments);
    let done = output(limited.current_dir(directory))?;
    let stderr = lossy(&done.stderr);
    match done.status.code() {
        Some(0) => Ok(Outcome::Done),
        Some(1) => Ok(Outcome::Unverified),
        Some(65) if stderr.lines().count() == 1 => Ok(Outcome::Refused),
        _ => Err(format!("{} ends with {}:\n{stderr}", arguments[0], done.status)),
    }
}
