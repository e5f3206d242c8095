//! The part of `cargo xtask bench` that is about the number of files: an XFS of 10^4, 10^5 and 10^6 files, cleaned.
//!
//! Made by the kernel, so it needs root. One file in a hundred is in one directory of which all has to go; time and memory
//! for each file should not grow with the number of files.

use std::{fs, path::Path, process::Command, time::Instant};

use crate::bench::shell;

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

/// Runs each once, and prints a table.
pub(crate) fn run(clean: &Path, work: &Path) -> Result<()> {
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if !root {
        println!("Not run: XFS with many files (its images are mounted, which needs root).");
        return Ok(());
    }
    println!("An XFS with many files, of which one in a hundred is removed, from one directory:\n");
    println!("| files | seconds | microseconds a file | peak RSS, MiB |\n|---:|---:|---:|---:|");
    for files in FILES {
        eprintln!("an XFS of {files} files");
        let (image, out) = (work.join("many.xfs"), work.join("many.out"));
        make(&image, work, files)?;
        let usage = work.join("usage");
        let script = format!(
            "/usr/bin/time -f %M -o '{}' '{}' clean --quiet --taint off '{}' -o '{}' > /dev/null",
            usage.display(),
            clean.display(),
            image.display(),
            out.display()
        );
        let start = Instant::now();
        shell(&script)?;
        let seconds = start.elapsed().as_secs_f64();
        let used = fs::read_to_string(&usage).unwrap_or_default();
        let kib: u64 = used.trim().parse().unwrap_or(0);
        println!("| {files} | {seconds:.2} | {:.1} | {} |", seconds * 1e6 / f64::from(files), kib / 1024);
        for file in [image, out] {
            fs::remove_file(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        }
    }
    println!();
    Ok(())
}

/// Room for the files: 2 KiB each, and what a filesystem has at least.
fn make(image: &Path, work: &Path, files: u32) -> Result<()> {
    let (mount, script) = (work.join("many"), work.join("fill.py"));
    fs::write(&script, FILL).map_err(|error| format!("{}: {error}", script.display()))?;
    shell(&format!(
        "truncate -s {}M '{image}' && mkfs.xfs -q '{image}' && mkdir '{mount}' && mount -o loop '{image}' '{mount}' && \
         {{ python3 '{}' '{mount}' {files}; made=$?; umount '{mount}' && rmdir '{mount}' && exit $made; }}",
        512 + files / 512,
        script.display(),
        image = image.display(),
        mount = mount.display()
    ))
}
