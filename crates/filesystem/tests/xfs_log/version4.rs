//! Version 4 with a log that has to be replayed, quotas among it.
//!
//! Kernels are built without version 4 and without quotas by now, this project's among them, so nothing here could be
//! written by one: mkfs.xfs and xfs_db make the filesystem, the transaction is put into its log by hand, and
//! xfs_logprint says whether that is a log. xfs_repair judges what came of it.

use std::fs;

use block::to_u64;
use filesystem::{
    Claim, Filesystem, FilesystemMut, Owner,
    xfs::{Recovered, Xfs},
};

use crate::tools::{Disk, Images};

const BB: usize = 512;
/// Bytes of a dquot on disk, and those of them that are logged.
const DQUOT: usize = 136;
const LOGGED_DQUOT: usize = 104;

/// A dquot of a user, as the disk and the log have it: so many blocks are in use.
fn dquot(id: u32, blocks: u64) -> Vec<u8> {
    let mut raw = vec![0; DQUOT];
    raw[..4].copy_from_slice(&[b'D', b'Q', 1, 1]);
    raw[4..8].copy_from_slice(&id.to_be_bytes());
    raw[40..48].copy_from_slice(&blocks.to_be_bytes());
    raw
}

/// The head of an item, from its type and number of regions on: 16-bit and longer fields one after the other.
fn head(kind: u16, regions: u16, rest: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &regions.to_le_bytes(), rest].concat()
}

/// Regions of an item that sets the first bytes of a buffer of `len` sectors at sector `block`.
fn buffer(block: u64, len: u16, kind: u16, bytes: &[u8]) -> Vec<Vec<u8>> {
    let chunks = u32::try_from(bytes.len() / 128).unwrap();
    let map = if chunks == 32 { u32::MAX } else { (1 << chunks) - 1 };
    let rest = [
        &(kind << 11).to_le_bytes()[..],
        &len.to_le_bytes(),
        &block.to_le_bytes(),
        &1u32.to_le_bytes(),
        &map.to_le_bytes(),
    ];
    vec![head(0x123c, 2, &rest.concat()), bytes.to_vec()]
}

/// Regions of an item that sets one dquot of a buffer.
fn quota(block: u64, len: u32, index: usize, dquot: &[u8]) -> Vec<Vec<u8>> {
    let offset = u32::try_from(index * DQUOT).unwrap();
    let id = &dquot[4..8];
    let id = u32::from_be_bytes(id.try_into().unwrap()).to_le_bytes();
    let rest = [&id[..], &block.to_le_bytes(), &len.to_le_bytes(), &offset.to_le_bytes()];
    vec![head(0x123d, 2, &rest.concat()), dquot[..LOGGED_DQUOT].to_vec()]
}

/// A record at block 2 of a log, behind the unmount that mkfs.xfs wrote.
fn record(uuid: &[u8], regions: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::new();
    let header = [&0x5452_414Eu32.to_le_bytes()[..], &[0; 12]].concat();
    let mut operations = vec![(1u8, Vec::new()), (0, header)];
    operations.extend(regions.iter().map(|region| (0, region.clone())));
    operations.push((2, Vec::new()));
    for (flags, data) in &operations {
        body.extend(7u32.to_be_bytes());
        body.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        body.extend([0x69, *flags, 0, 0]);
        body.extend(data);
    }
    body.resize(body.len().next_multiple_of(BB), 0);
    let mut record = vec![0; BB];
    let lsn = (1u64 << 32 | 2).to_be_bytes();
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    let count = u32::try_from(operations.len()).unwrap().to_be_bytes();
    for (at, bytes) in [
        (0, &0xFEED_BABEu32.to_be_bytes()[..]),
        (4, &1u32.to_be_bytes()),
        (8, &2u32.to_be_bytes()),
        (12, &len),
        (16, &lsn),
        (24, &lsn),
        (40, &count),
        (300, &1u32.to_be_bytes()),
        (304, uuid),
        (320, &32_768u32.to_be_bytes()),
    ] {
        record[at..at + bytes.len()].copy_from_slice(bytes);
    }
    for (index, block) in body.chunks_exact_mut(BB).enumerate() {
        record[44 + 4 * index..48 + 4 * index].copy_from_slice(&block[..4]);
        block[..4].copy_from_slice(&1u32.to_be_bytes());
    }
    let sum = crc32c::crc32c_append(crc32c::crc32c(&record[..328]), &body);
    record[32..36].copy_from_slice(&sum.to_le_bytes());
    [record, body].concat()
}

#[test]
fn a_log_of_version_4_is_replayed() {
    let images = Images::new();
    let old: Vec<u8> = (0..30).flat_map(|id| dquot(id, 0)).chain([0; 16]).collect();
    fs::write(images.path("dquots"), old).unwrap();
    let target = "t".repeat(900);
    fs::write(
        images.path("proto"),
        format!("/\n0 0\nd--755 0 0\nlink l--777 0 0 {target}\nquota ---600 0 0 dquots\n$\n"),
    )
    .unwrap();
    images.run(
        "truncate -s 64M image; export TEST_DIR=1 TEST_DEV=1 QA_CHECK_FS=1
         mkfs.xfs -q -K -m crc=0 -n ftype=0 -d agcount=2 -p proto image 2>/dev/null",
    );
    let last = |command: &str| {
        let said = images.run(&format!("xfs_db -r {command} image"));
        said.trim().rsplit([' ', '(']).next().unwrap().trim_matches(')').to_owned()
    };
    let [root, link, quotas] =
        ["/", "/link", "/quota"].map(|path| last(&format!("-c 'path {path}' -c inode")));
    // A quota inode has no name, and nothing that counts as its size. The name was the last of the root directory.
    let size: u64 = last(&format!("-c 'inode {root}' -c 'p core.size'")).parse().unwrap();
    let entry = 1 + 2 + to_u64("quota".len()) + 4;
    images.run(&format!(
        "xfs_db -x -c 'inode {root}' -c 'write -d u.sfdir2.hdr.count 1' -c 'write -d core.size {}' \
         -c 'inode {quotas}' -c 'write -d core.size 0' \
         -c 'sb 0' -c 'write -d uquotino {quotas}' -c 'write -d qflags 1' -c 'write -d versionnum 0xb4f4' image",
        size - entry
    ));
    let first_block =
        |inode: &str| -> u64 { last(&format!("-c 'inode {inode}' -c 'dblock 0' -c daddr")).parse().unwrap() };
    let (text, dquots) = (first_block(&link), first_block(&quotas));
    let bytes = |daddr: u64| usize::try_from(daddr).unwrap() * BB;
    images.judge("image");

    let mut image = fs::read(images.path("image")).unwrap();
    let mut label = image[..128].to_vec();
    label[108..114].copy_from_slice(b"logged");
    let mut regions = buffer(0, 1, 18, &label);
    regions.extend(buffer(text, 8, 0, &[b's'; 1024]));
    regions.extend(quota(dquots, 8, 3, &dquot(3, 77)));
    let record = record(&image[32..48], &regions);
    let start = last("-c 'sb 0' -c 'p logstart'");
    let start = last(&format!("-c 'convert fsblock {start} daddr'")).parse().unwrap();
    let at = bytes(start) + 2 * BB;
    assert!(image[at..at + record.len()].iter().all(|byte| *byte == 0));
    image[at..at + record.len()].copy_from_slice(&record);
    fs::write(images.path("image"), &image).unwrap();
    let said = images.run("xfs_logprint -t image 2>&1");
    for part in ["state: <DIRTY>", "SUPER Block Buffer", "start blkno", "DQUOT: #regs:2"] {
        assert!(said.contains(part), "{said}");
    }

    assert!(images.is_dirty("image"));
    let recovered = images.recover("image").unwrap();
    assert_eq!(recovered, Recovered { transactions: 1, writes: 3, ..Recovered::default() });
    assert!(!images.is_dirty("image"));
    images.judge("image");
    let image = fs::read(images.path("image")).unwrap();
    assert_eq!(image[108..114], *b"logged");
    let text = bytes(text);
    assert_eq!(image[text..text + 1024], [b's'; 1024]);
    let third = bytes(dquots) + 3 * DQUOT;
    assert_eq!(image[third..third + LOGGED_DQUOT], dquot(3, 77)[..LOGGED_DQUOT]);

    // The quotas are the filesystem's own, to the last dquot, and stay through a scrub.
    let mut xfs = Xfs::open(Disk::open(&images.path("image"))).unwrap();
    let place = to_u64(bytes(dquots));
    let mut owner = None;
    xfs.claims(&mut |extent, claim| {
        if extent.contains_byte(place) {
            assert!(extent.end() >= place + 4096);
            owner = Some(claim);
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(owner, Some(Claim::Live(Owner::Metadata)));
    xfs.scrub().unwrap();
    drop(xfs);
    images.judge("image");
    let (kept, scrubbed) = (bytes(dquots)..bytes(dquots) + 4096, fs::read(images.path("image")).unwrap());
    assert_eq!(scrubbed[kept.clone()], image[kept]);
}
