//! Cleaning in place: the same bytes as the copying mode, whatever happens on the way.

use std::{fs::File, io, sync::Arc};

use block::{BlockRead, Extent, Medium, to_u64, to_usize};
use sanitize::{
    OpaqueVolumes, Request, Silent, View,
    in_place::{Identity, IntentLog, Orders, clean_view, intend},
};
use scan::Selection;

use crate::support::{Lab, clean, has, request, selection};

/// A disk with files that stay, files that go, and what was deleted before.
fn disk() -> Vec<u8> {
    let lab = Lab::new();
    lab.put("etc/ssh/ssh_host_rsa_key", &b"a secret key\n".repeat(700));
    lab.put("root/.bash_history", b"a secret command\n");
    lab.put("etc/hostname", b"builder\n");
    for number in 0..20 {
        lab.put(&format!("srv/kept{number}"), &vec![b'k'; 700 * number]);
        lab.put(&format!("srv/deleted{number}"), &b"a secret that was deleted\n".repeat(200));
    }
    lab.make(&["-b", "1024"]);
    for number in 0..20 {
        lab.debugfs(&format!("rm /srv/deleted{number}"));
    }
    let mut disk = lab.image();
    for at in (12 << 20..disk.len()).step_by(200_000) {
        assert!(block::is_zero(&disk[at..at + 100]));
        disk[at..at + 28].copy_from_slice(b"a secret in a free block. . ");
    }
    // A tail that is no part of the filesystem, and ends in the middle of a sector.
    disk.extend(b"a secret behind the end ".repeat(300));
    disk
}

fn orders(passes: &str, discard: bool) -> Orders {
    Orders { passes: passes.parse().unwrap(), discard, seed: [3; 32] }
}

/// The log of what is to be done to `disk`.
fn log(disk: &[u8], selection: &Selection, orders: &Orders) -> IntentLog {
    let request = Request { opaque: OpaqueVolumes::Zero, ..request(selection) };
    let mut view = View::new(Arc::new(disk.to_vec()));
    let plan = sanitize::plan(&mut view, &request, &Silent).unwrap();
    let cleaned = clean_view(view, &plan, &request, &Silent).unwrap();
    let file = tempfile::tempfile().unwrap();
    let block = orders.discard.then_some(512);
    let (intended, _) =
        intend(&cleaned, &plan, &request, orders, block, file.try_clone().unwrap(), &Silent).unwrap();
    intended.finish(serde_json::Value::Null).unwrap();
    reopened(&file)
}

fn reopened(file: &File) -> IntentLog {
    IntentLog::open(file.try_clone().unwrap()).unwrap()
}

/// What happens to writes that were not flushed when the run dies.
#[derive(Clone, Copy)]
enum Death {
    /// The system still has them.
    Killed,
    /// Each sector may have come through or not, in any order.
    PowerLost,
}

/// A medium that dies at an operation, and never works again.
struct Mortal {
    /// What is on the medium for good.
    stable: Vec<u8>,
    /// What the system would read.
    seen: Vec<u8>,
    unsynced: Vec<Extent>,
    left: usize,
    operations: usize,
    written: u64,
}

impl Mortal {
    fn new(disk: &[u8], left: usize) -> Self {
        let (stable, seen) = (disk.to_vec(), disk.to_vec());
        Self { stable, seen, unsynced: Vec::new(), left, operations: 0, written: 0 }
    }

    fn step(&mut self) -> io::Result<()> {
        self.operations += 1;
        self.left = self.left.checked_sub(1).ok_or_else(|| io::Error::other("dead"))?;
        Ok(())
    }

    /// What the next run finds.
    fn after(self, death: Death) -> Vec<u8> {
        let Death::PowerLost = death else { return self.seen };
        let mut disk = self.stable;
        let mut random = 0x9e37_79b9_7f4a_7c15 ^ to_u64(self.operations);
        for extent in self.unsynced {
            for sector in extent.start / 512..extent.end().div_ceil(512) {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                if random.is_multiple_of(2) {
                    let range = to_usize(sector * 512)..disk.len().min(to_usize(sector * 512 + 512));
                    disk[range.clone()].copy_from_slice(&self.seen[range]);
                }
            }
        }
        disk
    }
}

impl Medium for Mortal {
    fn size(&self) -> u64 {
        to_u64(self.seen.len())
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        BlockRead::read_at(&self.seen, offset, buf)
    }
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let dying = self.step();
        // What was asked for last may be half done.
        let len = if dying.is_ok() { data.len() } else { data.len() / 2 };
        self.seen[to_usize(offset)..to_usize(offset) + len].copy_from_slice(&data[..len]);
        self.unsynced.push(Extent { start: offset, len: to_u64(len) });
        self.written += to_u64(len);
        dying
    }
    fn flush(&mut self) -> io::Result<()> {
        self.step()?;
        self.stable.clone_from(&self.seen);
        self.unsynced.clear();
        Ok(())
    }
    fn discard(&mut self, extent: Extent) -> io::Result<()> {
        self.step()?;
        self.seen[to_usize(extent.start)..to_usize(extent.end())].fill(0);
        self.unsynced.push(extent);
        Ok(())
    }
    fn discard_block(&self) -> Option<u64> {
        Some(512)
    }
}

#[test]
fn the_same_bytes_as_a_copy() {
    let (disk, selection) = (disk(), selection(&[]));
    let request = Request { opaque: OpaqueVolumes::Zero, ..request(&selection) };
    let (copied, report) = clean(disk.clone(), &request).unwrap();
    assert!(has(&disk, b"a secret") && !has(&copied, b"a secret"));
    for orders in [orders("zero", false), orders("random,random,zero", true)] {
        let log = log(&disk, &selection, &orders);
        let mut medium = Mortal::new(&disk, usize::MAX);
        let done = log.carry_out(&mut medium, &Silent).unwrap();
        assert!(medium.seen == copied && medium.stable == copied);
        assert_eq!(log.meta().output, report.output.hex());
        assert_eq!(log.identify(&copied).unwrap(), Identity::Same);
        // Only what differs is written: not more than the bytes that are not zero, in whole blocks.
        let totals = log.meta().totals;
        let differing = disk.chunks(4096).zip(copied.chunks(4096)).filter(|(old, new)| old != new).count();
        assert!(totals.overwritten + totals.changed <= to_u64(differing) * 4096, "{totals:?}");
        let passes = to_u64(orders.passes.iter().len());
        assert_eq!(done.written, totals.overwritten * passes + totals.changed);
        assert_eq!(done.compared, totals.overwritten + totals.changed);
        assert_eq!(medium.written, done.written);
    }
    // Nothing is left to do on a clean disk.
    assert_eq!(log(&copied, &selection, &orders("zero", false)).meta().totals, Default::default());
}

#[test]
fn random_bytes_lie_where_dead_bytes_lay_and_nowhere_else() {
    let (disk, selection) = (disk(), selection(&[]));
    let request = Request { opaque: OpaqueVolumes::Zero, ..request(&selection) };
    let copied = clean(disk.clone(), &request).unwrap().0;
    let log = log(&disk, &selection, &orders("random", false));
    let mut medium = Mortal::new(&disk, usize::MAX);
    log.carry_out(&mut medium, &Silent).unwrap();
    assert!(!has(&medium.seen, b"a secret"));
    let digest = sanitize::Digest::of(&medium.seen).unwrap();
    assert_eq!(digest.hex(), log.meta().output);
    let differing = medium.seen.iter().zip(&copied).filter(|(new, zero)| new != zero).count();
    let overwritten = to_usize(log.meta().totals.overwritten);
    assert!(differing <= overwritten && differing > overwritten / 100 * 98, "{differing} of {overwritten}");
}

/// Dies at every single operation, is resumed, dies there at another one, and is resumed again.
#[test]
fn a_run_that_dies_is_resumed() {
    let (disk, selection) = (disk(), selection(&[]));
    for orders in [orders("zero", true), orders("random,zero", false), orders("random", false)] {
        let log = log(&disk, &selection, &orders);
        let mut whole = Mortal::new(&disk, usize::MAX);
        log.carry_out(&mut whole, &Silent).unwrap();
        assert!(whole.operations > 20, "{}", whole.operations);
        for at in 0..whole.operations {
            for death in [Death::Killed, Death::PowerLost] {
                let mut medium = Mortal::new(&disk, at);
                log.carry_out(&mut medium, &Silent).unwrap_err();
                let found = medium.after(death);
                assert_eq!(log.identify(&found).unwrap(), Identity::Same, "{at}");
                let mut second = Mortal::new(&found, (at * 7 + 3) % whole.operations);
                log.carry_out(&mut second, &Silent).unwrap_err();
                let found = second.after(death);
                assert_eq!(log.identify(&found).unwrap(), Identity::Same, "{at}");
                let mut last = Mortal::new(&found, usize::MAX);
                log.carry_out(&mut last, &Silent).unwrap();
                assert!(last.stable == whole.stable, "{at}");
            }
        }
    }
}

#[test]
fn a_disk_that_something_else_wrote_to_is_not_the_same() {
    let (disk, selection) = (disk(), selection(&[]));
    let log = log(&disk, &selection, &orders("zero", false));
    let mut medium = Mortal::new(&disk, 9);
    log.carry_out(&mut medium, &Silent).unwrap_err();
    let found = medium.after(Death::Killed);
    // The label in the superblock; a byte of a file that stays; a free block that was zero.
    let kept = found.windows(4).rposition(|bytes| bytes == b"kkkk").unwrap();
    for at in [1024 + 0x78, kept, (12 << 20) + 100_000] {
        let mut other = found.clone();
        other[at] ^= 1;
        assert_ne!(log.identify(&other).unwrap(), Identity::Same, "byte {at}");
    }
    assert_eq!(log.identify(&found[..found.len() - 1].to_vec()).unwrap(), Identity::Other);
    assert_eq!(log.identify(&vec![0; found.len()]).unwrap(), Identity::Other);
}
