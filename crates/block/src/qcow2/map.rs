//! Where guest bytes lie: the L1 and L2 tables, read in slices through the cache.
//!
//! Every host range that it returns is aligned as the format asks for and lies inside the file; an entry that
//! says otherwise is an error, never a guess. Absent L2 tables are crossed in one step each.

use std::sync::Arc;

use crate::{
    BlockRead, Extent, Object, Result,
    field::Be64,
    qcow2::{
        cache::Cache,
        l1::{self, check_host},
        layout::{self, l2},
    },
    raw::RawImage,
    to_u64, to_usize,
};

/// Longest slice of a table that is read at once.
const SLICE: u64 = 64 << 10;
/// Most steps that one answer may take; a longer run is told in parts.
const STEPS: u32 = 1 << 16;

/// How a piece of the guest's disk is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// In the backing file; zero without one.
    Unallocated,
    Zero,
    /// At this offset of the file that holds the data.
    Data(u64),
    /// In one compressed cluster.
    Compressed(Compressed),
}

/// Where a compressed cluster lies in the image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Compressed {
    /// Guest cluster number, for messages.
    pub(super) cluster: u64,
    pub(super) offset: u64,
    /// Bytes in which it ends: its sectors, clipped to the file's end. Less than two clusters.
    pub(super) len: u64,
}

/// The numbers that the tables are read with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry {
    /// Number of the image in its chain: the cache's key.
    pub(super) layer: u32,
    pub(super) version: u32,
    pub(super) cluster_bits: u32,
    pub(super) extended: bool,
    /// Size of the external data file, if there is one.
    pub(super) data_file: Option<u64>,
    pub(super) size: u64,
    pub(super) l1_offset: u64,
    pub(super) l1_needed: u64,
}

impl Geometry {
    pub(super) fn cluster(&self) -> u64 {
        1 << self.cluster_bits
    }

    fn entry_size(&self) -> u64 {
        if self.extended { l2::EXTENDED_ENTRY_SIZE } else { l2::ENTRY_SIZE }
    }

    /// Entries of an L2 table.
    fn l2_entries(&self) -> u64 {
        self.cluster() / self.entry_size()
    }

    /// Where a compressed cluster descriptor says that the cluster lies, up to the end of its last sector.
    pub(super) fn compressed_sectors(&self, entry: u64) -> Extent {
        let bits = l2::compressed_offset_bits(self.cluster_bits);
        let descriptor = entry & !(l2::COMPRESSED | l2::COPIED);
        let start = descriptor & ((1 << bits) - 1);
        // At most 2^13 + 1 sectors.
        let sectors = (descriptor >> bits) + 1;
        Extent { start, len: sectors * l2::COMPRESSED_SECTOR - start % l2::COMPRESSED_SECTOR }
    }
}

pub(in crate::qcow2) fn guest_cluster(number: u64) -> Object {
    Object::numbered("guest cluster", number)
}

/// A slice of a table and the file offset it starts at.
type Slice = Option<(u64, Arc<[u8]>)>;

/// Reads tables for one request; remembers the slices it is in, so that neighbours cost nothing.
pub(super) struct Walker<'a> {
    geometry: &'a Geometry,
    file: &'a RawImage,
    cache: &'a Cache,
    l1: Slice,
    /// The L1 entry that was looked at last, and its table.
    table: Option<(u64, Option<u64>)>,
    l2: Slice,
}

impl<'a> Walker<'a> {
    pub(super) fn new(geometry: &'a Geometry, file: &'a RawImage, cache: &'a Cache) -> Self {
        Self { geometry, file, cache, l1: None, table: None, l2: None }
    }

    /// The piece at `offset` (inside the disk): its kind, and its length up to `limit` or where the kind changes.
    /// Data is one piece as far as it is contiguous in the file. A bad entry is an error only once reached.
    pub(super) fn piece(&mut self, offset: u64, limit: u64) -> Result<(Kind, u64)> {
        let (kind, mut len) = self.step(offset)?;
        for _ in 1..STEPS {
            if len >= limit || offset + len >= self.geometry.size || matches!(kind, Kind::Compressed(_)) {
                break;
            }
            let Ok((next, more)) = self.step(offset + len) else { break };
            let joined = match (kind, next) {
                (Kind::Data(host), Kind::Data(next)) => next == host + len,
                _ => kind == next,
            };
            if !joined {
                break;
            }
            len += more;
        }
        Ok((kind, len.min(limit)))
    }

    /// What one table entry (or the absence of a table) says of `offset`, and how far.
    fn step(&mut self, offset: u64) -> Result<(Kind, u64)> {
        let geometry = self.geometry;
        let left = geometry.size - offset;
        let cluster = offset >> geometry.cluster_bits;
        let (index, l2_index) = (cluster / geometry.l2_entries(), cluster % geometry.l2_entries());
        let Some(table) = self.l2_table(index)? else {
            let covered = geometry.l2_entries() << geometry.cluster_bits;
            return Ok((Kind::Unallocated, (covered - offset % covered).min(left)));
        };
        let at = l2_index * geometry.entry_size();
        let entry =
            table_entry(&mut self.l2, self.file, self.cache, geometry, table, geometry.cluster(), at)?;
        let within = offset % geometry.cluster();
        let len = (geometry.cluster() - within).min(left);
        if entry & l2::COMPRESSED != 0 {
            return Ok((Kind::Compressed(self.compressed(entry, cluster)?), len));
        }
        if entry & l2::RESERVED_MASK != 0 {
            let found = format!("{:#x}", entry & l2::RESERVED_MASK);
            return Err(guest_cluster(cluster).corrupt("reserved bits of the L2 entry", found, "0"));
        }
        if geometry.extended {
            let at = at + l2::ENTRY_SIZE;
            let bitmap =
                table_entry(&mut self.l2, self.file, self.cache, geometry, table, geometry.cluster(), at)?;
            return self.subclusters(entry, bitmap, offset);
        }
        if entry & l2::ZERO != 0 {
            if geometry.version == 2 {
                let object = guest_cluster(cluster);
                return Err(object.corrupt("zero flag of the L2 entry", 1, "0 in a version 2 image"));
            }
            return Ok((Kind::Zero, len));
        }
        if !self.is_allocated(entry, cluster)? {
            return Ok((Kind::Unallocated, len));
        }
        let host = self.host_offset(entry, cluster, within, len)?;
        Ok((Kind::Data(host), len))
    }

    /// File offset of the L2 table behind an entry of the L1 table. A table that lies in a hole of the file is all
    /// zero, the same as none: else a sparse file could hold more empty tables than anyone can read.
    fn l2_table(&mut self, index: u64) -> Result<Option<u64>> {
        let geometry = self.geometry;
        if let Some((held, table)) = self.table
            && held == index
        {
            return Ok(table);
        }
        let at = index * layout::l1::ENTRY_SIZE;
        let table_len = geometry.l1_needed * layout::l1::ENTRY_SIZE;
        let entry =
            table_entry(&mut self.l1, self.file, self.cache, geometry, geometry.l1_offset, table_len, at)?;
        let mut table = l1::l2_table(entry, index, geometry.cluster(), self.file.size())?;
        if let Some(start) = table {
            let stored = self.file.run_at(start)?;
            if stored.zero && stored.len >= geometry.cluster() {
                table = None;
            }
        }
        self.table = Some((index, table));
        Ok(table)
    }

    /// Whether a standard descriptor points at a cluster. Offset 0 does so only in an external data file.
    fn is_allocated(&self, entry: u64, cluster: u64) -> Result<bool> {
        if entry & l2::OFFSET_MASK != 0 {
            return Ok(true);
        }
        let copied = entry & l2::COPIED != 0;
        if copied && self.geometry.data_file.is_none() {
            return Err(guest_cluster(cluster).corrupt(
                "host offset",
                "0x0",
                "not 0, as the copied flag is set",
            ));
        }
        Ok(copied)
    }

    /// Host offset of byte `within` of a cluster, of which `len` bytes are wanted.
    fn host_offset(&self, entry: u64, cluster: u64, within: u64, len: u64) -> Result<u64> {
        let geometry = self.geometry;
        let host = entry & l2::OFFSET_MASK;
        let object = guest_cluster(cluster);
        if geometry.data_file.is_some() && host != cluster << geometry.cluster_bits {
            let expected = format!("{:#x}, the guest's own", cluster << geometry.cluster_bits);
            return Err(object.corrupt("offset in the data file", format!("{host:#x}"), expected));
        }
        let size = geometry.data_file.unwrap_or(self.file.size());
        check_host(object, "host offset", host, geometry.cluster(), within + len, size)?;
        Ok(host + within)
    }

    fn compressed(&self, entry: u64, cluster: u64) -> Result<Compressed> {
        let object = guest_cluster(cluster);
        if self.geometry.data_file.is_some() {
            return Err(object.corrupt("compressed flag", 1, "0 in an image with an external data file"));
        }
        let Extent { start: offset, len } = self.geometry.compressed_sectors(entry);
        let size = self.file.size();
        if offset >= size {
            let expected = format!("less than {size:#x}");
            return Err(object.corrupt("compressed data offset", format!("{offset:#x}"), expected));
        }
        Ok(Compressed { cluster, offset, len: len.min(size - offset) })
    }

    /// The subclusters from `offset` on that have the same status.
    fn subclusters(&self, entry: u64, bitmap: u64, offset: u64) -> Result<(Kind, u64)> {
        let geometry = self.geometry;
        let cluster = offset >> geometry.cluster_bits;
        let object = guest_cluster(cluster);
        let (allocated, zero) = (bitmap & 0xffff_ffff, bitmap >> 32);
        if entry & l2::ZERO != 0 {
            return Err(object.corrupt("zero flag of the L2 entry", 1, "0 with extended L2 entries"));
        }
        if allocated & zero != 0 {
            let found = format!("{bitmap:#018x}");
            return Err(object.corrupt("subcluster bitmap", found, "no subcluster both allocated and zero"));
        }
        if allocated != 0 && !self.is_allocated(entry, cluster)? {
            return Err(object.corrupt("host offset", "0x0", "not 0, as subclusters are allocated"));
        }
        let within = offset % geometry.cluster();
        let subcluster = geometry.cluster() / u64::from(l2::SUBCLUSTERS);
        let first = u32::try_from(within / subcluster).expect("a cluster has 32 subclusters");
        let status = |n: u32| (allocated >> n & 1, zero >> n & 1);
        let same = (first..l2::SUBCLUSTERS).take_while(|&n| status(n) == status(first)).count();
        let end = (u64::from(first) + to_u64(same)) * subcluster;
        let len = (end - within).min(geometry.size - offset);
        let kind = match status(first) {
            (0, 0) => Kind::Unallocated,
            (0, _) => Kind::Zero,
            _ => Kind::Data(self.host_offset(entry, cluster, within, len)?),
        };
        Ok((kind, len))
    }
}

/// The entry at byte `at` of the table of `table_len` bytes at file offset `table`, which lies inside the file.
fn table_entry(
    slice: &mut Slice,
    file: &RawImage,
    cache: &Cache,
    geometry: &Geometry,
    table: u64,
    table_len: u64,
    at: u64,
) -> Result<u64> {
    let start = table + at / SLICE * SLICE;
    if slice.as_ref().is_none_or(|(held, _)| *held != start) {
        let len = to_usize((table_len - at / SLICE * SLICE).min(SLICE));
        let key = (geometry.layer, start, len);
        let bytes = match cache.get(key) {
            Some(bytes) => bytes,
            None => {
                let mut bytes = vec![0; len];
                file.read_object(Object::the("L1 or L2 table"), start, &mut bytes)?;
                let bytes = Arc::from(bytes);
                cache.put(key, &bytes);
                bytes
            }
        };
        *slice = Some((start, bytes));
    }
    let (_, bytes) = slice.as_ref().expect("filled above");
    Ok(Be64(to_usize(at % SLICE)).get(bytes))
}
