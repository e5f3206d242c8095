//! Every image of the corpora, real, odd or hostile: diskscrub cleans it, its own checker is as silent as before, and
//! `verify` has nothing to say; or refuses it in one sentence; an image that its own checker rejects may fail
//! verification. Never a panic, a signal, more than a minute, or 300 MiB.
//!
//! `cargo xtask robustness` lets it write `docs/robustness.md`.

#![allow(clippy::print_stdout, reason = "a test runner")]

use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use libtest_mimic::{Arguments, Failed, Trial};
use tests::{
    Result, checkers, image,
    program::{command, diskscrub, lossy, output, run, workspace},
};

/// The class that has no disk images: those sets of the search for secrets.
const NO_IMAGES: &str = "secrets";
/// Most seconds that a run may take.
const SECONDS: &str = "60";
/// Most bytes of data that a run may hold: 300 MiB.
const MEMORY: &str = "--data=314572800";

/// What became of the images of a class.
#[derive(Default)]
struct Class {
    outcomes: BTreeMap<Fate, u64>,
    /// The longest run, in seconds.
    seconds: f64,
    /// The largest resident set, in MiB.
    memory: u64,
}

/// What became of an image.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Clean,
    AsFound,
    Kept,
    Refused,
    Unverified,
}

const FATES: [(Fate, &str); 5] = [
    (Fate::Clean, "cleaned"),
    (Fate::AsFound, "cleaned, as its checker found it"),
    (Fate::Kept, "kept unread, if allowed"),
    (Fate::Refused, "refused"),
    (Fate::Unverified, "stopped by the verification"),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root =
        env::var_os("DISKSCRUB_CORPORA").map_or_else(|| workspace().join("../shared/corpora"), PathBuf::from);
    let Ok(index) = fs::read_to_string(root.join("INDEX.tsv")) else {
        println!("there are no corpora at {}: not run", root.display());
        return libtest_mimic::run(&arguments, Vec::new()).exit_code();
    };
    let page = env::var_os("DISKSCRUB_ROBUSTNESS");
    let classes = Arc::new(Mutex::new(BTreeMap::<String, Class>::new()));
    let mut trials = Vec::new();
    for line in index.lines().skip(1) {
        let mut fields = line.split('\t');
        let (Some(class), Some(path)) = (fields.next(), fields.nth(2)) else { continue };
        if class == NO_IMAGES {
            continue;
        }
        let (class, packed, classes) = (class.to_owned(), root.join(path), Arc::clone(&classes));
        trials.push(Trial::test(path.to_owned(), move || {
            let mut cost = Cost::default();
            let fate = examine(&packed, &mut cost).map_err(Failed::from)?;
            let mut classes = classes.lock().unwrap_or_else(PoisonError::into_inner);
            let class = classes.entry(class).or_default();
            *class.outcomes.entry(fate).or_default() += 1;
            class.seconds = class.seconds.max(cost.seconds);
            class.memory = class.memory.max(cost.memory);
            Ok(())
        }));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    let classes = classes.lock().unwrap_or_else(PoisonError::into_inner);
    let table = table(&classes);
    println!("{table}");
    let images: u64 = classes.values().flat_map(|class| class.outcomes.values()).sum();
    if let Some(page) = page
        && let Err(error) =
            fs::write(&page, PAGE.replace("TABLE", &table).replace("COUNT", &images.to_string()))
    {
        println!("{}: {error}", page.display());
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

/// What `docs/robustness.md` says around the table.
const PAGE: &str = include_str!("robustness.md");

fn table(classes: &BTreeMap<String, Class>) -> String {
    let mut text = "| class | images |".to_owned();
    FATES.iter().for_each(|(_, name)| _ = write!(text, " {name} |"));
    text += " longest run, s | most memory, MiB |\n|---|---:|";
    text += &"---:|".repeat(FATES.len() + 2);
    for (name, class) in classes {
        let count: u64 = class.outcomes.values().sum();
        _ = write!(text, "\n| {name} | {count} |");
        for (fate, _) in FATES {
            let cell = class.outcomes.get(&fate).map_or_else(String::new, u64::to_string);
            _ = write!(text, " {cell} |");
        }
        _ = write!(text, " {:.1} | {} |", class.seconds, class.memory);
    }
    text
}

/// Inspects, verifies and cleans one image, and verifies what comes of it.
fn examine(packed: &Path, cost: &mut Cost) -> Result<Fate> {
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
    let mut limited = |arguments: &[&str]| limited(scratch.path(), arguments, cost);
    if limited(&["inspect", "image"])? == Outcome::Unverified {
        return Err("inspect ends with 1".to_owned());
    }
    // Whatever it says of the input, it says it in the end.
    limited(&["verify", "image"])?;
    let mut run = limited(&["clean", "image", "-o", "out"])?;
    let kept = run == Outcome::Refused;
    if kept {
        run = limited(&["clean", "image", "-o", "out", "--opaque", "keep"])?;
    }
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
        Outcome::Refused => Ok(Fate::Refused),
        Outcome::Unverified if sound() => Err("a sound image does not pass verification".to_owned()),
        Outcome::Unverified => Ok(Fate::Unverified),
        Outcome::Done => {
            // What was kept unread is residue to it.
            if limited(&["verify", "out"])? != Outcome::Done && !kept {
                return Err("verify finds something in what was cleaned".to_owned());
            }
            let after = complaints(&out, "out.raw")?;
            match after.is_empty() {
                true if kept => Ok(Fate::Kept),
                true => Ok(Fate::Clean),
                false if sound() => Err(after.join("\n")),
                false => Ok(Fate::AsFound),
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
    /// Exit 1: there are findings; a `clean` did not write its output.
    Unverified,
}

/// What runs have taken.
#[derive(Default)]
struct Cost {
    seconds: f64,
    memory: u64,
}

/// Runs diskscrub.
fn limited(directory: &Path, arguments: &[&str], cost: &mut Cost) -> Result<Outcome> {
    let usage = directory.join("usage");
    let mut limited = command("/usr/bin/time");
    limited.args(["-q", "-f", "%e %M", "-o"]).arg(&usage);
    limited.args(["timeout", "--signal=KILL", SECONDS, "prlimit", MEMORY]).arg(diskscrub()).args(arguments);
    let done = output(limited.current_dir(directory))?;
    let used = fs::read_to_string(&usage).unwrap_or_default();
    let mut used = used.split_ascii_whitespace();
    let seconds: f64 = used.next().and_then(|word| word.parse().ok()).ok_or("no time was taken")?;
    let kib: u64 = used.next().and_then(|word| word.parse().ok()).ok_or("no memory was taken")?;
    (cost.seconds, cost.memory) = (cost.seconds.max(seconds), cost.memory.max(kib / 1024));
    let stderr = lossy(&done.stderr);
    match done.status.code() {
        Some(0) => Ok(Outcome::Done),
        Some(1) => Ok(Outcome::Unverified),
        Some(65) if stderr.lines().count() == 1 => Ok(Outcome::Refused),
        _ => Err(format!("{} ends with {}:\n{stderr}", arguments[0], done.status)),
    }
}
