//! A qcow2 image as a device: versions 2 and 3, with all incompatible features of the format's present
//! specification. The image is never written.
//!
//! Reads are checked against the tables and the files on the way: an offset outside the file, an unaligned table
//! or a reserved bit is an error, never zeros. Refcounts are not used. Memory is bounded by the caches' limits,
//! one L1 or L2 slice and two compressed clusters a request, whatever an image says.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    BlockRead, Object, Result, Run,
    device::check_range,
    last_run::LastRun,
    raw::{RawImage, read_up_to},
    to_u64, to_usize,
};

mod cache;
mod compressed;
mod directory;
mod extensions;
#[cfg(test)]
mod faults;
mod header;
mod l1;
pub mod layout;
mod map;
mod usage;

pub use directory::Snapshot;
pub use header::Compression;

use cache::Cache;
use header::{Header, L1Table};
use map::{Compressed, Geometry, Kind, Walker};
pub(crate) use usage::Side;

/// Bytes of L1 and L2 tables that one backing chain keeps in memory.
const TABLES: usize = 16 << 20;
/// Bytes of decompressed clusters that one backing chain keeps in memory.
const CLUSTERS: usize = 8 << 20;

/// Most pieces that one run of data is joined from.
const PIECES: u32 = 64;

/// The caches that the images of one backing chain share.
#[derive(Debug)]
pub(crate) struct Caches {
    tables: Cache,
    clusters: Cache,
}

impl Caches {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { tables: Cache::new(TABLES), clusters: Cache::new(CLUSTERS) })
    }
}

/// A qcow2 file whose header and L1 table have been checked. [`attach`](Self::attach) makes it a device.
#[derive(Debug)]
pub(crate) struct Qcow2File {
    file: RawImage,
    header: Header,
}

impl Qcow2File {
    pub(crate) fn new(file: RawImage) -> Result<Self> {
        let header = Header::read(&file)?;
        l1::check(&file, &header)?;
        Ok(Self { file, header })
    }

    /// Goes back to an internal snapshot: its L1 table takes the place of the active one.
    pub(crate) fn select(&mut self, number: usize) -> Result<()> {
        let header = &mut self.header;
        let (snapshots, _) = directory::snapshots(&self.file, header.snapshots, header.snapshots_offset)?;
        let object = Object::numbered("snapshot", to_u64(number));
        let Some(found) = snapshots.get(number) else {
            return Err(object.corrupt("number", number, format!("less than {}", snapshots.len())));
        };
        header.size = found.disk_size.unwrap_or(header.size);
        let table = L1Table { size: header.size, offset: found.l1_offset, entries: found.l1_size };
        let extended = header.has(layout::incompatible::EXTENDED_L2);
        header.l1_needed = table.needed(object, self.file.size(), header.cluster_bits, extended)?;
        (header.l1_offset, header.l1_size) = (found.l1_offset, found.l1_size);
        l1::check(&self.file, header)
    }

    /// The backing file's name, byte for byte.
    pub(crate) fn backing_name(&self) -> Option<&[u8]> {
        self.header.backing.as_deref()
    }

    /// The backing file's format, by QEMU's name for it.
    pub(crate) fn backing_format(&self) -> Option<&[u8]> {
        self.header.extensions.backing_format.as_deref()
    }

    /// Whether guest clusters lie in another file.
    pub(crate) fn has_data_file(&self) -> bool {
        self.header.has(layout::incompatible::DATA_FILE)
    }

    /// The data file's name, byte for byte.
    pub(crate) fn data_file_name(&self) -> Option<&[u8]> {
        self.header.extensions.data_file.as_deref()
    }

    /// The device. `data`, with its path, is given if, and only if, [`has_data_file`](Self::has_data_file); `layer` is the image's
    /// number in the chain that shares `caches`.
    pub(crate) fn attach(
        self,
        data: Option<(PathBuf, RawImage)>,
        backing: Option<Box<dyn BlockRead>>,
        layer: u32,
        caches: &Arc<Caches>,
    ) -> Qcow2Image {
        let Self { file, header } = self;
        let geometry = Geometry {
            layer,
            version: header.version,
            cluster_bits: header.cluster_bits,
            extended: header.has(layout::incompatible::EXTENDED_L2),
            data_file: data.as_ref().map(|(_, file)| file.size()),
            size: header.size,
            l1_offset: header.l1_offset,
            l1_needed: header.l1_needed,
        };
        Qcow2Image {
            file,
            data,
            backing,
            header,
            geometry,
            caches: Arc::clone(caches),
            last: LastRun::default(),
        }
    }
}

/// The active state of a qcow2 image: what a guest would see. Made by [`crate::open()`].
pub struct Qcow2Image {
    file: RawImage,
    data: Option<(PathBuf, RawImage)>,
    backing: Option<Box<dyn BlockRead>>,
    header: Header,
    geometry: Geometry,
    caches: Arc<Caches>,
    last: LastRun,
}

impl std::fmt::Debug for Qcow2Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Qcow2Image").field("geometry", &self.geometry).finish_non_exhaustive()
    }
}

impl Qcow2Image {
    /// 2 or 3.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.header.version
    }

    /// Bytes of a cluster.
    #[must_use]
    pub fn cluster_size(&self) -> u64 {
        self.geometry.cluster()
    }

    /// How its compressed clusters, if there are any, are compressed.
    #[must_use]
    pub fn compression(&self) -> Compression {
        self.header.compression
    }

    /// The internal snapshots. The device shows the active state alone.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>> {
        Ok(self.snapshot_table()?.0)
    }

    /// The internal snapshots, and the bytes that describe them.
    fn snapshot_table(&self) -> Result<(Vec<Snapshot>, u64)> {
        directory::snapshots(&self.file, self.header.snapshots, self.header.snapshots_offset)
    }

    /// The names of the persistent bitmaps; none if the image itself says that they are out of date.
    pub fn bitmaps(&self) -> Result<Vec<String>> {
        match self.header.extensions.bitmaps {
            Some(found) if self.header.bitmaps_are_consistent() => {
                let found = directory::bitmaps(&self.file, found, self.cluster_size())?;
                Ok(found.into_iter().map(|bitmap| bitmap.name).collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    /// What a person might want to know before this image is read as it is.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.header.has(layout::incompatible::DIRTY) {
            notes.push(
                "the image was not closed cleanly: its refcounts may be wrong (reading does not use them)",
            );
        }
        if self.header.extensions.bitmaps.is_some() && !self.header.bitmaps_are_consistent() {
            notes.push("its persistent bitmaps are out of date and are not listed");
        }
        notes.into_iter().map(str::to_owned).collect()
    }

    /// The external data file's path.
    pub(crate) fn data_path(&self) -> Option<&Path> {
        self.data.as_ref().map(|(path, _)| path.as_path())
    }

    fn walker(&self) -> Walker<'_> {
        Walker::new(&self.geometry, &self.file, &self.caches.tables)
    }

    /// The file that holds the guest's clusters.
    fn data(&self) -> &RawImage {
        self.data.as_ref().map_or(&self.file, |(_, file)| file)
    }

    fn read_pieces(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let mut walker = self.walker();
        let (mut at, mut rest) = (offset, buf);
        while !rest.is_empty() {
            let (kind, len) = walker.piece(at, to_u64(rest.len()))?;
            let (part, tail) = rest.split_at_mut(to_usize(len));
            match kind {
                Kind::Zero => part.fill(0),
                Kind::Unallocated => self.read_backing(at, part)?,
                Kind::Data(host) => self.data().read_at(host, part)?,
                Kind::Compressed(found) => self.read_compressed(found, at, part)?,
            }
            (at, rest) = (at + len, tail);
        }
        Ok(())
    }

    /// Behind the backing file's end, and without one, everything is zero.
    fn read_backing(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let Some(backing) = &self.backing else {
            buf.fill(0);
            return Ok(());
        };
        let covered = backing.size().saturating_sub(offset).min(to_u64(buf.len()));
        let (front, behind) = buf.split_at_mut(to_usize(covered));
        if !front.is_empty() {
            backing.read_at(offset, front)?;
        }
        behind.fill(0);
        Ok(())
    }

    /// `buf` lies inside one cluster.
    fn read_compressed(&self, found: Compressed, offset: u64, buf: &mut [u8]) -> Result<()> {
        let size = to_usize(self.cluster_size());
        let key = (self.geometry.layer, found.cluster, size);
        let within = to_usize(offset % self.cluster_size());
        if let Some(cluster) = self.caches.clusters.get(key) {
            buf.copy_from_slice(&cluster[within..within + buf.len()]);
            return Ok(());
        }
        let data = read_up_to(&self.file, map::guest_cluster(found.cluster), found.offset, found.len)?;
        // A whole cluster goes straight to where it is wanted: a copy from front to back leaves the cache alone.
        if buf.len() == size {
            compressed::decompress(self.header.compression, &data, buf, found.cluster)?;
            return Ok(());
        }
        let mut cluster = vec![0; size];
        compressed::decompress(self.header.compression, &data, &mut cluster, found.cluster)?;
        buf.copy_from_slice(&cluster[within..within + buf.len()]);
        self.caches.clusters.put(key, &Arc::from(cluster));
        Ok(())
    }

    /// The run at `offset`. What lies in the backing file is for it to say; holes of the file are zero, too.
    fn find_run(&self, offset: u64) -> Result<Run> {
        let mut walker = self.walker();
        let (kind, len) = walker.piece(offset, u64::MAX)?;
        let backing = self.backing.as_ref().filter(|backing| offset < backing.size());
        match (kind, backing) {
            (Kind::Unallocated, Some(backing)) => {
                let below = backing.run_at(offset)?;
                Ok(Run { len: len.min(below.len), zero: below.zero })
            }
            (Kind::Unallocated | Kind::Zero, _) => Ok(Run { len, zero: true }),
            _ => self.find_data(walker, offset, kind, len),
        }
    }

    /// The run of data that starts with a piece of `kind`, or the hole of the file that the piece starts with.
    fn find_data(&self, mut walker: Walker<'_>, offset: u64, mut kind: Kind, mut len: u64) -> Result<Run> {
        let mut end = offset;
        for _ in 0..PIECES {
            match kind {
                Kind::Data(host) => {
                    let stored = self.data().run_at(host)?;
                    let part = len.min(stored.len);
                    if stored.zero && end == offset {
                        return Ok(Run { len: part, zero: true });
                    }
                    if stored.zero {
                        break;
                    }
                    end += part;
                    if part < len {
                        break;
                    }
                }
                Kind::Compressed(_) => end += len,
                Kind::Unallocated | Kind::Zero => break,
            }
            if end == self.size() {
                break;
            }
            // A bad entry behind this run is an error once it is asked for.
            let Ok(next) = walker.piece(end, u64::MAX) else { break };
            (kind, len) = next;
        }
        Ok(Run { len: end - offset, zero: false })
    }
}

impl BlockRead for Qcow2Image {
    fn size(&self) -> u64 {
        self.geometry.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        check_range(self.size(), offset, buf.len())?;
        self.read_pieces(offset, buf).map_err(io::Error::from)
    }

    fn run_at(&self, offset: u64) -> io::Result<Run> {
        check_range(self.size(), offset, 1)?;
        self.last.at(offset, || self.find_run(offset).map_err(io::Error::from))
    }
}
