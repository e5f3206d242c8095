//! A fresh qcow2 image (version 3, `compat=1.1`, 64 KiB clusters): no snapshots, bitmaps or backing file, and no
//! cluster that nothing refers to. Clusters of zeros are not stored.
//!
//! The bytes depend on the disk's content, its size and the compression alone: not on how the content is cut
//! into writes, nor on the number of threads. The format counts whole sectors: the disk's size is rounded up to a
//! multiple of 512, and what that adds reads as zero.

use std::{fs::File, io};

use super::{
    CLUSTER, CLUSTER_LEN, Compression, Order,
    compress::{Batch, Pool},
    sink::Sink,
    tables::Tables,
};
use crate::{Extent, ImageWriter, Result, is_zero, to_u64, to_usize};

/// Writes a qcow2 image.
#[derive(Debug)]
pub struct Qcow2Writer {
    order: Order,
    tables: Tables,
    store: Store,
}

/// What becomes of a cluster.
#[derive(Debug)]
enum Store {
    /// It is written as it comes. The guest cluster written to last, and where it lies.
    Plain(Option<(u64, u64)>),
    /// It is assembled, with some neighbours, and handed to the pool.
    Packed(Pool, Batch),
}

impl Qcow2Writer {
    /// An image of a disk of `virtual_size` bytes in `file`, which must be empty. `threads` compress.
    pub fn new(file: File, compression: Compression, virtual_size: u64, threads: usize) -> Result<Self> {
        let tables = Tables::new(Sink::new(file)?, virtual_size, compression == Compression::Zstd)?;
        let store = match Pool::new(compression, threads)? {
            None => Store::Plain(None),
            Some(pool) => Store::Packed(pool, Batch::default()),
        };
        Ok(Self { order: Order::new(virtual_size), tables, store })
    }
}

impl ImageWriter for Qcow2Writer {
    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.order.advance(offset, data.len())?;
        match &mut self.store {
            Store::Plain(last) => write_plain(&mut self.tables, last, offset, data),
            Store::Packed(pool, batch) => write_packed(&mut self.tables, pool, batch, offset, data),
        }
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        let Self { mut tables, store, .. } = *self;
        if let Store::Packed(mut pool, batch) = store {
            if let Some(done) = pool.submit(batch)? {
                put(&mut tables, &done)?;
            }
            while let Some(done) = pool.next()? {
                put(&mut tables, &done)?;
            }
        }
        tables.finish()
    }
}

/// The parts of `data` that lie in one cluster each and are not zero: guest cluster, offset in it, bytes.
fn pieces(offset: u64, data: &[u8]) -> impl Iterator<Item = (u64, usize, &[u8])> {
    let range = Extent { start: offset, len: to_u64(data.len()) };
    (offset / CLUSTER_LEN..range.end().div_ceil(CLUSTER_LEN))
        .map(move |guest| {
            let part = range.intersect(Extent { start: guest * CLUSTER_LEN, len: CLUSTER_LEN });
            let from = to_usize(part.start - offset);
            (guest, to_usize(part.start % CLUSTER_LEN), &data[from..from + to_usize(part.len)])
        })
        .filter(|(.., bytes)| !is_zero(bytes))
}

fn write_plain(
    tables: &mut Tables,
    last: &mut Option<(u64, u64)>,
    offset: u64,
    data: &[u8],
) -> io::Result<()> {
    // Pieces that follow each other in the file too go there in one: host offset, and their range of `data`.
    let (mut run_host, mut run) = (0, 0..0);
    for (guest, within, bytes) in pieces(offset, data) {
        let cluster = match *last {
            Some((known, host)) if known == guest => host,
            _ => tables.plain(guest)?,
        };
        *last = Some((guest, cluster));
        let host = cluster + to_u64(within);
        let from = to_usize(guest * CLUSTER_LEN + to_u64(within) - offset);
        if from != run.end || host != run_host + to_u64(run.len()) {
            tables.write(run_host, &data[run])?;
            (run_host, run) = (host, from..from);
        }
        run.end = from + bytes.len();
    }
    tables.write(run_host, &data[run])
}

fn write_packed(
    tables: &mut Tables,
    pool: &mut Pool,
    batch: &mut Batch,
    offset: u64,
    data: &[u8],
) -> io::Result<()> {
    for (guest, within, bytes) in pieces(offset, data) {
        if batch.guests.last() != Some(&guest) {
            if batch.is_full()
                && let Some(done) = pool.submit(std::mem::take(batch))?
            {
                put(tables, &done)?;
            }
            batch.guests.push(guest);
            batch.bytes.resize(batch.guests.len() * CLUSTER, 0);
        }
        let start = (batch.guests.len() - 1) * CLUSTER + within;
        batch.bytes[start..start + bytes.len()].copy_from_slice(bytes);
    }
    Ok(())
}

fn put(tables: &mut Tables, (batch, packed): &(Batch, Vec<Option<Vec<u8>>>)) -> io::Result<()> {
    for ((&guest, bytes), packed) in batch.guests.iter().zip(batch.bytes.chunks(CLUSTER)).zip(packed) {
        match packed {
            Some(packed) => tables.pack(guest, packed)?,
            None => {
                let host = tables.plain(guest)?;
                tables.write(host, bytes)?;
            }
        }
    }
    Ok(())
}
