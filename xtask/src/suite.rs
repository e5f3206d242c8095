//! The tests of the workspace as jobs: cargo builds them all at once, and their programs run side by side. What needs root,
//! a lab or Debian's packages runs with them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    fuzz,
    jobs::{self, Job, Tally},
    paths,
    run::{Result, at, cargo},
    test::corpora,
    tools,
};

/// Those that take longest begin first, so that none of them is alone at the end. It is only about speed: the table at the
/// end of a run shows what belongs here.
const FIRST: &[&str] = &[
    "filesystem/xfs_edit",
    "filesystem/ext_edit",
    "tests/properties",
    "tests/cases",
    "filesystem/ext_read",
    "tests/faults",
    "tests/corpora",
    "tests/slurm",
    "tests/batch",
    "filesystem/ext_journal",
    "filesystem/xfs_log",
    "filesystem/xfs_read",
    "filesystem/fat",
    "filesystem/history",
    "block/qcow2_read",
    "cli/cli",
    "cli/hostile",
];
/// Beginnings of the names of those whose images lie in memory, if there is enough of it: hundreds of small ones are made,
/// mounted and checked, and every tool waits until each is on the disk. How diskscrub reads and writes files is tested by
/// others, on a disk.
const IN_MEMORY: &[&str] = &[
    "cli/hostile",
    "filesystem/",
    "tests/cases",
    "tests/corpora",
    "tests/disks",
    "tests/properties",
    "verify/",
];
/// Bytes of memory that have to be available for that.
const MEMORY: u64 = 8 << 30;

/// A program that cargo has built.
struct Test {
    /// Directory of the package, and target.
    name: String,
    program: PathBuf,
    package: PathBuf,
}

impl Test {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.package);
        command
    }
}

/// Builds and runs everything.
pub(crate) fn run() -> Result<Tally> {
    // From a worktree, the corpora beside the main one are further away.
    if !corpora().exists() {
        println!("the corpora are not at {}: their tests are not run", corpora().display());
    }
    let mut built = build()?;
    let mut jobs = Vec::new();
    let work = [paths::target().join("lab"), paths::target().join("distributions")];
    let mut broken = Tally::default();
    for job in [lab(&built, &work[0]), distributions(&built, &work[1])] {
        match job {
            Ok(job) => jobs.extend(job),
            // The others say something all the same.
            Err(error) => {
                println!("{error}");
                broken.failed += 1;
            }
        }
    }
    jobs.push(Job::new("build of the fuzz targets", fuzz::build(None)?));
    let memory = Memory::new();
    let place = |test: &Test| FIRST.iter().position(|name| *name == test.name).unwrap_or(FIRST.len());
    built.sort_by_key(place);
    for test in built {
        let mut command = test.command();
        if let Some(memory) = &memory
            && IN_MEMORY.iter().any(|names| test.name.starts_with(names))
        {
            command.env("TMPDIR", &memory.0);
        }
        jobs.push(Job::new(test.name, command));
    }
    jobs.push(Job::new(
        "examples in the documents",
        cargo(["test", "--workspace", "--doc", "--no-fail-fast"]),
    ));
    let mut tally = jobs::run(jobs, &paths::target().join("jobs"))?;
    tally += broken;
    for work in work.iter().filter(|work| work.exists()) {
        fs::remove_dir_all(work).map_err(at(work))?;
    }
    Ok(tally)
}

/// Has cargo build all tests, and say where they are. All of the workspace at once: with other crates asked for, other
/// features of the dependencies are on, and everything that depends on one of these is built again.
fn build() -> Result<Vec<Test>> {
    let mut build = cargo(["test", "--workspace", "--no-run", "--message-format=json-render-diagnostics"]);
    let output = build.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cargo test could not run: {error}"))?;
    if !output.status.success() {
        return Err("the tests do not build".to_owned());
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let mut tests = Vec::new();
    for message in said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let Some(program) = message["executable"].as_str() else { continue };
        if message["profile"]["test"] != true {
            continue;
        }
        let package = Path::new(message["manifest_path"].as_str().unwrap_or_default()).parent();
        let package = package.ok_or("cargo names a program without its package")?;
        let directory = package.file_name().unwrap_or_default().to_string_lossy();
        let target = &message["target"];
        let kind = if target["kind"][0] == "test" { target["name"].as_str() } else { None };
        let name = format!("{directory}/{}", kind.unwrap_or("unit tests"));
        tests.push(Test { name, program: program.into(), package: package.to_owned() });
    }
    Ok(tests)
}

/// A directory in memory, gone with all that is in it when this is dropped.
struct Memory(PathBuf);

impl Memory {
    /// If there is enough of it.
    fn new() -> Option<Self> {
        let shared = Path::new("/dev/shm");
        // Named after the workspace, so that what a killed run left goes with the next.
        let name = paths::root().to_string_lossy().replace('/', "-");
        let memory = Self(shared.join(format!("diskscrub{name}")));
        let _ = fs::remove_dir_all(&memory.0);
        let room = free(shared).min(available());
        if room < MEMORY || fs::create_dir(&memory.0).is_err() {
            println!("{} MiB of memory are available: all images of the tests lie on disk", room >> 20);
            return None;
        }
        Some(memory)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Bytes of memory that are available.
fn available() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0) << 10
}

/// Bytes that a filesystem has room for.
fn free(path: &Path) -> u64 {
    let df = Command::new("df").args(["-B1", "--output=avail"]).arg(path).stdin(Stdio::null()).output();
    let text = df.map(|df| String::from_utf8_lossy(&df.stdout).into_owned()).unwrap_or_default();
    text.lines().last().and_then(|line| line.trim().parse().ok()).unwrap_or(0)
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// One of the built tests, with those of its parts that are ignored by default.
fn ignored(built: &[Test], name: &str) -> Result<Command> {
    let test = built.iter().find(|test| test.name == name).ok_or(format!("{name} is not built"))?;
    let mut command = test.command();
    command.args(["--ignored", "--nocapture"]);
    Ok(command)
}

fn empty(directory: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(directory);
    fs::create_dir_all(directory).map_err(at(directory))
}

/// The guidelines' bullets on trees of distributions' packages: needs root, and Debian's packages.
fn distributions(built: &[Test], work: &Path) -> Result<Option<Job>> {
    if !is_root() && env::var_os("CI").is_none() {
        println!("distributions: trees are made by mmdebstrap: not run without root");
        return Ok(None);
    }
    tools::provide_for_distributions()?;
    empty(work)?;
    let mut tests = ignored(built, "tests/distributions")?;
    tests.arg("--test-threads=1").env("DISKSCRUB_TREES", work);
    Ok(Some(Job::new("distributions", tests)))
}

/// Secrets planted all over a real Debian: needs root, and a lab beside the clone.
fn lab(built: &[Test], work: &Path) -> Result<Option<Job>> {
    let lab = env::var_os("DISKSCRUB_LAB").map_or_else(|| paths::root().join("../shared/lab"), PathBuf::from);
    if !lab.join("mkimage.sh").exists() {
        println!("lab: there is none at {}: not run", lab.display());
        return Ok(None);
    }
    if !is_root() {
        println!("lab: it mounts images: not run without root");
        return Ok(None);
    }
    tools::provide_for_lab()?;
    empty(work)?;
    let mut cleaned = ignored(built, "tests/lab")?;
    cleaned.env("DISKSCRUB_LAB", lab).env("DISKSCRUB_LAB_WORK", work);
    // The same images as they were planted: what `verify` says of each hit is what the lab says.
    let mut classes = ignored(built, "verify/lab")?;
    classes.env("DISKSCRUB_LAB", work);
    Ok(Some(Job { name: "lab".to_owned(), commands: vec![cleaned, classes] }))
}
