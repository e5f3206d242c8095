//! The part of `cargo xtask bench` that is about the number of files: XFS and ext4 of 10^4, 10^5 and 10^6 files, cleaned.
//!
//! Made by the kernel, so it needs root. One file in a hundred is in one directory of which all has to go; time and memory
//! for each file should not grow with the number of files.

use std::{fs, path::Path, process::Command, time::Instant};

use crate::bench::{has, shell};

type Result<T> = std::result::Result<T, String>;

/// How many files.
const FILES: [u32; 3] = [10_000, 100_000, 1_000_000];

/// Makes the files: a thousand a directory, one in sixteen with content; and those that go, all in one directory.
const FILL: &str = r#"
import os, sys
top, count = sys.argv[1], int(sys.argv[2])
def make(path, number):
    with open(path, "w") as file:
        if number % 16 == 0:
            file.write("content %d\n" % number)
os.makedirs(top + "/etc"); os.makedirs(top + "/tmp")
open(top + "/etc/os-release", "w").write("ID=debian\n")
open(top + "/etc/passwd", "w").write("root:x:0:0:root:/root:/bin/sh\n")
for number in range(count):
    if number % 1000 == 0:
        directory = "%s/srv/%d" % (top, number // 1000)
        os.makedirs(directory)
    make("%s/file-with-a-name-%d" % (directory, number), number)
for number in range(count // 100):
    make("%s/tmp/session-with-a-name-%d" % (top, number), number)
"#;

/// A filesystem, and what is held against cleaning it.
struct Kind {
    name: &'static str,
    /// Makes it on `$IMAGE`, with room for `$FILES` files.
    make: &'static str,
    /// What reads all of its metadata, and nothing else.
    checker: &'static str,
}

const KINDS: [Kind; 2] = [
    Kind { name: "XFS", make: "mkfs.xfs -q \"$IMAGE\"", checker: "xfs_repair -n" },
    Kind {
        name: "ext4",
        make: "mke2fs -q -t ext4 -N $((FILES * 11 / 10)) \"$IMAGE\"",
        checker: "e2fsck -fn",
    },
];

/// Runs each once, and prints tables.
pub(crate) fn run(clean: &Path, work: &Path) -> Result<()> {
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if !root {
        println!("Not run: filesystems with many files (they are mounted, which needs root).");
        return Ok(());
    }
    for kind in KINDS {
        println!(
            "{} with many files, of which one in a hundred is removed, from one directory:\n",
            kind.name
        );
        println!(
            "| files | clean, s | microseconds a file | peak RSS, MiB | qemu-img convert and sync, s | {}, s | zerofree, s |",
            kind.checker
        );
        println!("|---:|---:|---:|---:|---:|---:|---:|");
        for files in FILES {
            eprintln!("{} of {files} files", kind.name);
            row(clean, work, &kind, files)?;
        }
        println!();
    }
    Ok(())
}

fn row(clean: &Path, work: &Path, kind: &Kind, files: u32) -> Result<()> {
    let (image, out, usage) = (work.join("many"), work.join("many.out"), work.join("usage"));
    make(&image, work, kind, files)?;
    let timed = |script: &str| -> Result<f64> {
        let start = Instant::now();
        let environment = format!("IMAGE='{}' OUT='{}'", image.display(), out.display());
        shell(&format!("{environment}; {script}"))?;
        Ok(start.elapsed().as_secs_f64())
    };
    let copied = timed("qemu-img convert -O raw \"$IMAGE\" \"$OUT\" && sync \"$OUT\"")?;
    // The copy has what it overwrites. It knows ext alone.
    let freed = match kind.name == "ext4" && has("zerofree") {
        true => format!("{:.2}", timed("zerofree \"$OUT\" && sync \"$OUT\"")?),
        false => String::new(),
    };
    fs::remove_file(&out).map_err(|error| format!("{}: {error}", out.display()))?;
    let checked = timed(&format!("{} \"$IMAGE\" > /dev/null 2>&1", kind.checker))?;
    let seconds = timed(&format!(
        "/usr/bin/time -f %M -o '{}' '{}' clean --quiet --taint off \"$IMAGE\" -o \"$OUT\" > /dev/null",
        usage.display(),
        clean.display(),
    ))?;
    let used = fs::read_to_string(&usage).unwrap_or_default();
    let kib: u64 = used.trim().parse().unwrap_or(0);
    println!(
        "| {files} | {seconds:.2} | {:.1} | {} | {copied:.2} | {checked:.2} | {freed} |",
        seconds * 1e6 / f64::from(files),
        kib / 1024
    );
    for file in [image, out] {
        fs::remove_file(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}

/// Room for the files: what their inodes and one block of content in sixteen take, and what a filesystem has at least.
fn make(image: &Path, work: &Path, kind: &Kind, files: u32) -> Result<()> {
    let (mount, script) = (work.join("many.mount"), work.join("fill.py"));
    fs::write(&script, FILL).map_err(|error| format!("{}: {error}", script.display()))?;
    shell(&format!(
        "IMAGE='{image}' FILES={files}; truncate -s {}M '{image}' && {} && mkdir '{mount}' && mount -o loop '{image}' '{mount}' && \
         {{ python3 '{}' '{mount}' {files}; made=$?; umount '{mount}' && rmdir '{mount}' && exit $made; }}",
        512 + files / 512,
        kind.make,
        script.display(),
        image = image.display(),
        mount = mount.display()
    ))
}
