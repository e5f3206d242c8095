//! The part of `cargo xtask bench` that is about `diskscrub batch`: what N jobs on N processors do, beside one job on one.
//!
//! Every job writes and syncs as `clean` always does, so the disk can be the limit; how fast it writes is measured in the
//! same rounds, and said.

use std::{fs, num::NonZero, path::Path, thread, time::Instant};

use crate::bench::{finding, shell};

type Result<T> = std::result::Result<T, String>;

/// Images on the shelf, for each processor.
const EACH: usize = 2;

/// Runs both in turns, and prints a table.
pub(crate) fn run(clean: &Path, raw: &Path, work: &Path, count: usize) -> Result<()> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let images = processors * EACH;
    let (shelf, out) = (work.join("shelf"), work.join("cleaned"));
    fs::create_dir(&shelf).map_err(|error| format!("{}: {error}", shelf.display()))?;
    for number in 0..images {
        // Other files, not other names of one: each has its own pages in the cache.
        shell(&format!("cp --sparse=always '{}' '{}/{number}.raw'", raw.display(), shelf.display()))?;
    }
    let plan = work.join("plan.jsonl");
    shell(&format!(
        "'{}' batch plan '{}' --out '{}' > '{}'",
        clean.display(),
        shelf.display(),
        out.display(),
        plan.display()
    ))?;
    let batch = |jobs: usize| {
        format!("'{}' batch run --quiet --plan '{}' --jobs {jobs}", clean.display(), plan.display())
    };
    // The same by a tool that only copies: what two processes gain on this machine, whatever they do.
    let copies = |jobs: usize| {
        format!(
            "seq 0 {} | xargs -P {jobs} -I '{{}}' sh -c \
             \"qemu-img convert -O raw '{}/{{}}.raw' '{}.{{}}' && sync '{}.{{}}' && rm '{}.{{}}'\"",
            images - 1,
            shelf.display(),
            out.display(),
            out.display(),
            out.display()
        )
    };
    let written = work.join("written");
    let (mut one, mut all, mut disk, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let (mut one_copied, mut all_copied) = (Vec::new(), Vec::new());
    for round in 0..count {
        eprintln!("round {} of {count}: a shelf of {images} images", round + 1);
        shell(&format!("cat '{}'/* > /dev/null", shelf.display()))?;
        // One processor: its threads are one, too.
        one.push(seconds(&finding(&format!("taskset -c 0 {}", batch(1))))?);
        bytes = allocated(&out)?;
        fs::remove_dir_all(&out).map_err(|error| format!("{}: {error}", out.display()))?;
        all.push(seconds(&finding(&batch(processors)))?);
        fs::remove_dir_all(&out).map_err(|error| format!("{}: {error}", out.display()))?;
        one_copied.push(seconds(&format!("taskset -c 0 sh -c {}", quoted(&copies(1))))?);
        all_copied.push(seconds(&copies(processors))?);
        let mib = (bytes >> 20).max(1);
        let dd =
            format!("dd if=/dev/zero of='{}' bs=1M count={mib} conv=fsync status=none", written.display());
        disk.push(seconds(&dd)?);
        drop(fs::remove_file(&written));
    }
    fs::remove_dir_all(&shelf).map_err(|error| format!("{}: {error}", shelf.display()))?;
    let megabytes = f64::from(u32::try_from(bytes / 1_000_000).unwrap_or(u32::MAX));
    let (one, all, disk) = (median(&mut one), median(&mut all), median(&mut disk));
    let (one_copied, all_copied) = (median(&mut one_copied), median(&mut all_copied));
    println!(
        "A shelf of {images} copies of the image ({megabytes} MB written), synced, median of {count} rounds:\n"
    );
    println!("| command | seconds | MB written per second |\n|---|---:|---:|");
    for (name, taken) in [
        ("diskscrub batch run, one job on one processor".to_owned(), one),
        (format!("diskscrub batch run, {processors} jobs on {processors} processors"), all),
        ("qemu-img convert and sync, one at a time on one processor".to_owned(), one_copied),
        (format!("qemu-img convert and sync, {processors} at a time"), all_copied),
        ("writing as much and sync (dd)".to_owned(), disk),
    ] {
        println!("| {name} | {taken:.2} | {:.0} |", megabytes / taken);
    }
    let aim = 0.8 * f64::from(u32::try_from(processors).unwrap_or(u32::MAX));
    println!(
        "\n{processors} jobs do {:.2} times what one does (aim: {aim:.1}), {processors} of qemu-img {:.2} times. {}\n",
        one / all,
        one_copied / all_copied,
        // What dd needs for nothing but writing, jobs that also read and think cannot undercut.
        if all < disk * 1.25 { "The disk was the limit." } else { "The disk was not the limit." }
    );
    Ok(())
}

/// A script as one word of another.
fn quoted(script: &str) -> String {
    format!("'{}'", script.replace('\'', r"'\''"))
}

fn seconds(script: &str) -> Result<f64> {
    let start = Instant::now();
    shell(script)?;
    Ok(start.elapsed().as_secs_f64())
}

fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Bytes that the files of a directory take on disk.
fn allocated(directory: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let failed = |error| format!("{}: {error}", directory.display());
    let mut bytes = 0;
    for entry in fs::read_dir(directory).map_err(failed)? {
        bytes += entry.and_then(|entry| entry.metadata()).map_err(failed)?.blocks() * 512;
    }
    Ok(bytes)
}
