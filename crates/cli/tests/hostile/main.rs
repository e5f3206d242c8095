//! Images whose maker means harm: whatever they hold, the command ends in time and in little memory, with an
//! answer; and what it accepts, it cleans.
//!
//! The same seed gives the same images. `DISKSCRUB_HOSTILE_ROUNDS` (mutants of each image) and
//! `DISKSCRUB_HOSTILE_SEED` make longer runs; `DISKSCRUB_HOSTILE_KEEP` names a directory for images that fail.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these files are tests throughout")]

mod ext;
mod images;
mod lvm;
mod random;
mod run;
mod spoil;

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use images::{BASES, Base, Kind};
use random::Random;
use run::diskscrub;
use spoil::spoil_image;

/// Clean, not verified, a backing file that is not there, corrupt or unsupported, unreadable. Never a panic (101), nor a signal.
const ANSWERS: [i32; 5] = [0, 1, 2, 65, 74];

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

struct Case<'a> {
    base: Base,
    seed: u64,
    dir: &'a Path,
    good: &'a [u8],
}

impl Case<'_> {
    fn arguments(&self, random: &mut Random) -> Vec<&'static str> {
        let mut arguments = vec!["--force", "--quiet", "--threads", "1"];
        if self.base.name == "top.qcow2" {
            arguments.push("--allow-backing");
        }
        if random.chance(3) {
            arguments
                .extend(["--remove", random.pick(&["/**", "/many", "/many/*-1*", "/home/**", "/deep/**"])]);
        }
        if random.chance(2) {
            arguments.push("--drop-unowned");
        }
        if random.chance(3) {
            arguments.extend(["--policy", random.pick(&["none", "aws"])]);
        }
        arguments.extend(["--opaque", random.pick(&["keep", "zero"])]);
        arguments
    }

    /// What went wrong, and whether the image was accepted.
    fn run(&self) -> Result<bool, String> {
        let mut random = Random::new(self.seed);
        let mut image = self.good.to_vec();
        spoil_image(&mut image, self.base.kind, &mut random);
        let input = self.dir.join("input");
        fs::write(&input, &image).unwrap();
        for output in ["output", "again"] {
            drop(fs::remove_file(self.dir.join(output)));
        }
        let options = self.arguments(&mut random);
        self.command(&["inspect", "input"], &options)?;
        self.command(&["plan", "input"], &options)?;
        self.command(&["verify", "input"], &options)?;
        let code = self.command(&["clean", "input", "-o", "output"], &options)?;
        // With 1, it is there if all that was found is pieces of removed files in others.
        let written = self.dir.join("output").exists();
        if (code == 0 && !written) || (code > 1 && written) {
            return Err(format!("exit code {code}, and the output is there or not"));
        }
        if !written {
            return Ok(false);
        }
        if self.command(&["verify", "output"], &options)? != 0 {
            return Err("verify finds something in the output".to_owned());
        }
        let again = self.command(&["clean", "output", "-o", "again"], &options)?;
        if again > 1 || !self.dir.join("again").exists() {
            return Err(format!("the output is refused: {again}"));
        }
        if fs::read(self.dir.join("output")).unwrap() != fs::read(self.dir.join("again")).unwrap() {
            return Err("a second run changes the output".to_owned());
        }
        self.checkers(&input, options.contains(&"keep"))?;
        Ok(true)
    }

    fn command(&self, command: &[&str], options: &[&str]) -> Result<i32, String> {
        // The others take a part of the options.
        let options: Vec<&str> = match command[0] {
            "clean" => options.to_vec(),
            "verify" => {
                let read = options.iter().skip_while(|option| **option != "--opaque").take(2);
                let policy = options.iter().skip_while(|option| **option != "--policy").take(2);
                let backing = options.iter().filter(|option| **option == "--allow-backing");
                read.chain(policy)
                    .chain(backing)
                    .chain(&["--readers", "content", "--quiet"])
                    .copied()
                    .collect()
            }
            name => {
                let rest = &options[4..];
                let inspected = rest.iter().filter(|option| **option == "--allow-backing");
                if name == "plan" { rest.to_vec() } else { inspected.copied().collect() }
            }
        };
        let arguments: Vec<&OsStr> = command.iter().chain(&options).map(OsStr::new).collect();
        let outcome = diskscrub(self.dir, &arguments);
        let told = |what: &str| format!("{what}: {arguments:?}\n{}", outcome.stderr);
        match outcome.code {
            _ if outcome.hung => Err(told("it hangs")),
            None => Err(told(&format!("signal {:?}", outcome.signal))),
            Some(code) if !ANSWERS.contains(&code) => Err(told(&format!("exit code {code}"))),
            Some(code) if outcome.stderr.contains("panicked") => {
                Err(told(&format!("a panic, and code {code}")))
            }
            Some(code) if code != 0 && outcome.stderr.trim().lines().count() != 1 => {
                Err(told("not one sentence"))
            }
            Some(code) => {
                if outcome.elapsed.as_secs() >= 10 {
                    println!("slow, {:?}: {} {} {arguments:?}", outcome.elapsed, self.base.name, self.seed);
                }
                Ok(code)
            }
        }
    }

    /// Where the format's own checker is silent on the input, it is on the output.
    fn checkers(&self, input: &Path, kept: bool) -> Result<(), String> {
        let script = match self.base.kind {
            Kind::Ext(start) => format!(
                "e2fsck -fn 'input?offset={start}' >/dev/null 2>&1 || exit 0; \
                 e2fsck -fn 'output?offset={start}' 2>&1"
            ),
            // What is not believed to be one of our formats is opaque.
            Kind::Fat | Kind::Table if !kept => return Ok(()),
            Kind::Fat => "fsck.fat -n input >/dev/null 2>&1 || exit 0; fsck.fat -n output".to_owned(),
            // What has lost its magic number is a raw image.
            Kind::Qcow2 => {
                "test \"$(head -c 3 output)\" = QFI || exit 0; qemu-img check -q output".to_owned()
            }
            Kind::Table => {
                "sfdisk -d input >/dev/null 2>&1 || exit 0; sfdisk -d output 2>&1 >/dev/null".to_owned()
            }
            Kind::Swap | Kind::Lvm => return Ok(()),
        };
        let script = format!("export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C; {script}");
        let output =
            Command::new("sh").args(["-c", &script]).current_dir(input.parent().unwrap()).output().unwrap();
        if output.status.success() {
            return Ok(());
        }
        Err(format!(
            "the checker was silent on the input, and says: {}",
            String::from_utf8_lossy(&output.stdout)
        ))
    }
}

/// Keeps an image that failed, if asked to.
fn keep(case: &Case<'_>) -> PathBuf {
    let Some(directory) = std::env::var_os("DISKSCRUB_HOSTILE_KEEP") else {
        return PathBuf::from("not kept");
    };
    let path = Path::new(&directory).join(format!("{}-{}", case.base.name, case.seed));
    fs::copy(case.dir.join("input"), &path).unwrap();
    path
}

#[test]
fn hostile_images_get_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    images::make(dir.path());
    let good: Vec<Vec<u8>> = BASES.iter().map(|base| fs::read(dir.path().join(base.name)).unwrap()).collect();
    let rounds = number("DISKSCRUB_HOSTILE_ROUNDS", 5);
    let seed = u64::try_from(number("DISKSCRUB_HOSTILE_SEED", 1)).unwrap();
    let only = std::env::var("DISKSCRUB_HOSTILE_ONLY").ok();
    let next = AtomicUsize::new(0);
    let (failures, counts) = (Mutex::new(Vec::new()), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for worker in 0..2 {
            let dir = dir.path().join(format!("worker{worker}"));
            fs::create_dir(&dir).unwrap();
            std::os::unix::fs::symlink("../ext2", dir.join("ext2")).unwrap();
            let (next, failures, counts, good, only) = (&next, &failures, &counts, &good, &only);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= rounds * BASES.len() {
                        break;
                    }
                    let (round, base) = (index / BASES.len(), index % BASES.len());
                    if only.as_ref().is_some_and(|only| only != BASES[base].name) {
                        continue;
                    }
                    let seed =
                        seed * 1_000_000 + u64::try_from(round).unwrap() * 100 + u64::try_from(base).unwrap();
                    let case = Case { base: BASES[base], seed, dir: &dir, good: &good[base] };
                    let outcome = case.run();
                    let mut counts = counts.lock().unwrap();
                    let count: &mut (u32, u32) = counts.entry((BASES[base].name, base)).or_default();
                    count.0 += 1;
                    count.1 += u32::from(outcome == Ok(true));
                    if let Err(failure) = outcome {
                        let failure =
                            format!("{} {seed} ({}): {failure}", case.base.name, keep(&case).display());
                        println!("{failure}");
                        failures.lock().unwrap().push(failure);
                    }
                }
            });
        }
    });
    for ((name, _), (run, accepted)) in counts.into_inner().unwrap() {
        println!("{name}: {run} images, {accepted} of them accepted");
    }
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
