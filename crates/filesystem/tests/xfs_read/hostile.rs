//! One byte changed, its checksum redone, thousands of times: never a panic, never an endless walk.

use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
};

use block::{BlockRead, Run, to_u64, to_usize};
use filesystem::{Claim, Filesystem, Owner, Result, xfs::Xfs};

use super::{
    image::{Lab, Mount},
    tree,
};

/// An image in memory, and where things are in it.
pub(crate) struct Image {
    pub(crate) bytes: Vec<u8>,
    pub(crate) block: usize,
    pub(crate) sector: usize,
}

impl Image {
    pub(crate) fn get(&self, at: usize, len: usize) -> u64 {
        self.bytes[at..at + len].iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    /// Writes big-endian bytes and redoes the checksum of what they are in.
    pub(crate) fn put(&mut self, at: usize, len: usize, value: u64) {
        self.bytes[at..at + len].copy_from_slice(&value.to_be_bytes()[8 - len..]);
        self.seal(at);
    }

    fn crc(&mut self, start: usize, len: usize, field: usize) {
        let area = &mut self.bytes[start..start + len];
        area[field..field + 4].fill(0);
        let crc = crc32c::crc32c(area);
        area[field..field + 4].copy_from_slice(&crc.to_le_bytes());
    }

    /// Redoes the checksum of the version 5 structure that a byte is in, by its magic.
    pub(crate) fn seal(&mut self, at: usize) {
        let sector = at / self.sector * self.sector;
        let magic = |bytes: &[u8], at: usize| -> [u8; 4] { bytes[at..at + 4].try_into().unwrap() };
        match &magic(&self.bytes, sector) {
            b"XFSB" => return self.crc(sector, self.sector, 224),
            b"XAGF" => return self.crc(sector, self.sector, 216),
            b"XAGI" => return self.crc(sector, self.sector, 312),
            b"XAFL" => return self.crc(sector, self.sector, 32),
            _ => {}
        }
        let inode = at / 512 * 512;
        if self.bytes[inode..inode + 2] == *b"IN" {
            return self.crc(inode, 512, 100);
        }
        let block = at / self.block * self.block;
        match &magic(&self.bytes, block) {
            b"AB3B" | b"AB3C" | b"IAB3" | b"FIB3" | b"RMB3" | b"R3FC" => self.crc(block, self.block, 52),
            b"BMA3" => self.crc(block, self.block, 64),
            b"XDB3" | b"XDD3" | b"XDF3" => self.crc(block, self.block, 4),
            b"XSLM" | b"XARM" => self.crc(block, self.block, 12),
            _ if matches!(self.get(block + 8, 2), 0x3DF1 | 0x3DFF | 0x3EBE | 0x3BEE) => {
                self.crc(block, self.block, 12);
            }
            _ => {}
        }
    }

    pub(crate) fn find(&self, magic: &[u8], at: usize) -> usize {
        (0..self.bytes.len())
            .step_by(self.block)
            .find(|block| self.bytes[block + at..].starts_with(magic))
            .unwrap_or_else(|| panic!("no {} in the image", String::from_utf8_lossy(magic)))
    }
}

/// An image of which one block is another.
struct Patched<'a> {
    base: &'a [u8],
    at: usize,
    block: Vec<u8>,
}

impl BlockRead for Patched<'_> {
    fn size(&self) -> u64 {
        to_u64(self.base.len())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let (start, end) = (to_usize(offset), to_usize(offset) + buf.len());
        let Some(bytes) = self.base.get(start..end) else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        buf.copy_from_slice(bytes);
        let (from, to) = (start.max(self.at), end.min(self.at + self.block.len()));
        if from < to {
            buf[from - start..to - start].copy_from_slice(&self.block[from - self.at..to - self.at]);
        }
        Ok(())
    }

    fn run_at(&self, offset: u64) -> io::Result<Run> {
        Ok(Run { len: self.size() - offset, zero: false })
    }
}

pub(crate) fn make(lab: &Lab, name: &str, mib: u64, options: &str) -> Vec<u8> {
    fs::write(lab.path("proto.py"), include_str!("proto.py")).unwrap();
    lab.run("python3 proto.py");
    let path = lab.make(name, mib, &format!("{options} -p proto"));
    // The largest first: with version 4, xfs_db fails where it has to move attributes out of the inode.
    lab.run(&format!(
        "xfs_db -x -c 'path /file' -c 'attr_set -v 9000 large' -c 'attr_set -v 200 one' -c 'attr_set -v 250 two' \
         -c 'attr_set -v 3000 three' -c 'attr_set -u short' {name} >/dev/null"
    ));
    let mut bytes = fs::read(&path).unwrap();
    fs::remove_file(path).unwrap();
    if !options.contains("crc=0") {
        complete_link(&mut bytes);
    }
    bytes
}

/// mkfs.xfs forgets the header of a long symbolic link.
fn complete_link(bytes: &mut Vec<u8>) {
    let mut owner = 0;
    let xfs = Xfs::open(bytes.clone()).unwrap();
    xfs.entries(xfs.root().unwrap(), &mut |entry| {
        if entry.name == b"longlink" {
            owner = entry.inode.0;
        }
        Ok(())
    })
    .unwrap();
    let at = (0..bytes.len()).step_by(4096).find(|at| bytes[*at..].starts_with(b"tttttttt")).unwrap();
    let mut image = Image { bytes: std::mem::take(bytes), block: 4096, sector: 512 };
    let uuid: [u8; 16] = image.bytes[32..48].try_into().unwrap();
    image.bytes.copy_within(at..at + 900, at + 56);
    image.bytes[at..at + 56].fill(0);
    image.bytes[at..at + 4].copy_from_slice(b"XSLM");
    image.bytes[at + 16..at + 32].copy_from_slice(&uuid);
    image.put(at + 8, 4, 900);
    image.put(at + 32, 8, owner);
    image.put(at + 40, 8, u64::try_from(at / 512).unwrap());
    *bytes = image.bytes;
}

/// Every reader on its own: a caller may use one where another has failed.
pub(crate) fn read_all(device: impl BlockRead) -> Result<()> {
    let xfs = Xfs::open(device)?;
    drop(xfs.summary());
    let claims = xfs.claims(&mut |_, _| Ok(()));
    let allocated = xfs.allocated();
    let named = xfs.check_names();
    let tree = tree::ours(&xfs);
    let tails = xfs.tails(&mut |_, _| Ok(()));
    let mut inodes = Vec::new();
    drop(xfs.entries(xfs.root().unwrap(), &mut |entry| {
        inodes.push(entry.inode);
        Ok(())
    }));
    let attributes: Vec<_> = inodes
        .into_iter()
        .flat_map(|inode| {
            ["short", "one", "large"].map(|name| xfs.attribute(inode, format!("user.{name}").as_bytes()))
        })
        .collect();
    claims?;
    allocated?;
    // What is wrong with a name may be wrong with the tree, too.
    named?;
    tree?;
    tails?;
    attributes.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(())
}

#[test]
fn a_changed_byte_never_panics_or_hangs() {
    let lab = Lab::new();
    for (name, options, block) in [
        ("v5", "-d agcount=1 -m rmapbt=1,reflink=1", 4096),
        ("v4", "-d agcount=1 -m crc=0", 4096),
        ("v4-512", "-d agcount=1 -m crc=0 -b size=512 -i size=256", 512),
    ] {
        let bytes = make(&lab, name, 22, options);
        mutate(name, &bytes, block, 400, &|claim| {
            matches!(claim, Claim::Live(Owner::Metadata | Owner::Mapping(_)))
        });
    }
}

/// Trees of extents, nodes of attributes: what only a kernel makes.
#[test]
fn a_changed_byte_in_what_a_kernel_made() {
    if !Lab::can_mount() {
        return;
    }
    let lab = Lab::new();
    fs::write(lab.path("fill.py"), include_str!("fill.py")).unwrap();
    let path = lab.make("image", 120, "-m rmapbt=1,reflink=1");
    {
        let mount = Mount::new(&lab, "image", "");
        lab.run("python3 fill.py mnt");
        drop(mount);
    }
    let bytes = fs::read(path).unwrap();
    mutate("mappings", &bytes, 4096, 150, &|claim| matches!(claim, Claim::Live(Owner::Mapping(_))));
    mutate("metadata", &bytes, 4096, 150, &|claim| matches!(claim, Claim::Live(Owner::Metadata)));
}

fn mutate(name: &str, bytes: &Vec<u8>, block: usize, rounds: u64, of: &dyn Fn(Claim) -> bool) {
    read_all(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    let xfs = Xfs::open(bytes).unwrap();
    let v5 = xfs.summary().unwrap().features.iter().any(|feature| feature == "crc");
    let mut places = Vec::new();
    xfs.claims(&mut |extent, claim| {
        if of(claim) {
            places.push(extent);
        }
        Ok(())
    })
    .unwrap();
    let total: u64 = places.iter().map(|extent| extent.len).sum();
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut refused = 0;
    for round in 0..rounds {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // A third of the changes in the first headers, the rest anywhere; half of those near the start of a block.
        let mut at = if round % 3 == 0 { (state >> 33) % 2048 } else { (state >> 33) % total };
        if round % 3 == 1 {
            at = at / 4096 * 4096 + at % 128;
        }
        let extent = places
            .iter()
            .find(|extent| {
                let inside = at < extent.len;
                at = if inside { at } else { at - extent.len };
                inside
            })
            .unwrap();
        let position = to_usize(extent.start + at);
        let [value, pick, ..] = (state >> 20).to_le_bytes();
        let start = position / block * block;
        // The superblock's sector says where a structure's checksum ends; a block never does.
        let mut image = Image { bytes: bytes[start..start + block].to_vec(), block, sector: 512 };
        let inside = position - start;
        image.bytes[inside] = match pick % 4 {
            0 => 0xFF,
            1 => 0,
            2 => image.bytes[inside].wrapping_add(1),
            _ => value,
        };
        let now = image.bytes[inside];
        if v5 {
            image.seal(inside);
        }
        let patched = Patched { base: bytes, at: start, block: image.bytes };
        match catch_unwind(AssertUnwindSafe(|| read_all(patched))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
            }
            Err(_) => panic!("{name}: byte {position} changed to {now:#04x}"),
        }
    }
    println!("{name}: {refused} of {rounds} changes refused");
    assert!(refused > rounds / 20, "{name}: only {refused} of {rounds} changes were noticed");
}
