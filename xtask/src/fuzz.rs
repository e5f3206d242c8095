//! `cargo xtask fuzz`: hostile images for every parser, by libFuzzer, on a stable compiler.
//!
//! The targets are in `fuzz`, a workspace of its own, laid out as cargo-fuzz expects. Here they are built with LLVM's
//! coverage instrumentation alone: without `unsafe` code there is little for a sanitizer to find, and it needs a nightly
//! compiler. Memory is bounded by the kernel: an allocation that follows a number of an image aborts, which is a finding.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
    thread,
};

use crate::{
    paths,
    run::{Result, at, cargo, check},
    test::corpora,
};

/// What makes coverage visible to libFuzzer (and `cfg(fuzzing)`, as cargo-fuzz has it).
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1";
/// Seconds a target, unless the command line says otherwise.
const SECONDS: u64 = 60;
/// Seconds a target in `cargo xtask test`, and where its dice start: a change should not fail for what another day's would find.
const SMOKE: u64 = 10;
const DICE: u32 = 1;
/// Data that a target may have in memory, in KiB. libFuzzer's own and all images are about 100 MiB of it.
const MEMORY: u32 = 512 * 1024;
/// Images of the corpora for each target, the smallest first; and how large they are at most.
const IMAGES: usize = 12;
const LARGEST: u64 = 64 << 20;
/// Classes of the corpora, and the targets that they are for.
const CLASSES: &[(&str, &[&str])] = &[
    ("container-qcow2", &["qcow2"]),
    ("ext", &["ext"]),
    ("fat", &["fat"]),
    ("journal", &["journal"]),
    ("lvm", &["lvm"]),
    ("pt", &["gpt", "mbr"]),
    ("swap", &["swap"]),
    ("xfs", &["xfs"]),
];

/// The command: `[TARGET] [--seconds N]`.
pub(crate) fn command(arguments: &[&str]) -> Result<()> {
    let (target, seconds) = match *arguments {
        [] => (None, SECONDS),
        [target] if !target.starts_with('-') => (Some(target), SECONDS),
        ["--seconds", count] => (None, parse(count)?),
        [target, "--seconds", count] if !target.starts_with('-') => (Some(target), parse(count)?),
        _ => return Err("usage: cargo xtask fuzz [TARGET] [--seconds N]".to_owned()),
    };
    crate::tools::provide()?;
    run(target, seconds, None)
}

fn parse(count: &str) -> Result<u64> {
    count.parse().map_err(|_| format!("{count}: not a number of seconds"))
}

/// The lints of the targets, which are no part of the workspace. What both depend on has been checked with that.
pub(crate) fn lints() -> Result<()> {
    let mut clippy = cargo(["clippy", "--quiet", "--locked", "--all-targets", "--manifest-path"]);
    clippy.arg(directory().join("Cargo.toml")).arg("--target-dir").arg(paths::target());
    check(clippy.args(["--", "-D", "warnings"]))
}

/// A little of everything, for `cargo xtask test`.
pub(crate) fn smoke() -> Result<()> {
    run(None, SMOKE, Some(DICE))
}

/// Runs one target, or all of them, as many at a time as there are processors; fails if one finds anything.
fn run(only: Option<&str>, seconds: u64, dice: Option<u32>) -> Result<()> {
    let mut targets = targets()?;
    if let Some(only) = only {
        if !targets.iter().any(|target| target == only) {
            return Err(format!("{only}: no target; there are {}", targets.join(", ")));
        }
        targets.retain(|target| target == only);
    }
    check(&mut build(only)?)?;
    let programs = paths::target().join("fuzz").join(host()?).join("release");
    make_bases()?;
    println!("{} targets, {seconds} s each; what they learn is kept in fuzz/corpus", targets.len());
    let (queue, outcomes) = (Mutex::new(targets.into_iter()), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(target) = { queue.lock().expect("no panics with it").next() } {
                    let outcome = fuzz(&programs, &target, seconds, dice);
                    if let Ok(said) = &outcome {
                        println!("{target}: {said}");
                    }
                    outcomes.lock().expect("no panics with it").insert(target, outcome);
                }
            });
        }
    });
    let failures = outcomes.into_inner().expect("no panics with it").into_iter();
    let failures: Vec<String> = failures.filter_map(|(_, outcome)| outcome.err()).collect();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

fn directory() -> PathBuf {
    paths::root().join("fuzz")
}

/// Names of all targets.
fn targets() -> Result<Vec<String>> {
    let place = directory().join("fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&place).map_err(at(&place))? {
        let path = entry.map_err(at(&place))?.path();
        names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort_unstable();
    Ok(names)
}

/// The command that builds one target, or all of them.
pub(crate) fn build(only: Option<&str>) -> Result<Command> {
    let host = host()?;
    let mut build = cargo(["build", "--quiet", "--release", "--locked", "--target", &host]);
    build.arg("--manifest-path").arg(directory().join("Cargo.toml"));
    build.arg("--target-dir").arg(paths::target().join("fuzz"));
    match only {
        Some(only) => build.args(["--bin", only]),
        None => build.arg("--bins"),
    };
    build.env("RUSTFLAGS", FLAGS).env_remove("CARGO_ENCODED_RUSTFLAGS");
    Ok(build)
}

/// With a target of its own, build scripts and macros are not instrumented.
fn host() -> Result<String> {
    let version = cargo(["-vV"]).output().map_err(|error| format!("cargo -vV: {error}"))?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "cargo -vV names no host".to_owned())
}

/// Makes the good images, unless they are there and the recipe is no younger.
fn make_bases() -> Result<()> {
    let (recipe, bases) = (directory().join("bases.sh"), directory().join("bases"));
    let time = |path: &Path| fs::metadata(path).and_then(|file| file.modified());
    let made = time(&bases.join("complete"));
    if !made.is_ok_and(|made| time(&recipe).is_ok_and(|recipe| recipe < made)) {
        let _ = fs::remove_dir_all(&bases);
        let log = paths::target().join("fuzz/bases.log");
        let file = File::create(&log).map_err(at(&log))?;
        let second = file.try_clone().map_err(at(&log))?;
        let mut script = Command::new("bash");
        check(script.arg(recipe).arg(&bases).stdout(file).stderr(second))
            .map_err(|error| format!("{error}: see {}", log.display()))?;
        take_corpora(&bases.join("corpora"))?;
    }
    Ok(())
}

/// Unpacks the smallest images of the corpora, where these are, for the targets that they are for.
fn take_corpora(into: &Path) -> Result<()> {
    let corpora = corpora();
    let Ok(index) = fs::read_to_string(corpora.join("INDEX.tsv")) else {
        println!("the corpora are not at {}: the images are our own", corpora.display());
        return Ok(());
    };
    for &(class, targets) in CLASSES {
        let mut images: Vec<(u64, &str)> = index
            .lines()
            .filter_map(|line| {
                let fields: Vec<&str> = line.split('\t').collect();
                let [of, _, _, path, _, _, size, ..] = fields[..] else { return None };
                let size = size.parse().ok().filter(|&size| size <= LARGEST)?;
                (of == class && path.ends_with(".zst") && !path.contains(".tar.")).then_some((size, path))
            })
            .collect();
        images.sort_unstable();
        images.truncate(IMAGES);
        for target in targets {
            let place = into.join(target);
            fs::create_dir_all(&place).map_err(at(&place))?;
            for (_, path) in &images {
                let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".zst");
                unpack(&corpora.join(path), &place.join(name))?;
            }
        }
    }
    Ok(())
}

/// Pieces of zeros become holes.
fn unpack(from: &Path, to: &Path) -> Result<()> {
    use std::os::unix::fs::FileExt;
    let packed = File::open(from).map_err(at(from))?;
    let mut packed = zstd::Decoder::new(packed).map_err(at(from))?.take(LARGEST);
    let file = File::create(to).map_err(at(to))?;
    let (mut piece, mut offset) = (Vec::new(), 0);
    loop {
        piece.clear();
        let read = packed.by_ref().take(4096).read_to_end(&mut piece).map_err(at(from))?;
        if read == 0 {
            return file.set_len(offset).map_err(at(to));
        }
        if !block::is_zero(&piece) {
            file.write_all_at(&piece, offset).map_err(at(to))?;
        }
        offset += block::to_u64(read);
    }
}

/// Runs a target for so long. What it did, or what it found.
fn fuzz(programs: &Path, target: &str, seconds: u64, dice: Option<u32>) -> Result<String> {
    let (corpus, findings) =
        (directory().join("corpus").join(target), directory().join("artifacts").join(target));
    for place in [&corpus, &findings] {
        fs::create_dir_all(place).map_err(at(place))?;
    }
    let limited = format!("ulimit -c 0; ulimit -d {MEMORY}; exec \"$@\"");
    let mut run = Command::new("sh");
    run.args(["-c", &limited, "sh"]).arg(programs.join(target)).arg(&corpus);
    run.args([
        "-timeout=10",
        "-rss_limit_mb=1024",
        "-max_len=4096",
        "-len_control=0",
        "-print_final_stats=1",
    ]);
    run.arg(format!("-max_total_time={seconds}"));
    run.args(dice.map(|dice| format!("-seed={dice}")));
    run.arg(format!("-artifact_prefix={}/", findings.display()));
    let dictionary = directory().join(format!("{target}.dict"));
    if dictionary.exists() {
        run.arg(format!("-dict={}", dictionary.display()));
    }
    run.env("DISKSCRUB_FUZZ_BASES", directory().join("bases")).env("DISKSCRUB_FUZZ_SEEDS", &corpus);
    // What goes wrong inside is what is looked for; a way back through the code is in the file that reproduces it.
    let output = run.env("RUST_BACKTRACE", "0").stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{target}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let log = paths::target().join("fuzz").join(format!("{target}.log"));
    let kept = File::create(&log).and_then(|mut log| log.write_all(&output.stderr));
    kept.map_err(at(&log))?;
    let number = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(&format!("stat::{name}:")));
        line.map_or("?", str::trim).to_owned()
    };
    let (executions, speed) = (number("number_of_executed_units"), number("average_exec_per_sec"));
    if output.status.success() {
        return Ok(format!("{executions} executions, {speed} a second"));
    }
    let about = |line: &str| {
        ["ERROR: libFuzzer", "Test unit written", "memory allocation"].iter().any(|word| line.contains(word))
    };
    let mut lines = Vec::new();
    let mut of_panic = false;
    for line in said.lines() {
        // What is said of a panic ends where the runtime or libFuzzer goes on.
        of_panic = line.contains("panicked at")
            || of_panic && !(line.starts_with("note: ") || line.starts_with("=="));
        if of_panic || about(line) {
            lines.push(line);
        }
    }
    let program = programs.join(target);
    Err(format!(
        "{target} found something after {executions} executions ({}):\n  {}\n  again: {} FILE; \
         DISKSCRUB_FUZZ_SAVE=IMAGE has it write the image",
        log.display(),
        lines.join("\n  "),
        program.display()
    ))
}
