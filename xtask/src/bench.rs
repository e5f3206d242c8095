//! `cargo xtask bench IMAGE`: what cleaning costs, beside tools that only copy and tools that clean otherwise; and
//! what scanning costs, beside ripgrep with the same patterns; and overwriting, beside dd. (crate::shelf does the same
//! for many images at a time, crate::growth for many files.)
//!
//! It measures and prints; it judges nothing. The runs of a round follow each other, so that a busy machine is
//! busy for all of them. Output files lie beside the image (same disk) and vanish. What was not run is said.

use std::{
    fs,
    io::{BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use crate::{growth, overwriting, tools};

type Result<T> = std::result::Result<T, String>;

/// Rounds, each of which runs everything once, unless `DISKSCRUB_ROUNDS` says how many.
const ROUNDS: usize = 5;
/// Size of the large sparse disk in bytes.
const LARGE: u64 = 1 << 40;

/// Size of ripgrep's sample in MiB.
const SAMPLE: u64 = 64;

/// Something to be measured: a shell script, in which `$IN` is the image and `$OUT` a file that does not exist.
struct Case {
    name: String,
    script: String,
    /// The case of the same run that this one is compared with.
    against: Option<String>,
    /// Run in the first round only: it takes minutes.
    once: bool,
}

/// What the runs of a case took.
#[derive(Default)]
struct Taken {
    seconds: Vec<f64>,
    /// Largest resident set of one process, in MiB.
    memory: u64,
    failed: Option<String>,
}

impl Taken {
    fn median(&self) -> Option<f64> {
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len().checked_sub(1)? / 2).copied()
    }
}

/// Runs all that this machine has, and prints a table in Markdown.
pub(crate) fn run(image: Option<&str>) -> Result<()> {
    beside(image, measure)
}

/// The same for a shelf of the image alone.
pub(crate) fn shelf(image: Option<&str>) -> Result<()> {
    beside(image, |image, _, work| {
        let raw = work.join("in.raw");
        shell(&format!("qemu-img convert -O raw '{}' '{}'", image.display(), raw.display()))?;
        crate::shelf::run(&build()?, &raw, work, count())
    })
}

/// Measures in a directory beside the image, on the same disk, which vanishes.
fn beside(image: Option<&str>, measure: impl Fn(&Path, &Path, &Path) -> Result<()>) -> Result<()> {
    let image = find_image(image)?;
    let folder = image.parent().unwrap_or(Path::new(".")).to_owned();
    let work = folder.join(format!("bench.{}", std::process::id()));
    fs::create_dir(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    let outcome = measure(&image, &folder, &work);
    fs::remove_dir_all(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    outcome
}

/// Measures overwriting alone, on a disk made for it.
pub(crate) fn in_place() -> Result<()> {
    let work = PathBuf::from(format!("target/bench.{}", std::process::id()));
    fs::create_dir_all(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    let outcome = build().and_then(|clean| overwriting::run(&clean, &work, count()));
    fs::remove_dir_all(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    outcome
}

/// Measures many files alone, on filesystems made for it.
pub(crate) fn many_files() -> Result<()> {
    let work = PathBuf::from(format!("target/bench.{}", std::process::id()));
    fs::create_dir_all(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    let outcome = build().and_then(|clean| growth::run(&clean, &work));
    fs::remove_dir_all(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    outcome
}

/// How many rounds.
fn count() -> usize {
    std::env::var("DISKSCRUB_ROUNDS").ok().and_then(|count| count.parse().ok()).unwrap_or(ROUNDS)
}

fn measure(image: &Path, folder: &Path, work: &Path) -> Result<()> {
    for tool in ["qemu-img", "/usr/bin/time", "sgdisk", "sync", "dd"] {
        if !has(tool) {
            return Err(format!("{tool} is not installed: the bench compares with it"));
        }
    }
    if let Err(why) = tools::provide_for_bench() {
        eprintln!("{why}");
    }
    let clean = build()?;
    let raw = work.join("in.raw");
    let qcow2 = work.join("in.qcow2");
    shell(&format!("qemu-img convert -O raw '{}' '{}'", image.display(), raw.display()))?;
    shell(&format!("qemu-img convert -O qcow2 '{}' '{}'", image.display(), qcow2.display()))?;
    let large = work.join("large.raw");
    let mut skipped = Vec::new();
    let grown = format!(
        "cp --sparse=always '{0}' '{1}' && truncate -s {LARGE} '{1}' && sgdisk -e '{1}'",
        raw.display(),
        large.display()
    );
    let mut cases = copies(&clean, &raw, &qcow2);
    match shell(&grown) {
        Ok(()) => cases.push(Case {
            name: "diskscrub clean, the same on a sparse disk of 1 TiB".to_owned(),
            script: format!(
                "'{}' clean --quiet '{}' -o \"$OUT\" > /dev/null",
                clean.display(),
                large.display()
            ),
            against: Some("diskscrub clean, raw".to_owned()),
            once: false,
        }),
        Err(error) => skipped.push(format!("the sparse disk of 1 TiB: {error}")),
    }
    match verifying(&clean, &raw, work) {
        Ok(two) => cases.extend(two),
        Err(why) => skipped.push(format!("diskscrub verify: {why}")),
    }
    match peers(folder, &raw, work) {
        Ok(peers) => cases.extend(peers),
        Err(why) => skipped.push(format!("virt-sysprep and virt-sparsify: {why}")),
    }
    let count = count();
    let taken = rounds(&cases, work, count)?;
    print(image, &cases, &taken, count);
    crate::shelf::run(&clean, &raw, work, count)?;
    scans(&clean, &raw, work, count)?;
    overwriting::run(&clean, work, count)?;
    growth::run(&clean, work)?;
    skipped.iter().for_each(|what| println!("Not run: {what}."));
    Ok(())
}

/// Cleaning, and the copies it is held against: qemu-img's and cp's, with the sync that cleaning always does,
/// and without.
fn copies(clean: &Path, raw: &Path, qcow2: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for (format, input) in [("raw", raw), ("qcow2", qcow2)] {
        let input = input.display();
        let convert = format!("qemu-img convert -O {format} '{input}' \"$OUT\"");
        let ours = format!("diskscrub clean, {format}");
        let mut add = |name: String, script: String, against: Option<&String>| {
            cases.push(Case { name, script, against: against.cloned(), once: false });
        };
        let script = format!("'{}' clean --quiet '{input}' -o \"$OUT\" > /dev/null", clean.display());
        add(ours.clone(), finding(&script), None);
        add(
            format!("qemu-img convert, {format}, and sync"),
            format!("{convert} && sync \"$OUT\""),
            Some(&ours),
        );
        add(format!("qemu-img convert, {format}"), convert, Some(&ours));
        if format == "raw" {
            let copy = format!("cp --sparse=always '{input}' \"$OUT\"");
            add("cp --sparse=always, and sync".to_owned(), format!("{copy} && sync \"$OUT\""), Some(&ours));
            // The roofline: the disk's own speed in the same run.
            add(
                "reading the data alone (dd of the qcow2)".to_owned(),
                format!("dd if='{}' of=/dev/null bs=1M status=none", qcow2.display()),
                None,
            );
            let script = "dd if=/dev/zero of=\"$OUT\" bs=1M count=512 conv=fsync status=none".to_owned();
            add("writing 512 MiB and sync (dd)".to_owned(), script, None);
        }
    }
    cases
}

/// Verifying a cleaned image, and copying the same.
fn verifying(clean: &Path, raw: &Path, work: &Path) -> Result<[Case; 2]> {
    let cleaned = work.join("cleaned.raw");
    let (clean, cleaned) = (clean.display(), cleaned.display());
    shell(&finding(&format!("'{clean}' clean --quiet '{}' -o '{cleaned}'", raw.display())))?;
    let ours = "diskscrub verify, cleaned raw".to_owned();
    let case = |name: &str, script: String, against: Option<&String>| Case {
        name: name.to_owned(),
        script,
        against: against.cloned(),
        once: false,
    };
    Ok([
        case(&ours, finding(&format!("'{clean}' verify --quiet '{cleaned}' > /dev/null")), None),
        case(
            "qemu-img convert of it, raw",
            format!("qemu-img convert -O raw '{cleaned}' \"$OUT\""),
            Some(&ours),
        ),
    ])
}

/// virt-sysprep and virt-sparsify, from this machine or from the lab's own root beside the image.
fn peers(folder: &Path, raw: &Path, work: &Path) -> Result<Vec<Case>> {
    let lab = folder.ancestors().map(|folder| folder.join("peerenv.sh")).find(|script| script.exists());
    let prefix = match lab {
        _ if has("virt-sysprep") && has("virt-sparsify") => String::new(),
        Some(script) => format!("'{}' ", script.display()),
        None => return Err("not installed, and no peerenv.sh above the image".to_owned()),
    };
    let copy = work.join("peer.raw");
    let (raw, copy) = (raw.display(), copy.display());
    shell(&format!(
        "cp --sparse=always '{raw}' '{copy}' && {prefix}virt-sysprep --version && {prefix}virt-sparsify --version"
    ))?;
    let case = |name: &str, script: String| Case {
        name: name.to_owned(),
        script,
        against: Some("diskscrub clean, raw".to_owned()),
        once: true,
    };
    Ok(vec![
        case("virt-sysprep", format!("{prefix}virt-sysprep -a '{copy}'")),
        case("virt-sparsify, after it", format!("{prefix}virt-sparsify '{copy}' \"$OUT\"")),
    ])
}

fn rounds(cases: &[Case], work: &Path, count: usize) -> Result<Vec<Taken>> {
    let mut taken: Vec<Taken> = cases.iter().map(|_| Taken::default()).collect();
    let (out, usage) = (work.join("out"), work.join("usage"));
    for round in 0..count {
        for (case, taken) in cases.iter().zip(&mut taken).filter(|(case, _)| round == 0 || !case.once) {
            eprintln!("round {} of {count}: {}", round + 1, case.name);
            let start = Instant::now();
            let mut command = Command::new("/usr/bin/time");
            command.args(["-f", "%M", "-o"]).arg(&usage).args(["sh", "-c", &case.script]).env("OUT", &out);
            let output =
                command.stdin(Stdio::null()).output().map_err(|error| format!("/usr/bin/time: {error}"))?;
            taken.seconds.push(start.elapsed().as_secs_f64());
            if !output.status.success() {
                let error = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                taken.failed = Some(format!("{} {error}", output.status));
            }
            let used = fs::read_to_string(&usage).unwrap_or_default();
            let kib: u64 = used.lines().last().and_then(|line| line.trim().parse().ok()).unwrap_or(0);
            taken.memory = taken.memory.max(kib / 1024);
            drop(fs::remove_file(&out));
        }
    }
    Ok(taken)
}

/// Scanning, beside ripgrep with the same patterns: the zeros of the image are left out, and the files are in the page
/// cache. ripgrep gets a sample, of which it searches some megabytes a second. Seconds are those of all processors
/// together, and the least of all rounds: what else the machine does can only add to them.
fn scans(clean: &Path, raw: &Path, work: &Path, count: usize) -> Result<()> {
    let (dense, sample, patterns) = (work.join("dense"), work.join("sample"), work.join("patterns"));
    let bytes = without_zeros(raw, &dense)?;
    let sampled = every_nth(&dense, &sample, bytes)?;
    let lines: Vec<String> = scan::content::rules::all().map(|rule| unnamed(rule.pattern)).collect();
    fs::write(&patterns, lines.join("\n")).map_err(|error| format!("{}: {error}", patterns.display()))?;
    let scan = |file: &Path, more: &str| {
        format!("'{}' scan --quiet {more} --format raw '{}'", clean.display(), file.display())
    };
    let mut cases = vec![
        ("diskscrub scan, one thread", scan(&dense, "--threads 1"), bytes, &dense),
        ("diskscrub scan", scan(&dense, ""), bytes, &dense),
        ("reading alone (dd)", format!("dd if='{}' of=/dev/null bs=256K", dense.display()), bytes, &dense),
        ("diskscrub scan, one thread, the sample", scan(&sample, "--threads 1"), sampled, &sample),
    ];
    if has("rg") {
        let rg = format!(
            "rg --no-unicode --text --multiline --count -j1 -f '{}' '{}'",
            patterns.display(),
            sample.display()
        );
        cases.push(("ripgrep with its patterns, the sample", rg, sampled, &sample));
    }
    println!(
        "Scanning {} MB of the image that are not zero, and a sample of {} MB, {} rules, from the page cache:\n",
        bytes / 1_000_000,
        sampled / 1_000_000,
        lines.len()
    );
    println!("| command | CPU seconds | GB per CPU second | diskscrub / it |\n|---|---:|---:|---:|");
    let mut best = vec![f64::INFINITY; cases.len()];
    for _ in 0..count {
        for ((_, script, _, file), best) in cases.iter().zip(&mut best) {
            // The kernel may have dropped pages that nobody read for a while.
            shell(&format!("cat '{}' > /dev/null", file.display()))?;
            *best = best.min(processor_seconds(script, work)?);
        }
    }
    // Of at most some terabytes: exact in floating point, by way of 32 bits of megabytes.
    let gigabytes = |bytes: u64| f64::from(u32::try_from(bytes / 1_000_000).unwrap_or(u32::MAX)) / 1000.0;
    let rates: Vec<f64> = cases.iter().zip(&best).map(|(case, best)| gigabytes(case.2) / best).collect();
    for (number, (case, best)) in cases.iter().zip(&best).enumerate() {
        // Held against our own run over the same bytes.
        let ours = cases.iter().position(|(.., file)| file == &case.3).unwrap_or(number);
        let ratio = if case.0.starts_with("diskscrub") {
            String::new()
        } else {
            format!("{:.2}", rates[ours] / rates[number])
        };
        println!("| {} | {best:.2} | {:.3} | {ratio} |", case.0, rates[number]);
    }
    println!();
    if !has("rg") {
        println!("Not run: rg is not installed (Debian package ripgrep).");
    }
    Ok(())
}

/// What a script takes of all processors, in user mode and in the kernel.
fn processor_seconds(script: &str, work: &Path) -> Result<f64> {
    let usage = work.join("usage");
    let mut command = Command::new("/usr/bin/time");
    command.args(["-f", "%U %S", "-o"]).arg(&usage).args(["sh", "-c", script]);
    let done = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    done.map_err(|error| format!("/usr/bin/time: {error}"))?;
    let used = fs::read_to_string(&usage).unwrap_or_default();
    // The hundredths that it counts in are no zero.
    let line = used.lines().last().unwrap_or_default();
    Ok(line.split(' ').filter_map(|time| time.parse::<f64>().ok()).sum::<f64>().max(0.01))
}

/// Copies pieces of 1 MiB from all over a file, 64 at most; how many bytes that is.
fn every_nth(from: &Path, to: &Path, bytes: u64) -> Result<u64> {
    let step = (bytes >> 20).div_ceil(SAMPLE).max(1);
    let script = format!(
        "for at in $(seq 0 {step} {}); do dd if='{}' bs=1M count=1 skip=$at status=none; done > '{}'",
        (bytes >> 20).saturating_sub(1),
        from.display(),
        to.display()
    );
    shell(&script)?;
    fs::metadata(to).map(|data| data.len()).map_err(|error| format!("{}: {error}", to.display()))
}

/// A pattern whose groups have no names: joined with others, it would have some of them twice.
fn unnamed(pattern: &str) -> String {
    let mut parts = pattern.split("(?<");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| format!("{all}(?:{}", part.split_once('>').map_or(part, |(_, rest)| rest)))
}

/// Copies what is not zero, in pieces of 4 KiB; how many bytes that is.
fn without_zeros(from: &Path, to: &Path) -> Result<u64> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| format!("{path}: {error}")
    };
    let mut input = BufReader::with_capacity(1 << 20, fs::File::open(from).map_err(failed(from))?);
    let mut output = BufWriter::with_capacity(1 << 20, fs::File::create(to).map_err(failed(to))?);
    let (mut bytes, mut piece) = (0, Vec::with_capacity(4096));
    loop {
        piece.clear();
        let read = input.by_ref().take(4096).read_to_end(&mut piece).map_err(failed(from))?;
        if read == 0 {
            break;
        }
        if piece.iter().any(|&byte| byte != 0) {
            output.write_all(&piece).map_err(failed(to))?;
            bytes += u64::try_from(read).expect("4096 at most");
        }
    }
    output.flush().map_err(failed(to))?;
    Ok(bytes)
}

fn print(image: &Path, cases: &[Case], taken: &[Taken], count: usize) {
    let line = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    println!(
        "Image: {}; {processors} processors, Linux {}, load {}.",
        image.display(),
        line("/proc/sys/kernel/osrelease"),
        line("/proc/loadavg")
    );
    println!("Medians of {count} rounds (virt-sysprep, virt-sparsify: 1), warm cache.\n");
    println!("| command | seconds | diskscrub / it | peak RSS, MiB |\n|---|---:|---:|---:|");
    for (case, this) in cases.iter().zip(taken) {
        let reference = case.against.as_ref().and_then(|name| {
            cases.iter().position(|case| case.name == *name).and_then(|index| taken[index].median())
        });
        let seconds = this.median().unwrap_or(0.0);
        // Cases of our own are held against the smaller one the other way round.
        let ratio = match reference {
            Some(ours) if case.name.starts_with("diskscrub") => {
                format!("(it is {:.2} of the small one)", seconds / ours)
            }
            Some(ours) => format!("{:.2}", ours / seconds),
            None => String::new(),
        };
        match &this.failed {
            Some(why) => println!("| {} | failed: {why} | | |", case.name),
            None => println!("| {} | {seconds:.2} | {ratio} | {} |", case.name, this.memory),
        }
    }
    println!();
}

/// The image to measure: the argument, or the lab's (`DISKSCRUB_LAB`).
fn find_image(image: Option<&str>) -> Result<PathBuf> {
    let path = match (image, std::env::var_os("DISKSCRUB_LAB")) {
        (Some(image), _) => PathBuf::from(image),
        (None, Some(lab)) => Path::new(&lab).join("base.raw"),
        (None, None) => {
            return Err("name an image, or set DISKSCRUB_LAB to the lab that has base.raw".to_owned());
        }
    };
    path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))
}

/// Builds the command as it is released, unless `DISKSCRUB` names one.
fn build() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("DISKSCRUB") {
        return PathBuf::from(&path).canonicalize().map_err(|error| format!("{}: {error}", path.display()));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--package", "diskscrub"])
        .current_dir(root)
        .status()
        .map_err(|error| format!("cargo: {error}"))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    status.success().then(|| target.join("release/diskscrub")).ok_or_else(|| "the build failed".to_owned())
}

pub(crate) fn has(tool: &str) -> bool {
    shell(&format!("command -v {tool}")).is_ok()
}

/// A command of diskscrub as a script. That it has findings (exit code 1) is no failure: the lab's image has a copy of a
/// secret that no rule can know.
pub(crate) fn finding(command: &str) -> String {
    format!("{command} || [ $? -eq 1 ]")
}

/// Runs a script; what it prints is shown if it fails.
pub(crate) fn shell(script: &str) -> Result<()> {
    let output = Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("sh: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("`{script}` failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
