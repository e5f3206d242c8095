//! The journal's blocks, against debugfs and the Sleuth Kit, which read them on their own.

use std::{collections::BTreeMap, fs};

use filesystem::LogBlock;

use super::{Told, kernel::mounted};
use crate::tools::{Image, sh};

/// Enough transactions to go round a journal of 1024 blocks, twice mounted.
const WORK: &str = "for i in $(seq 90); do
        mkdir d$i; for j in 1 2 3; do echo $i > d$i/f$j; done; test $((i % 7)) != 0 || rm -r d$i; commit; done";

/// The block of the volume of each block of the journal.
fn journal_blocks(image: &Image) -> Vec<u64> {
    sh("debugfs -R 'blocks <8>' image 2>/dev/null > blocks", image.dir());
    let text = fs::read_to_string(image.dir().join("blocks")).unwrap();
    text.split_whitespace().map(|number| number.parse().unwrap()).collect()
}

/// What debugfs says of the old log: journal block, and the block it is a copy of with its transaction.
fn logdump(image: &Image) -> BTreeMap<usize, (u64, u32)> {
    sh("debugfs -R 'logdump -aO' image > dump 2>/dev/null", image.dir());
    let mut found = BTreeMap::new();
    // It writes the bytes of some blocks, too.
    let dump = fs::read(image.dir().join("dump")).unwrap();
    let mut transaction = 0;
    for line in String::from_utf8_lossy(&dump).lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            // Found expected sequence 2, type 1 (descriptor block) at block 1
            ["Found", "expected", "sequence", sequence, "type", "1", ..] => {
                transaction = sequence.trim_end_matches(',').parse().unwrap();
            }
            // FS block 197 logged at journal block 2 (flags 0x0)
            ["FS", "block", block, "logged", "at", "journal", "block", at, ..] => {
                found.insert(at.parse().unwrap(), (block.parse().unwrap(), transaction));
            }
            _ => {}
        }
    }
    found
}

#[test]
fn copies_are_those_that_debugfs_sees() {
    for (make, least) in [
        ("-b 4096 -J size=4 image 24M", 300),
        ("-b 1024 -J size=4 image 24M", 300),
        ("-b 1024 -O ^64bit -J size=4 image 24M", 300),
        ("-b 1024 -O ^metadata_csum,^64bit -J size=4 image 24M", 300),
        ("-b 1024 -O ^metadata_csum,64bit -J size=4 image 24M", 300),
    ] {
        let Some(image) = mounted(make, "", WORK) else { return };
        let told = Told::of(image.read());
        let blocks = journal_blocks(&image);
        let size = told.copies[0].at.len;
        let expected = logdump(&image);
        assert!(expected.len() >= least, "{make}: debugfs sees {} copies", expected.len());
        for (at, what) in &expected {
            let copy = told.copies.iter().find(|copy| copy.at.start == blocks[*at] * size);
            // What debugfs lists behind a part that was overwritten is its guess.
            let own = told.log.get(&(blocks[*at] * size));
            let found = copy.map(|copy| (copy.block, copy.sequence));
            assert!(
                found == Some(*what) || own.is_some(),
                "{make}: journal block {at}: {found:?}, not {what:?}"
            );
        }
        assert!(told.log.values().any(|kind| *kind == LogBlock::Commit), "{make}");
        assert_eq!(told.log.get(&(blocks[0] * size)), Some(&LogBlock::Superblock), "{make}");
    }
}

/// The Sleuth Kit lists every block of the journal, with what it takes it for; it does not know checksums in tags.
#[test]
fn every_block_is_what_the_sleuth_kit_says() {
    let make = "-b 1024 -O ^metadata_csum,^64bit -J size=1 image 24M";
    let Some(image) = mounted(make, "", WORK) else { return };
    sh(
        "command -v jls >/dev/null || { echo 'jls is missing: install sleuthkit'; exit 1; }; jls image > list",
        image.dir(),
    );
    let told = Told::of(image.read());
    let blocks = journal_blocks(&image);
    let (mut copies, mut own) = (0, 0);
    for line in fs::read_to_string(image.dir().join("list")).unwrap().lines() {
        let Some((at, what)) = line.split_once(':') else { continue };
        let Some(start) = at.trim().parse::<usize>().ok().and_then(|at| blocks.get(at)).map(|at| at * 1024)
        else {
            continue;
        };
        let kind = told.log.get(&start);
        match what.trim() {
            what if what.contains("FS Block") => {
                // "Unknown", of what it finds no descriptor for.
                let Some(block) = what.rsplit(' ').next().and_then(|block| block.parse::<u64>().ok()) else {
                    continue;
                };
                let copy = told.copies.iter().find(|copy| copy.at.start == start);
                if block != 0 && kind.is_none() {
                    assert_eq!(copy.map(|copy| copy.block), Some(block), "{line}");
                    copies += 1;
                }
            }
            what if what.contains("Descriptor") => assert_eq!(kind, Some(&LogBlock::Descriptor), "{line}"),
            what if what.contains("Commit") => {
                assert_eq!(kind, Some(&LogBlock::Commit), "{line}");
                own += 1;
            }
            what if what.contains("Revoke") => assert_eq!(kind, Some(&LogBlock::Revoke), "{line}"),
            _ => {}
        }
    }
    assert!(copies > 300 && own > 40, "{copies} copies, {own} commits");
}

/// Names and inodes of fast commits lie in an area of their own, also when the journal is closed.
#[test]
fn the_area_of_fast_commits() {
    let work = "python3 -c \"
import os
for i in range(30):
    f = os.open('FASTNAME-%d' % i, os.O_RDWR | os.O_CREAT); os.write(f, b'x'); os.fsync(f); os.close(f)
\"";
    let Some(image) = mounted("-b 4096 -O fast_commit -J size=8 image 48M", "", work) else { return };
    let bytes = image.read();
    let told = Told::of(bytes.clone());
    let area: Vec<_> = told.log.iter().filter(|(_, kind)| **kind == LogBlock::FastCommit).collect();
    let start = usize::try_from(*area[0].0).unwrap();
    let names = super::places(&bytes, "FASTNAME-").into_iter().filter(|place| *place >= start).count();
    assert!(names >= 10, "{names} names behind {start}");
}
