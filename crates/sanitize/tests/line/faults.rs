//! A disk that cannot be read: every command ends in the right result or in one sentence, whichever read it is.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use block::{BlockRead, Extent, Overlay, Run, to_u64, to_usize};
use filesystem::Result;
use sanitize::{OpaqueVolumes, Request, Silent};
use verify::Survey;

use crate::support::{Lab, Memory, request, run, selection};

/// When a device fails.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Never,
    /// At one call.
    Once(usize),
    /// At that call and all that follow.
    From(usize),
    /// Whenever any of these bytes is read.
    Sector(u64),
}

/// A device in memory with a fault.
struct Faulty {
    bytes: Arc<Vec<u8>>,
    fault: Fault,
    calls: AtomicUsize,
    failed: AtomicUsize,
}

const SECTOR: u64 = 4096;

impl Faulty {
    fn new(bytes: &Arc<Vec<u8>>, fault: Fault) -> Arc<Self> {
        let (bytes, none) = (Arc::clone(bytes), || AtomicUsize::new(0));
        Arc::new(Self { bytes, fault, calls: none(), failed: none() })
    }

    fn call(&self, range: Extent) -> io::Result<()> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let fails = match self.fault {
            Fault::Never => false,
            Fault::Once(at) => call == at,
            Fault::From(at) => call >= at,
            Fault::Sector(start) => !range.intersect(Extent { start, len: SECTOR }).is_empty(),
        };
        if fails {
            self.failed.fetch_add(1, Ordering::Relaxed);
            return Err(io::Error::other("a bad sector"));
        }
        Ok(())
    }
}

impl BlockRead for Faulty {
    fn size(&self) -> u64 {
        self.bytes.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.call(Extent { start: offset, len: to_u64(buf.len()) })?;
        self.bytes.read_at(offset, buf)
    }
    fn run_at(&self, offset: u64) -> io::Result<Run> {
        // Where holes are is asked of other data than what is in them.
        self.call(Extent { start: offset, len: 0 })?;
        self.bytes.run_at(offset)
    }
}

/// A disk with a table, an ext4, a FAT and swap.
fn disk() -> Vec<u8> {
    let lab = Lab::new();
    lab.put("etc/ssh/ssh_host_rsa_key", b"a secret key\n");
    lab.put("srv/kept", &[b'k'; 9000]);
    let at = |name: &str| lab.path(name).to_str().unwrap().to_owned();
    let (tree, ext4, fat, swap, disk) = (at("tree"), at("ext4"), at("fat"), at("swap"), at("disk"));
    run("mke2fs", &["-qF", "-t", "ext4", "-d", &tree, &ext4, "1M"]);
    run("mkfs.fat", &["-C", &fat, "512"]);
    run("mcopy", &["-i", &fat, &format!("{tree}/srv/kept"), "::KEPT"]);
    run("fallocate", &["-l", "256K", &swap]);
    run("mkswap", &["-q", &swap]);
    run("fallocate", &["-l", "3M", &disk]);
    let parts = ["-n1:512:+1M", "-n2:2560:+512K", "-n3:3584:+256K", "-t3:8200"];
    run("sgdisk", &[&["-a", "8"][..], &parts, &[&disk]].concat());
    let mut bytes = std::fs::read(&disk).unwrap();
    for (sector, part) in [(512, &ext4), (2560, &fat), (3584, &swap)] {
        let part = std::fs::read(part).unwrap();
        bytes[sector * 512..sector * 512 + part.len()].copy_from_slice(&part);
    }
    bytes
}

/// A disk with a volume group that has an XFS.
fn volume_group() -> Vec<u8> {
    let lab = Lab::new();
    lab.put("key", b"a secret key\n");
    lab.put("kept", &[b'k'; 70_000]);
    let at = |name: &str| lab.path(name).to_str().unwrap().to_owned();
    let (proto, xfs, disk) = (at("proto"), at("xfs"), at("disk"));
    let tree = format!(
        "/none\n0 0\nd--755 0 0\nroot d--700 0 0\n.bash_history ---600 0 0 {0}/key\n$\n\
         srv d--755 0 0\nkept ---644 0 0 {0}/kept\nlink l--777 0 0 kept\n$\n$\n",
        at("tree")
    );
    std::fs::write(&proto, tree).unwrap();
    run("fallocate", &["-l", "16M", &xfs]);
    // mkfs.xfs makes none that is so small unless it is told that this is a test.
    let small = ["TEST_DIR=1", "TEST_DEV=1", "QA_CHECK_FS=1", "mkfs.xfs"];
    run("env", &[&small[..], &["-q", "-K", "-d", "agcount=1", "-p", &proto, &xfs]].concat());
    run("fallocate", &["-l", "18M", &disk]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/cases/pv.py");
    let lines = "pv 0 18874368\nlv root linear 16 pv0 0\n";
    run("sh", &["-c", &format!("printf '{lines}' | python3 {script} {disk} vg")]);
    let mut bytes = std::fs::read(&disk).unwrap();
    bytes[1 << 20..17 << 20].copy_from_slice(&std::fs::read(&xfs).unwrap());
    bytes
}

/// A command: what it says of a device, or makes of it.
type Work = fn(&Arc<dyn BlockRead>, &Request<'_>) -> Result<String>;

fn inspect(device: &Arc<dyn BlockRead>, _: &Request<'_>) -> Result<String> {
    let inspection = sanitize::inspect(&mut Overlay::new(Arc::clone(device)), None, &Silent)?;
    Ok(serde_json::to_string(&inspection).unwrap())
}

fn plan(device: &Arc<dyn BlockRead>, request: &Request<'_>) -> Result<String> {
    let plan = sanitize::plan(&mut Overlay::new(Arc::clone(device)), request, &Silent)?;
    Ok(serde_json::to_string(&sanitize::DryRun::new(&plan)).unwrap())
}

fn clean(device: &Arc<dyn BlockRead>, request: &Request<'_>) -> Result<String> {
    let output = Arc::new(Mutex::new(vec![0; to_usize(device.size())]));
    let mut view = Overlay::new(Arc::clone(device));
    let plan = sanitize::plan(&mut view, request, &Silent)?;
    let writer = Box::new(Memory(Arc::clone(&output)));
    let report = sanitize::sanitize(&mut view, &plan, writer, request, &Silent)?;
    assert_eq!(sanitize::Digest::of(&*output.lock().unwrap())?.hex(), report.output.hex());
    Ok(serde_json::to_string(&report).unwrap())
}

/// What `verify` asks, and `clean` of its output.
fn judge(device: &Arc<dyn BlockRead>, _: &Request<'_>) -> Result<String> {
    let options = verify::Options { content: true, threads: 1, ..verify::Options::default() };
    let verdict = verify::judge(device, options)?;
    let survey = Survey::of(device, None)?;
    let residue = verify::residue(device, &survey, false)?;
    let examination = verify::conclude(device, &survey, residue, options)?;
    let findings = |findings: &[verify::Finding]| {
        findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    Ok(format!("{}\n{}", findings(&verdict.findings), findings(&examination.findings)))
}

/// Does it, and sees that it is right or says what failed. True: something was asked for that failed.
fn check(work: Work, bytes: &Arc<Vec<u8>>, fault: Fault, good: &str) -> bool {
    let selection = selection(&[]);
    let request = Request { opaque: OpaqueVolumes::Zero, workers: 1, ..request(&selection) };
    let faulty = Faulty::new(bytes, fault);
    let device: Arc<dyn BlockRead> = Arc::<Faulty>::clone(&faulty);
    let outcome = catch_unwind(AssertUnwindSafe(|| work(&device, &request)));
    let failed = faulty.failed.load(Ordering::Relaxed) > 0;
    match outcome.unwrap_or_else(|_| panic!("{fault:?}: a panic")) {
        // A read that failed can be done without: it was asked for ahead, or is made once more.
        Ok(said) => assert!(said == good, "{fault:?}: another result than without it: {said}"),
        Err(error) => {
            assert!(failed, "{fault:?}: {error}");
            assert!(error.to_string().contains("a bad sector"), "{fault:?}: {error}");
        }
    }
    failed
}

#[test]
fn no_read_that_fails_gives_another_result() {
    every_command(disk(), 1);
}

/// The same of a larger disk, of which not every read is tried.
#[test]
fn nor_one_of_a_volume_group_with_xfs() {
    every_command(volume_group(), 5);
}

/// Has each `step`-th read of each command fail, and each sector; of a larger disk, one in 16 times `step`.
#[allow(clippy::print_stdout, reason = "a part of tests")]
fn every_command(bytes: Vec<u8>, step: usize) {
    let bytes = Arc::new(bytes);
    let commands: [(&str, Work); 4] =
        [("inspect", inspect), ("plan", plan), ("clean", clean), ("verify", judge)];
    for (name, work) in commands {
        let selection = selection(&[]);
        let request = Request { opaque: OpaqueVolumes::Zero, workers: 1, ..request(&selection) };
        let whole = Faulty::new(&bytes, Fault::Never);
        let device: Arc<dyn BlockRead> = Arc::<Faulty>::clone(&whole);
        let good = work(&device, &request).unwrap();
        let calls = whole.calls.load(Ordering::Relaxed);
        for call in (0..calls).step_by(step) {
            check(work, &bytes, Fault::Once(call), &good);
            // Of these, there is no end of the tries: a few will do.
            if call % (7 * step) == 0 {
                check(work, &bytes, Fault::From(call), &good);
            }
        }
        // Most of a larger disk is read alike.
        let sectors = (0..bytes.size()).step_by(to_usize(SECTOR) * if step == 1 { 1 } else { 16 * step });
        let bad = sectors.filter(|start| check(work, &bytes, Fault::Sector(*start), &good)).count();
        println!(
            "{name}: {calls} reads, one in {step} failed once; {bad} sectors that are read, bad for good"
        );
        assert!(calls > 50 && bad > if step > 1 { 0 } else { 10 }, "{name}: {calls} {bad}");
    }
}
