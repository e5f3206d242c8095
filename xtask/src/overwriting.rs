//! What overwriting costs in place, beside `dd if=/dev/zero` over the same bytes, on the same file, with the same flush.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Instant,
};

use block::{RawImage, Target};
use sanitize::{
    OpaqueVolumes, Progress, Request, Silent, Stage, View,
    in_place::{IntentLog, Orders, clean_view, intend},
};
use scan::{Overrides, Policy, Selection};

type Result<T> = std::result::Result<T, String>;

/// Size of the disk, and where its dead bytes start, in MiB.
const DISK: u64 = 1280;
const START: u64 = 64;
/// Dead bytes that are not zero, in MiB: all there is room for, and few.
const DEAD: [u64; 2] = [1024, 64];

/// When each stage began.
#[derive(Default)]
struct Stages(Mutex<Vec<(Stage, Instant)>>);

impl Progress for Stages {
    fn stage(&self, stage: Stage, _: Option<u64>) {
        self.0.lock().expect("no stage panics").push((stage, Instant::now()));
    }
    fn at(&self, _: u64) {}
}

/// Prints a table: the medians of so many rounds.
pub(crate) fn run(clean: &Path, work: &Path, rounds: usize) -> Result<()> {
    let disk = work.join("dead.raw");
    println!("Overwriting in place, a disk of {DISK} MiB; seconds, medians of {rounds} rounds in turns:\n");
    println!(
        "| dead bytes | dd, fdatasync | writing and flushing | / dd | read back, too | the whole command |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    for dead in DEAD {
        let mut taken = [const { Vec::new() }; 5];
        for _ in 0..rounds {
            prepare(&disk, dead)?;
            let dd = timed(&format!(
                "dd if=/dev/zero of='{}' bs=1M seek={START} count={dead} conv=notrunc,fdatasync status=none",
                disk.display()
            ))?;
            prepare(&disk, dead)?;
            let (writing, all) = carry_out(&disk)?;
            prepare(&disk, dead)?;
            let whole = timed(&format!(
                "'{}' clean --in-place --yes --quiet '{}' > /dev/null",
                clean.display(),
                disk.display()
            ))?;
            for (times, time) in taken.iter_mut().zip([dd, writing, writing / dd, all, whole]) {
                times.push(time);
            }
        }
        let [dd, writing, ratio, all, whole] = taken.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        });
        println!("| {dead} MiB | {dd:.2} | {writing:.2} | {ratio:.2} | {all:.2} | {whole:.2} |");
    }
    println!();
    fs::remove_file(&disk).map_err(|error| format!("{}: {error}", disk.display()))
}

/// A disk with a small partition, and bytes of a deleted one behind it.
fn prepare(disk: &Path, dead: u64) -> Result<()> {
    let disk = disk.display();
    timed(&format!(
        "rm -f '{disk}' && truncate -s {DISK}M '{disk}' && sgdisk -n 1:2048:+8M '{disk}' > /dev/null &&
         mke2fs -qF -E offset=1048576 '{disk}' 8M &&
         openssl enc -aes-128-ctr -pass pass:x -nosalt -pbkdf2 -iter 1 -in /dev/zero 2> /dev/null |
         dd of='{disk}' bs=1M seek={START} count={dead} iflag=fullblock conv=notrunc status=none && sync '{disk}'"
    ))?;
    Ok(())
}

/// Seconds of writing and flushing, and those with the reading back.
fn carry_out(disk: &Path) -> Result<(f64, f64)> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", disk.display());
    let policy = Policy::built_in("default").map_err(|error| failed(&error))?;
    let selection = Selection::new(&policy, &Overrides::default()).map_err(|error| failed(&error))?;
    let request = Request {
        selection: &selection,
        create: &[],
        opaque: OpaqueVolumes::Refuse,
        drop_unowned: false,
        sector_size: None,
        list_files: false,
        workers: 2,
    };
    let target = Target::open(disk).map_err(|error| failed(&error))?;
    let image = RawImage::open(disk).map_err(|error| failed(&error))?;
    let mut view = View::new(Arc::new(image));
    let plan = sanitize::plan(&mut view, &request, &Silent).map_err(|error| failed(&error))?;
    let cleaned = clean_view(view, &plan, &request, &Silent).map_err(|error| failed(&error))?;
    let log = disk.with_extension("log");
    let file = fs::File::create_new(&log).map_err(|error| failed(&error))?;
    let orders = Orders::new("zero".parse()?, false).map_err(|error| failed(&error))?;
    let (intended, _) =
        intend(&cleaned, &plan, &request, &orders, None, file, &Silent).map_err(|error| failed(&error))?;
    intended.finish(serde_json::Value::Null).map_err(|error| failed(&error))?;
    let file = fs::File::open(&log).map_err(|error| failed(&error))?;
    fs::remove_file(&log).map_err(|error| failed(&error))?;
    let log = IntentLog::open(file).map_err(|error| failed(&error))?;
    let mut medium = target.medium().map_err(|error| failed(&error))?;
    let stages = Stages::default();
    log.carry_out(&mut medium, &stages).map_err(|error| failed(&error))?;
    let end = Instant::now();
    let stages = stages.0.into_inner().expect("no stage panics");
    let begun = |wanted: Stage| stages.iter().find(|(stage, _)| *stage == wanted).map_or(end, |(_, at)| *at);
    let start = begun(Stage::Overwrite);
    Ok(((begun(Stage::ReadBack) - start).as_secs_f64(), (end - start).as_secs_f64()))
}

/// How long a script takes, in seconds.
fn timed(script: &str) -> Result<f64> {
    let start = Instant::now();
    let output = Command::new("sh")
        .args(["-c", &format!("export PATH=$PATH:/usr/sbin:/sbin; {script}")])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("sh: {error}"))?;
    match output.status.success() {
        true => Ok(start.elapsed().as_secs_f64()),
        false => Err(format!("`{script}` failed: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}
