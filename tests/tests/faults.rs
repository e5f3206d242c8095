//! Whatever fails, at whatever call: one sentence and no output, or the complete and right one.
//!
//! strace(1) has the system calls of the real binary fail, come short, be interrupted, or end the process, at the first,
//! the second, and so on to the last.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests throughout")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Output,
};

use tests::program::{command, diskscrub, lossy, output, run, workspace};

/// What the directory of a run holds before it.
const BEFORE: [&str; 3] = ["image", "key.pem", "trace"];

/// What says that an output is complete, and so is not there without it.
const BESIDE: [&str; 2] = ["r.json", "out.intoto.jsonl"];

/// Makes the images: `gpt` has an ext4, a FAT and swap, `lvm` a volume group with XFS and ext2, `tiny` little more than
/// a table; and a key to sign with.
fn images() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let script = r#"
        mkdir -p tree/etc tree/root tree/srv/deep/er
        echo root:x:0:0::/root:/bin/sh >tree/etc/passwd
        echo a secret command >tree/root/.bash_history
        head -c 70000 /dev/zero | tr '\0' k >tree/srv/deep/er/kept
        ln -s /etc/passwd tree/srv/link
        mke2fs -qF -t ext4 -d tree ext4 2M
        truncate -s 1M fat && mkfs.fat fat >/dev/null && mcopy -i fat tree/srv/deep/er/kept ::KEPT
        truncate -s 1M swap && mkswap -q swap
        truncate -s 6M gpt
        sgdisk -n 1:2048:+2M -n 2:6144:+1M -n 3:8192:+1M -t 3:8200 gpt >/dev/null
        dd if=ext4 of=gpt bs=1M seek=1 conv=notrunc status=none
        dd if=fat of=gpt bs=1M seek=3 conv=notrunc status=none
        dd if=swap of=gpt bs=1M seek=4 conv=notrunc status=none
        printf 'a secret in free space' | dd of=gpt bs=1 seek=3000000 conv=notrunc status=none
        qemu-img convert -c -O qcow2 gpt gpt.qcow2
        # mkfs.xfs makes none that is so small unless it is told that this is a test.
        export TEST_DIR=1 TEST_DEV=1 QA_CHECK_FS=1
        printf '/none\n0 0\nd--755 0 0\nroot d--700 0 0\n.bash_history ---600 0 0 tree/root/.bash_history\n$\n$\n' >proto
        truncate -s 16M xfs && mkfs.xfs -q -K -d agcount=1 -p proto xfs
        mke2fs -qF -t ext2 -d tree ext2 1M
        truncate -s 20M lvm
        printf 'pv 0 20971520\nlv root linear 16 pv0 0\nlv boot linear 1 pv0 16\n' | python3 "$PV" lvm vg
        dd if=xfs of=lvm bs=1M seek=1 conv=notrunc status=none
        dd if=ext2 of=lvm bs=1M seek=17 conv=notrunc status=none
        rm -r tree/srv
        mke2fs -qF -t ext2 -N 16 -d tree small 128K
        truncate -s 256K tiny
        printf 'label: dos\n1 : start=64, size=256, type=83\n' | sfdisk -q tiny
        dd if=small of=tiny bs=512 seek=64 conv=notrunc status=none
        qemu-img convert -c -O qcow2 -o cluster_size=4096 tiny tiny.qcow2
        openssl genpkey -algorithm ed25519 -out key.pem
    "#;
    let volume_groups = concat!(env!("CARGO_MANIFEST_DIR"), "/cases/pv.py");
    let mut shell = command("sh");
    let made = output(shell.args(["-ec", script]).env("PV", volume_groups).current_dir(dir.path())).unwrap();
    assert!(made.status.success(), "{}", lossy(&made.stderr));
    dir
}

/// A command, and a directory with its image to run it in.
struct Line {
    dir: tempfile::TempDir,
    arguments: Vec<String>,
    /// What it does if nothing fails.
    good: Good,
}

struct Good {
    code: Option<i32>,
    /// The output's bytes, if there is one.
    out: Option<Vec<u8>>,
    /// The same of the report and of the attestation, which are of a fixed time.
    beside: [Option<Vec<u8>>; 2],
    stdout: String,
}

impl Line {
    fn new(image: &Path, arguments: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::copy(image, dir.path().join("image")).unwrap();
        fs::copy(image.with_file_name("key.pem"), dir.path().join("key.pem")).unwrap();
        fs::write(dir.path().join("trace"), "").unwrap();
        let arguments = arguments.split_whitespace().map(str::to_owned).collect();
        let good = Good { code: None, out: None, beside: [None, None], stdout: String::new() };
        let mut line = Self { dir, arguments, good };
        let done = line.run(&[]).0;
        assert!(matches!(done.status.code(), Some(0 | 1)), "{}", lossy(&done.stderr));
        let (out, beside) = (line.out(), line.beside());
        let good = Good { code: done.status.code(), out, beside, stdout: lossy(&done.stdout) };
        line.good = good;
        line.reset();
        line
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn out(&self) -> Option<Vec<u8>> {
        fs::read(self.at("out")).ok()
    }

    fn beside(&self) -> [Option<Vec<u8>>; 2] {
        BESIDE.map(|name| fs::read(self.at(name)).ok())
    }

    fn names(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !BEFORE.contains(&&**name)).collect()
    }

    fn reset(&self) {
        self.names().iter().for_each(|name| fs::remove_file(self.at(name)).unwrap());
    }

    /// Runs it under strace with these injections: what came of it, and how many calls were tampered with.
    fn run(&self, injections: &[String]) -> (Output, usize) {
        let mut strace = command("strace");
        strace.args(["-f", "-qq", "-o", "trace"]);
        for injection in injections {
            let calls = injection.split(':').next().unwrap();
            strace.args(["-e", &format!("trace={calls}"), "-e", &format!("inject={injection}")]);
        }
        if injections.is_empty() {
            strace.args(["-e", "trace=none"]);
        }
        strace.arg(diskscrub()).args(&self.arguments).env("SOURCE_DATE_EPOCH", "1769860800");
        let done = output(strace.current_dir(self.dir.path())).unwrap();
        let trace = fs::read_to_string(self.at("trace")).unwrap();
        // A signal is delivered with the call, which says nothing of it.
        let tampered = trace.matches("(INJECTED)").count() + trace.matches("killed by").count();
        (done, tampered)
    }

    /// Has the n-th of these calls fail, from the first on, in growing steps: every single
    /// read is tested in memory (crates/sanitize/tests/line/faults.rs).
    /// Returns how often it was tried, and the exit codes.
    fn at_every(&self, calls: &str, what: &str) -> (usize, BTreeMap<Option<i32>, usize>) {
        self.at_steps(calls, what, |at| 1 + at / 8)
    }

    fn at_steps(
        &self,
        calls: &str,
        what: &str,
        step: impl Fn(usize) -> usize,
    ) -> (usize, BTreeMap<Option<i32>, usize>) {
        let (mut codes, mut tries, mut at) = (BTreeMap::new(), 0, 1);
        loop {
            let injection = format!("{calls}:{what}:when={at}");
            let (done, tampered) = self.run(std::slice::from_ref(&injection));
            if tampered == 0 && done.status.signal().is_none() {
                self.judge(&done, &injection);
                self.reset();
                return (tries, codes);
            }
            self.judge(&done, &injection);
            self.reset();
            *codes.entry(done.status.code()).or_insert(0) += 1;
            tries += 1;
            at += step(at);
        }
    }

    /// No panic, no signal of our own making, and nothing that looks like a result and is none.
    fn judge(&self, done: &Output, what: &str) {
        let what = format!("{:?}, {what}: {:?} {}", self.arguments, done.status, lossy(&done.stderr));
        if let Some(out) = self.out() {
            assert!(Some(out) == self.good.out, "{what}: another output than without a fault");
        }
        // A report or an attestation is there as a whole, and with what it speaks of, or it is not there.
        for (name, (beside, good)) in BESIDE.iter().zip(self.beside().iter().zip(&self.good.beside)) {
            let whole =
                beside.is_none() || (beside == good && self.out().is_some() == self.good.out.is_some());
            assert!(
                whole || (*name == "r.json" && self.good.out.is_none()),
                "{what}: {name} is another, or too early"
            );
        }
        let names = self.names();
        let temporary = names.iter().filter(|name| name.ends_with(".partial")).count();
        let others = names.iter().filter(|name| **name != "out" && !BESIDE.contains(&&***name));
        assert_eq!(others.count(), temporary, "{what}: {names:?}");
        match done.status.code() {
            // Ended by the signal that was sent. Only between two steps of a replacement is there another name.
            None => assert!(temporary <= 1, "{what}: {names:?}"),
            code if code == self.good.code => {
                assert!(self.out().is_some() == self.good.out.is_some(), "{what}: no output");
                // The findings of a scan have digests by a key of each run, and no order but that of their place.
                let lines = |text: &str| text.lines().count();
                assert_eq!(lines(&lossy(&done.stdout)), lines(&self.good.stdout), "{what}");
                assert_eq!(temporary, 0, "{what}: {names:?}");
            }
            Some(2 | 65 | 74 | 75) => {
                let said = lossy(&done.stderr);
                // The fault can hit the sentence itself.
                let lost = said.is_empty() && what.contains("write");
                assert!(lost || (said.lines().count() == 1 && said.starts_with("diskscrub: ")), "{what}");
                assert_eq!(temporary, 0, "{what}: {names:?}");
                // A report says that all went well, or it is not there; so does an attestation.
                let complete = lossy(&done.stderr).contains("out is complete") || self.out().is_some();
                assert!(complete || names.is_empty(), "{what}: {names:?}");
            }
            // Before the first instruction that is ours.
            Some(127) if what.contains("while loading shared libraries") => {}
            _ => panic!("{what}"),
        }
    }
}

/// Commands that read, and the one that writes.
const COMMANDS: [&str; 6] = [
    "inspect image",
    "plan image --quiet",
    "scan image --quiet --threads 1 --report r.json",
    "verify image --quiet --threads 1 --report r.json",
    "clean image -o out --output-format raw --quiet --threads 2 --report r.json",
    "clean image -o out --output-format qcow2 --compress zstd --quiet --threads 2",
];
const CLEAN: [&str; 2] = [
    "clean image -o out --quiet --threads 2 --report r.json",
    "clean image -o out --output-format qcow2 --compress zstd --quiet --threads 2 --report r.json",
];

/// All that `clean` writes.
const ATTESTED: &str = "clean image -o out --quiet --threads 2 --report r.json --attest key.pem";

fn tell(arguments: &str, fault: &str, done: &(usize, BTreeMap<Option<i32>, usize>)) {
    println!("{arguments}: {fault}: {} times, exit codes {:?}", done.0, done.1);
}

#[test]
fn a_read_that_fails() {
    let images = images();
    for arguments in COMMANDS {
        for image in ["gpt", "gpt.qcow2"] {
            let line = Line::new(&images.path().join(image), arguments);
            let done = line.at_every("pread64,lseek", "error=EIO");
            tell(arguments, "a read fails", &done);
            assert!(done.1.contains_key(&Some(74)), "{:?}", done.1);
        }
    }
}

#[test]
fn a_read_of_a_volume_group_that_fails() {
    let images = images();
    for arguments in [COMMANDS[0], COMMANDS[3], CLEAN[0]] {
        let line = Line::new(&images.path().join("lvm"), arguments);
        let done = line.at_steps("pread64,lseek", "error=EIO", |at| 1 + at / 4);
        tell(arguments, "a read fails", &done);
        assert!(done.1.contains_key(&Some(74)), "{:?}", done.1);
    }
}

/// The demo has a file that gets its new content in a block that was zero, among others that stay what they are.
#[test]
fn a_run_in_place_that_dies_is_finished_by_the_same_command() {
    let dir = tempfile::tempdir().unwrap();
    let demo = workspace().join("testdata/demo/demo.img.zst");
    run("zstd", ["-dq".as_ref(), demo.as_os_str(), "-o".as_ref(), dir.path().join("demo").as_os_str()])
        .unwrap();
    let clean = |tampered: Option<&str>| {
        let mut program = match tampered {
            Some(injection) => {
                let mut strace = command("strace");
                strace
                    .args(["-f", "-qq", "-o", "trace", "-e", "trace=pwrite64", "-e", injection])
                    .arg(diskscrub());
                strace
            }
            None => command(diskscrub()),
        };
        program.args("clean --quiet --in-place image --state state --yes".split(' '));
        output(program.current_dir(dir.path())).unwrap()
    };
    let begin = || {
        let _ = fs::remove_dir_all(dir.path().join("state"));
        fs::create_dir(dir.path().join("state")).unwrap();
        fs::copy(dir.path().join("demo"), dir.path().join("image")).unwrap();
    };
    begin();
    assert_eq!(clean(None).status.code(), Some(0));
    let cleaned = fs::read(dir.path().join("image")).unwrap();
    let mut died = 0;
    for at in (1..100).step_by(6) {
        begin();
        let what = if at % 4 == 1 { "signal=KILL" } else { "error=EIO" };
        died +=
            usize::from(clean(Some(&format!("inject=pwrite64:{what}:when={at}+"))).status.code() != Some(0));
        let finished = clean(None);
        assert_eq!(finished.status.code(), Some(0), "{at}: {}", lossy(&finished.stderr));
        assert!(fs::read(dir.path().join("image")).unwrap() == cleaned, "{at}");
    }
    assert!(died > 10, "{died}");
}

/// Where a medium is bad, and what lies there: enough to look at it with other tools.
#[test]
fn a_read_that_fails_says_where_and_what() {
    let images = images();
    let mut objects = BTreeSet::new();
    for image in ["gpt", "gpt.qcow2", "lvm"] {
        let line = Line::new(&images.path().join(image), "plan image --quiet");
        for at in [1, 2, 3, 4, 5, 7, 10, 14, 20, 28, 40, 56] {
            // From there on: what is asked for ahead is asked for again.
            let (done, _) = line.run(&[format!("pread64:error=EIO:when={at}+")]);
            if done.status.code() != Some(74) {
                continue;
            }
            let said = lossy(&done.stderr);
            let place = said.strip_prefix("diskscrub: image: reading ").and_then(|rest| {
                let (place, error) = rest.split_once("): ")?;
                (error.trim_end() == "Input/output error (os error 5)").then_some(place)
            });
            let place = place.and_then(|place| place.split_once(" ("));
            let (bytes, object) = place.unwrap_or_else(|| panic!("{image} {at}: {said}"));
            let (len, offset) = bytes.split_once(" bytes at ").unwrap();
            assert!(len.parse::<u64>().unwrap() > 0 && offset.parse::<u64>().is_ok(), "{said}");
            objects.insert(object.to_owned());
        }
    }
    println!("{objects:?}");
    assert!(objects.len() > 5, "{objects:?}");
}

/// Not one read, write or name is left out.
#[test]
fn every_call_on_a_tiny_disk() {
    let images = images();
    for image in ["tiny", "tiny.qcow2"] {
        let line = Line::new(&images.path().join(image), ATTESTED);
        for calls in ["pread64", "pwrite64,write,fsync,linkat,renameat,unlinkat"] {
            let done = line.at_steps(calls, "error=EIO", |_| 1);
            tell(ATTESTED, &format!("{image}: {calls}"), &done);
            assert!(done.1.contains_key(&Some(74)), "{:?}", done.1);
        }
    }
}

/// Nobody finds an attestation of what is not there, or not what it was to be.
#[test]
fn an_attested_output() {
    let images = images();
    for (image, arguments) in
        [("gpt", ATTESTED.to_owned()), ("lvm", format!("{ATTESTED} --output-format qcow2 --compress zstd"))]
    {
        let line = Line::new(&images.path().join(image), &arguments);
        assert!(line.good.beside.iter().all(Option::is_some));
        for (calls, what) in [
            ("pwrite64,write,ftruncate,fallocate", "error=ENOSPC"),
            ("fsync,fdatasync", "error=EIO"),
            ("linkat,renameat,renameat2,rename", "error=EDQUOT"),
            ("all", "signal=KILL"),
            ("openat,newfstatat,statx", "error=EACCES"),
        ] {
            let done = line.at_steps(calls, what, |at| 1 + at / 4);
            tell(&arguments, &format!("{image}: {calls}: {what}"), &done);
        }
    }
}

#[test]
fn a_read_that_comes_short_or_is_interrupted() {
    let images = images();
    for arguments in [COMMANDS[3], CLEAN[0]] {
        let line = Line::new(&images.path().join("gpt"), arguments);
        let done = line.at_every("pread64", "retval=0");
        tell(arguments, "a read finds the end", &done);
        assert!(done.1.contains_key(&Some(65)), "{:?}", done.1);
        // A signal that means nothing to us is no reason to stop.
        let done = line.at_every("pread64,pwrite64,fsync,write", "error=EINTR");
        tell(arguments, "a call is interrupted", &done);
        let loader = |code: &Option<i32>| *code == line.good.code || *code == Some(127);
        assert!(done.1.keys().all(loader), "{:?}", done.1);
        let done = line.at_every("statx,newfstatat,fstat,openat", "error=EACCES");
        tell(arguments, "a file is refused", &done);
    }
}

#[test]
fn a_write_that_fails() {
    let images = images();
    for arguments in CLEAN {
        let line = Line::new(&images.path().join("gpt"), arguments);
        for (calls, error) in [
            ("pwrite64,write,ftruncate,fallocate", "ENOSPC"),
            ("pwrite64,write", "EIO"),
            ("fsync,fdatasync", "EIO"),
            ("linkat,renameat,renameat2,rename", "EIO"),
            ("linkat,renameat,renameat2,rename", "EDQUOT"),
        ] {
            let done = line.at_every(calls, &format!("error={error}"));
            tell(arguments, &format!("{calls}: {error}"), &done);
            assert!(done.1.contains_key(&Some(74)), "{:?}", done.1);
        }
    }
}

/// Killed at any call of any thread, and run again: what is left does not get into its way.
#[test]
fn a_process_that_is_killed() {
    let images = images();
    for image in ["gpt", "gpt.qcow2"] {
        for signal in ["KILL", "TERM"] {
            let arguments = CLEAN[usize::from(signal == "TERM")];
            let line = Line::new(&images.path().join(image), arguments);
            let done = line.at_every("all", &format!("signal={signal}"));
            tell(arguments, &format!("SIG{signal}"), &done);
            assert!(done.0 > 10 && done.1.contains_key(&None), "{:?}", done.1);
        }
    }
    let line = Line::new(&images.path().join("gpt"), &format!("{} --force", CLEAN[0]));
    let mut left = 0;
    for at in 1..8 {
        for calls in ["linkat", "renameat", "fsync", "pwrite64"] {
            // Over an older output, which stays whole until it is replaced.
            fs::write(line.at("out"), "the old one").unwrap();
            line.run(&[format!("{calls}:signal=KILL:when={at}")]);
            let out = line.out();
            assert!(out.as_deref() == Some(b"the old one") || out == line.good.out, "{calls} {at}");
            left += line.names().iter().filter(|name| name.ends_with(".partial")).count();
            let (done, _) = line.run(&[]);
            assert!(done.status.code() == line.good.code && line.out() == line.good.out, "{calls} {at}");
            line.reset();
        }
    }
    println!("killed between the two steps of a replacement: {left} complete files by another name");
}

/// A file system with room for a part of the output.
#[test]
fn a_full_disk() {
    if !tests::program::can_mount() {
        println!("not run: mounting needs root");
        return;
    }
    let images = images();
    let mount = tempfile::tempdir().unwrap();
    let at = mount.path().to_str().unwrap();
    for room in ["16k", "64k", "128k", "4m"] {
        tests::program::run("mount", ["-t", "tmpfs", "-o", &format!("size={room}"), "none", at]).unwrap();
        let mut codes = Vec::new();
        for format in ["raw", "qcow2"] {
            let mut clean = command(diskscrub());
            clean.args(["clean", "gpt", "--quiet", "--output-format", format, "-o"]);
            clean.arg(mount.path().join("out")).arg("--report").arg(mount.path().join("r.json"));
            let done = output(clean.current_dir(images.path())).unwrap();
            let names = fs::read_dir(mount.path()).unwrap().count();
            match done.status.code() {
                Some(0) => assert_eq!(names, 2),
                code => {
                    let said = lossy(&done.stderr);
                    assert!(code == Some(74) && said.lines().count() == 1, "{code:?} {said}");
                    assert!(said.contains("No space left on device"), "{said}");
                    assert!(names == 0 || (names == 1 && said.contains("out is complete")), "{said}");
                }
            }
            codes.push(done.status.code());
            for entry in fs::read_dir(mount.path()).unwrap() {
                fs::remove_file(entry.unwrap().path()).unwrap();
            }
        }
        println!("{room}: {codes:?}");
        tests::program::run("umount", [at]).unwrap();
        assert!(room != "16k" || codes == [Some(74); 2]);
        assert!(room != "4m" || codes == [Some(0); 2]);
    }
}
