//! One byte of live metadata is changed, its checksum redone, and everything is edited: an error or a success, never a
//! panic, and never without an end.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
};

use block::{BlockRead, BlockWrite, Overlay};
use filesystem::{
    Change, Claim, Filesystem, FilesystemMut, NewEntry, NewKind, Owner, Result, Target, xfs::Xfs,
};

use crate::images::{Disk, Lab};

/// A xorshift generator: the same mutations in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// Redoes the checksum of the structure around `at`, as far as its magic tells which that is.
fn reseal(view: &mut Overlay<&Disk>, at: u64) {
    let kinds: [(u64, usize, &[&[u8]], usize); 6] = [
        (512, 0, &[b"IN"], 100),
        (512, 0, &[b"XAGF"], 216),
        (512, 0, &[b"XAGI"], 312),
        (4096, 0, &[b"AB3B", b"AB3C", b"IAB3", b"FIB3", b"RMB3", b"R3FC"], 52),
        (4096, 0, &[b"XDB3", b"XDD3", b"XDF3"], 4),
        (4096, 8, &[&[0x3d, 0xf1], &[0x3d, 0xff], &[0x3e, 0xbe], &[0x3b, 0xee]], 12),
    ];
    for (len, magic_at, magics, crc_at) in kinds {
        let start = at / len * len;
        let mut raw = vec![0; usize::try_from(len).unwrap()];
        view.read_at(start, &mut raw).unwrap();
        if magics.iter().any(|magic| raw[magic_at..].starts_with(magic)) {
            raw[crc_at..crc_at + 4].fill(0);
            let crc = crc32c(&raw);
            raw[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
            view.write_at(start, &raw).unwrap();
        }
    }
}

/// CRC-32C bit by bit, so that the tests do not lean on the code's own.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        (0..8).fold(crc ^ u32::from(*byte), step)
    })
}

/// Everything that can be done, as far as it goes.
fn edit_all(view: &mut Overlay<&Disk>) -> Result<()> {
    let mut xfs = Xfs::open(view)?;
    xfs.recover()?;
    let root = xfs.root().unwrap();
    let mut targets = Vec::new();
    xfs.entries(root, &mut |entry| {
        targets.push(Target { parent: root, name: entry.name, inode: entry.inode });
        Ok(())
    })?;
    let attributes = vec![(b"security.selinux".to_vec(), b"label".to_vec())];
    let new = NewEntry { kind: NewKind::File(vec![1; 5000]), mode: 0, uid: 0, gid: 0, time: 0, attributes };
    let created = xfs.create(root, b"new", &new);
    for (at, target) in targets.iter().enumerate() {
        let change = match at % 3 {
            0 => Change::Overwrite(vec![7; 9000]),
            1 => Change::Truncate,
            _ => Change::Remove,
        };
        // What one edit refuses, the next may do; but after an error that `supports` did not foresee all ends.
        for change in [change, Change::Remove] {
            if xfs.supports(target, &change).is_ok() {
                xfs.change(target, &change)?;
            }
        }
    }
    xfs.scrub()?;
    created.map(drop)
}

fn mutate(options: &str, rounds: u64) {
    let lab = Lab::new();
    let mut prototype = "/\n0 0\nd--755 0 0\n".to_owned();
    for (directory, count) in [("few", 3), ("block", 50), ("leaf", 200), ("node", 900)] {
        prototype += &format!("{directory} d--755 0 0\n");
        for at in 0..count {
            prototype += &format!("name-{at}-{} ---644 0 0 source\n", "y".repeat(at % 30));
        }
        prototype += "$\n";
    }
    prototype += "link l--777 0 0 /a/target\nfile ---600 0 0 source\nother ---600 0 0 source\n$\n";
    fs::write(lab.path("prototype"), prototype).unwrap();
    fs::write(lab.path("source"), "text ".repeat(1500)).unwrap();
    lab.run(&format!("truncate -s 400M image; mkfs.xfs -q {options} -p prototype image 2>/dev/null"));
    let disk = Disk::open(&lab.path("image"));
    let mut metadata = Vec::new();
    Xfs::open(&disk)
        .unwrap()
        .claims(&mut |extent, claim| {
            if matches!(claim, Claim::Live(Owner::Metadata | Owner::Mapping(_))) {
                metadata.push(extent);
            }
            Ok(())
        })
        .unwrap();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut done = 0;
    for round in 0..rounds {
        let extent = metadata[usize::try_from(random.below(metadata.len().try_into().unwrap())).unwrap()];
        // The start of a structure has what steers its reader.
        let reach = if round % 2 == 0 { extent.len.min(256) } else { extent.len };
        let at = extent.start + random.below(reach);
        let value = u8::try_from(random.below(256)).unwrap();
        let mut view = Overlay::new(&disk);
        view.write_at(at, &[value]).unwrap();
        reseal(&mut view, at);
        let result = catch_unwind(AssertUnwindSafe(|| edit_all(&mut view)));
        let result = result.unwrap_or_else(|_| panic!("{options}: byte {at} set to {value}"));
        done += u64::from(result.is_ok());
    }
    println!("{options}: {done} of {rounds} mutations did no harm");
}

#[test]
fn no_mutation_makes_an_edit_panic() {
    mutate("-m crc=0,finobt=0", 120);
    mutate("-m rmapbt=1,reflink=1", 200);
}
