//! The host side of a fresh qcow2 image: which cluster lies where, and the tables that say so.
//!
//! Host clusters are handed out in ascending order: the header, then data and, once the guest position has
//! passed what it describes, each L2 table; at the end the L1 table, the refcount blocks and the refcount table.
//! The header is written last, so that an unfinished file is no qcow2 image. Memory: one L2 table, 8 bytes for
//! each 512 MiB of guest disk, and with compression 2 bytes for each 64 KiB of the file.

use std::io;

use super::{CLUSTER, CLUSTER_BITS, CLUSTER_LEN, sink::Sink};
use crate::{
    Object, Result, Unsupported,
    field::Be64,
    qcow2::layout::{self, header, incompatible, l1, l2},
    to_u64, to_usize,
};

/// Entries of an L2 table.
const L2_ENTRIES: u64 = CLUSTER_LEN / l2::ENTRY_SIZE;
/// Refcounts are 16 bits wide, as `qemu-img create` makes them.
const REFCOUNT_ORDER: u32 = 4;
/// Refcounts in a refcount block.
const BLOCK_ENTRIES: u64 = CLUSTER_LEN / 2;
/// Entries of a cluster of the refcount table.
const TABLE_ENTRIES: u64 = CLUSTER_LEN / 8;
/// QEMU counts a disk's size in sectors of this many bytes.
const SECTOR: u64 = 512;

/// The file, and the tables of what has been written to it.
#[derive(Debug)]
pub(super) struct Tables {
    sink: Sink,
    /// Virtual size, in whole sectors.
    size: u64,
    zstd: bool,
    /// Host clusters handed out; the next one follows.
    clusters: u64,
    /// L1 entries of the guest positions passed. The L2 table in work belongs to the next.
    l1: Vec<u64>,
    l1_size: u32,
    l2: Vec<u8>,
    l2_used: bool,
    /// Refcounts of the first host clusters; those behind have 1.
    refcounts: Vec<u16>,
    /// Where the next compressed cluster goes if it fits; at a cluster's start: nowhere yet.
    packed: u64,
}

impl Tables {
    pub(super) fn new(sink: Sink, virtual_size: u64, zstd: bool) -> Result<Self> {
        let too_large =
            || Unsupported::new(Object::the("qcow2 image"), format!("a disk of {virtual_size} bytes"));
        let size = virtual_size.checked_next_multiple_of(SECTOR).ok_or_else(too_large)?;
        // A table of no entries would have no cluster to lie in.
        let l1_size = size.div_ceil(CLUSTER_LEN * L2_ENTRIES).max(1);
        if l1_size > layout::L1_BYTES_MAX / l1::ENTRY_SIZE {
            return Err(too_large().into());
        }
        Ok(Self {
            sink,
            size,
            zstd,
            clusters: 1,
            l1: Vec::new(),
            l1_size: u32::try_from(l1_size).expect("at most 2^22, checked above"),
            l2: vec![0; CLUSTER],
            l2_used: false,
            refcounts: Vec::new(),
            packed: 0,
        })
    }

    fn allocate(&mut self, count: u64) -> u64 {
        let host = self.clusters * CLUSTER_LEN;
        self.clusters += count;
        host
    }

    /// Host offset of a new cluster for the guest's cluster `guest`. Guests come in ascending order.
    pub(super) fn plain(&mut self, guest: u64) -> io::Result<u64> {
        self.pass(guest)?;
        let host = self.allocate(1);
        self.map(guest, host | l2::COPIED);
        Ok(host)
    }

    /// Writes to clusters from [`plain`](Self::plain).
    pub(super) fn write(&mut self, host: u64, data: &[u8]) -> io::Result<()> {
        self.sink.write(host, data)
    }

    /// Stores the compressed bytes, 3 to 65,535 of them, of the guest's cluster `guest`.
    pub(super) fn pack(&mut self, guest: u64, bytes: &[u8]) -> io::Result<()> {
        self.pass(guest)?;
        let len = to_u64(bytes.len());
        let room = self.packed.next_multiple_of(CLUSTER_LEN) - self.packed;
        if len > room {
            // It may run on into the next host cluster if that one is still free.
            let fresh = self.allocate(1);
            if self.packed + room != fresh {
                self.packed = fresh;
            }
            self.refcounts.resize(to_usize(fresh / CLUSTER_LEN), 1);
            self.refcounts.push(0);
        }
        let host = self.packed;
        self.packed += len;
        // The length is counted in sectors touched beyond the first; all of the last one counts as used.
        let (first, last) = (host / l2::COMPRESSED_SECTOR, (host + len - 1) / l2::COMPRESSED_SECTOR);
        let offset_bits = l2::compressed_offset_bits(CLUSTER_BITS);
        self.map(guest, host | (last - first) << offset_bits | l2::COMPRESSED);
        let last_cluster = last * l2::COMPRESSED_SECTOR / CLUSTER_LEN;
        for cluster in host / CLUSTER_LEN..=last_cluster {
            // No overflow: with 3 bytes or more each, at most 21,847 can touch a cluster of 65,536.
            self.refcounts[to_usize(cluster)] += 1;
        }
        self.sink.write(host, bytes)
    }

    fn map(&mut self, guest: u64, entry: u64) {
        Be64(to_usize(guest % L2_ENTRIES * l2::ENTRY_SIZE)).set(&mut self.l2, entry);
        self.l2_used = true;
    }

    /// Completes the L2 tables that lie before `guest`'s.
    fn pass(&mut self, guest: u64) -> io::Result<()> {
        while to_u64(self.l1.len()) < guest / L2_ENTRIES {
            let mut entry = 0;
            if self.l2_used {
                let host = self.allocate(1);
                self.sink.write(host, &self.l2)?;
                self.l2.fill(0);
                self.l2_used = false;
                entry = host | l1::COPIED;
            }
            self.l1.push(entry);
        }
        Ok(())
    }

    /// Writes the remaining tables and the header.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.pass(u64::from(self.l1_size) * L2_ENTRIES)?;
        let l1_bytes: Vec<u8> = self.l1.iter().flat_map(|entry| entry.to_be_bytes()).collect();
        let l1_offset = self.allocate(to_u64(l1_bytes.len()).div_ceil(CLUSTER_LEN));
        self.sink.write(l1_offset, &l1_bytes)?;
        let (table_offset, table_clusters) = self.write_refcounts()?;

        let mut head = vec![0; layout::HEADER_LENGTH_COMPRESSION];
        header::MAGIC.set(&mut head, layout::MAGIC_VALUE);
        header::VERSION.set(&mut head, 3);
        header::CLUSTER_BITS.set(&mut head, CLUSTER_BITS);
        header::SIZE.set(&mut head, self.size);
        header::L1_SIZE.set(&mut head, self.l1_size);
        header::L1_TABLE_OFFSET.set(&mut head, l1_offset);
        header::REFCOUNT_TABLE_OFFSET.set(&mut head, table_offset);
        header::REFCOUNT_TABLE_CLUSTERS.set(&mut head, table_clusters);
        header::REFCOUNT_ORDER.set(&mut head, REFCOUNT_ORDER);
        let length = u32::try_from(head.len()).expect("112");
        header::HEADER_LENGTH.set(&mut head, length);
        if self.zstd {
            header::INCOMPATIBLE_FEATURES.set(&mut head, incompatible::COMPRESSION_TYPE);
            header::COMPRESSION_TYPE.set(&mut head, 1);
        }
        // No extensions: the zeros that follow are the end marker.
        self.sink.write(0, &head)?;
        self.sink.finish(self.clusters * CLUSTER_LEN)
    }

    /// Refcount blocks and table; returns the table's offset and length in clusters.
    fn write_refcounts(&mut self) -> io::Result<(u64, u32)> {
        // Blocks and table are counted by themselves: a few rounds find how many it takes.
        let (mut blocks, mut table) = (0, 0);
        loop {
            let needed = (self.clusters + blocks + table).div_ceil(BLOCK_ENTRIES);
            if needed == blocks {
                break;
            }
            (blocks, table) = (needed, needed.div_ceil(TABLE_ENTRIES));
        }
        let blocks_offset = self.allocate(blocks);
        let table_offset = self.allocate(table);
        for block in 0..blocks {
            let first = block * BLOCK_ENTRIES;
            let bytes: Vec<u8> = (first..self.clusters.min(first + BLOCK_ENTRIES))
                .flat_map(|cluster| {
                    self.refcounts.get(to_usize(cluster)).map_or(1, |&count| count).to_be_bytes()
                })
                .collect();
            self.sink.write(blocks_offset + block * CLUSTER_LEN, &bytes)?;
        }
        let entries: Vec<u8> =
            (0..blocks).flat_map(|block| (blocks_offset + block * CLUSTER_LEN).to_be_bytes()).collect();
        self.sink.write(table_offset, &entries)?;
        Ok((table_offset, u32::try_from(table).map_err(io::Error::other)?))
    }
}
