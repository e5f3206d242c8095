//! The qcow2 header, checked. What it returns can be relied on: sizes within the format's limits, tables aligned
//! and inside the file.

use std::fmt;

use crate::{
    BlockRead, Error, Extent, Object, Result, Unsupported,
    qcow2::{
        extensions::Extensions,
        layout::{self, autoclear, header, incompatible, l1, l2, refcount},
    },
    raw::{RawImage, read_up_to},
    to_u64, to_usize,
};

pub(super) const HEADER: Object = Object::the("qcow2 header");

/// How compressed clusters are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Raw deflate (RFC 1951). QEMU calls it zlib.
    Deflate,
    /// Zstandard.
    Zstd,
}

/// QEMU's name for it.
impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deflate => "zlib",
            Self::Zstd => "zstd",
        })
    }
}

/// What the header says.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) cluster_bits: u32,
    pub(super) size: u64,
    pub(super) l1_offset: u64,
    /// Entries of the L1 table that the virtual size needs.
    pub(super) l1_needed: u64,
    /// All entries of the L1 table. Those behind the needed ones are unchecked.
    pub(super) l1_size: u64,
    /// File offset of the refcount table: aligned, otherwise unchecked.
    pub(super) refcount_table: u64,
    /// Length of the refcount table in clusters. Unchecked.
    pub(super) refcount_clusters: u32,
    /// A refcount has 1 << this many bits.
    pub(super) refcount_order: u32,
    pub(super) snapshots: u32,
    pub(super) snapshots_offset: u64,
    pub(super) incompatible: u64,
    pub(super) autoclear: u64,
    pub(super) compression: Compression,
    /// The backing file's name, as it stands in the image.
    pub(super) backing: Option<Vec<u8>>,
    pub(super) extensions: Extensions,
    /// What of the first cluster holds the header, its extensions and the backing file's name.
    pub(super) used: Vec<Extent>,
}

impl Header {
    /// Reads and checks the header of `file`.
    pub(super) fn read(file: &RawImage) -> Result<Self> {
        let mut start = read_up_to(file, HEADER, 0, to_u64(layout::HEADER_LENGTH_COMPRESSION))?;
        if header::MAGIC.try_get(&start) != Some(layout::MAGIC_VALUE) {
            return Err(HEADER.corrupt("magic", hex(&start[..start.len().min(4)]), "514649fb"));
        }
        if start.len() < layout::HEADER_LENGTH_V2 {
            return Err(HEADER.corrupt("file size", start.len(), "at least 72"));
        }
        let version = header::VERSION.get(&start);
        match version {
            1 => return Err(unsupported("version 1 (the old qcow format)")),
            // The fields that it does not have are zero; a file may end before where they would be.
            2 => start.resize(layout::HEADER_LENGTH_COMPRESSION, 0),
            3 if start.len() >= layout::HEADER_LENGTH_V3 => {}
            3 => return Err(HEADER.corrupt("file size", start.len(), "at least 104")),
            other => return Err(unsupported(format!("version {other}"))),
        }
        let v3 = |value: u64| if version == 2 { 0 } else { value };

        let cluster_bits = header::CLUSTER_BITS.get(&start);
        if !(layout::CLUSTER_BITS_MIN..=layout::CLUSTER_BITS_MAX).contains(&cluster_bits) {
            return Err(HEADER.corrupt("cluster_bits", cluster_bits, "9 to 21"));
        }
        let cluster = 1u64 << cluster_bits;
        let length = header_length(&start, version, cluster)?;
        // The header area is the first cluster; a file may end within it only if nothing else is in it.
        let first = read_up_to(file, HEADER, 0, cluster)?;

        let backing_offset = header::BACKING_FILE_OFFSET.get(&start);
        let area_end = if backing_offset == 0 { cluster } else { backing_offset };
        if area_end < length || area_end > cluster {
            return Err(HEADER.corrupt(
                "backing_file_offset",
                backing_offset,
                format!("{length} to {cluster}"),
            ));
        }
        let area =
            first.get(to_usize(length)..to_usize(area_end.min(to_u64(first.len())))).unwrap_or_default();
        let extensions = Extensions::read(area)?;

        let incompatible = v3(header::INCOMPATIBLE_FEATURES.get(&start));
        check_features(incompatible, &extensions)?;
        if incompatible & incompatible::EXTENDED_L2 != 0 && cluster_bits < layout::CLUSTER_BITS_MIN_EXTENDED {
            return Err(HEADER.corrupt("cluster_bits with extended L2 entries", cluster_bits, "14 to 21"));
        }
        match header::CRYPT_METHOD.get(&start) {
            0 => {}
            1 => return Err(unsupported("AES encryption")),
            2 => return Err(unsupported("LUKS encryption")),
            other => return Err(HEADER.corrupt("crypt_method", other, "0, 1 or 2")),
        }
        let refcount_order = header::REFCOUNT_ORDER.get(&start);
        if version == 3 && refcount_order > layout::REFCOUNT_ORDER_MAX {
            return Err(HEADER.corrupt("refcount_order", refcount_order, "at most 6"));
        }
        let has_type = version == 3 && length > to_u64(header::COMPRESSION_TYPE.0);
        let type_byte = if has_type { header::COMPRESSION_TYPE.get(&start) } else { 0 };

        let table = L1Table {
            size: header::SIZE.get(&start),
            offset: header::L1_TABLE_OFFSET.get(&start),
            entries: header::L1_SIZE.get(&start).into(),
        };
        let extended = incompatible & incompatible::EXTENDED_L2 != 0;
        let l1_needed = table.needed(HEADER, file.size(), cluster_bits, extended)?;
        let refcount_table = header::REFCOUNT_TABLE_OFFSET.get(&start);
        check_aligned("refcount_table_offset", refcount_table, cluster)?;
        let snapshots = header::NB_SNAPSHOTS.get(&start);
        let snapshots_offset = header::SNAPSHOTS_OFFSET.get(&start);
        if snapshots > 0 {
            check_aligned("snapshots_offset", snapshots_offset, cluster)?;
        }
        let backing = backing_name(&start, &first, backing_offset, cluster)?;
        Ok(Self {
            version,
            cluster_bits,
            size: table.size,
            l1_offset: table.offset,
            l1_needed,
            l1_size: table.entries,
            refcount_table,
            refcount_clusters: header::REFCOUNT_TABLE_CLUSTERS.get(&start),
            refcount_order: if version == 2 { refcount::ORDER_V2 } else { refcount_order },
            snapshots,
            snapshots_offset,
            incompatible,
            autoclear: v3(header::AUTOCLEAR_FEATURES.get(&start)),
            compression: compression(type_byte, incompatible)?,
            used: [
                Extent { start: 0, len: length },
                Extent { start: length, len: extensions.len },
                backing.as_ref().map_or(Extent { start: 0, len: 0 }, |name| Extent {
                    start: backing_offset,
                    len: to_u64(name.len()),
                }),
            ]
            .into(),
            backing,
            extensions,
        })
    }

    pub(super) fn has(&self, incompatible_feature: u64) -> bool {
        self.incompatible & incompatible_feature != 0
    }

    pub(super) fn bitmaps_are_consistent(&self) -> bool {
        self.autoclear & autoclear::BITMAPS != 0
    }
}

pub(super) fn unsupported(feature: impl Into<String>) -> Error {
    Unsupported::new(HEADER, feature).into()
}

pub(super) fn check_aligned(field: &'static str, offset: u64, cluster: u64) -> Result<()> {
    if offset.is_multiple_of(cluster) {
        Ok(())
    } else {
        Err(HEADER.corrupt(field, format!("{offset:#x}"), format!("a multiple of {cluster:#x}")))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn header_length(start: &[u8], version: u32, cluster: u64) -> Result<u64> {
    if version == 2 {
        return Ok(to_u64(layout::HEADER_LENGTH_V2));
    }
    let length = u64::from(header::HEADER_LENGTH.get(start));
    let fits = (to_u64(layout::HEADER_LENGTH_V3)..=cluster).contains(&length);
    if !fits || length % 8 != 0 {
        return Err(HEADER.corrupt(
            "header_length",
            length,
            format!("a multiple of 8 from 104 to {cluster}"),
        ));
    }
    // The compression type must not be read from beyond the end of a file that is shorter than its header.
    let needed = length.min(to_u64(layout::HEADER_LENGTH_COMPRESSION));
    if needed > to_u64(start.len()) {
        return Err(HEADER.corrupt("file size", start.len(), format!("at least {needed}")));
    }
    Ok(length)
}

fn check_features(incompatible: u64, extensions: &Extensions) -> Result<()> {
    let unknown = incompatible & !incompatible::KNOWN;
    if unknown != 0 {
        let bit = unknown.trailing_zeros();
        let name = extensions.incompatible_name(bit).map(|name| format!(" ({name})")).unwrap_or_default();
        return Err(unsupported(format!("incompatible feature bit {bit}{name}")));
    }
    if incompatible & incompatible::CORRUPT != 0 {
        return Err(HEADER.corrupt(
            "corrupt bit",
            "set",
            "clear: `qemu-img check -r all` may repair the image",
        ));
    }
    Ok(())
}

/// An L1 table and the disk that it describes, as the image tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct L1Table {
    /// Virtual size in bytes.
    pub(super) size: u64,
    pub(super) offset: u64,
    pub(super) entries: u64,
}

impl L1Table {
    /// How many of its entries are needed. The table is aligned, and lies inside the file.
    pub(super) fn needed(
        self,
        object: Object,
        file_size: u64,
        cluster_bits: u32,
        extended: bool,
    ) -> Result<u64> {
        let Self { size, offset, entries } = self;
        let entry = if extended { l2::EXTENDED_ENTRY_SIZE } else { l2::ENTRY_SIZE };
        let cluster = 1u64 << cluster_bits;
        // At most 2^21 * 2^18 bytes.
        let covered = cluster * (cluster / entry);
        let needed = size.div_ceil(covered);
        if entries > layout::L1_BYTES_MAX / l1::ENTRY_SIZE {
            return Err(object.corrupt("l1_size", entries, "at most 4194304 (32 MiB)"));
        }
        if entries < needed {
            return Err(object.corrupt(
                "l1_size",
                entries,
                format!("at least {needed} for the virtual size"),
            ));
        }
        if !offset.is_multiple_of(cluster) {
            let expected = format!("a multiple of {cluster:#x}");
            return Err(object.corrupt("l1_table_offset", format!("{offset:#x}"), expected));
        }
        let last = file_size.saturating_sub(entries * l1::ENTRY_SIZE);
        if needed > 0 && !(cluster..=last).contains(&offset) {
            let expected = format!("{cluster:#x} to {last:#x}");
            return Err(object.corrupt("l1_table_offset", format!("{offset:#x}"), expected));
        }
        Ok(needed)
    }
}

fn compression(type_byte: u8, incompatible: u64) -> Result<Compression> {
    let flagged = incompatible & incompatible::COMPRESSION_TYPE != 0;
    match (type_byte, flagged) {
        (0, false) => Ok(Compression::Deflate),
        (1, true) => Ok(Compression::Zstd),
        (0, true) => Err(HEADER.corrupt("compression_type", 0, "not 0, as its feature bit is set")),
        (other, true) => Err(unsupported(format!("compression type {other}"))),
        (other, false) => Err(HEADER.corrupt("compression_type", other, "0, as its feature bit is clear")),
    }
}

fn backing_name(start: &[u8], first: &[u8], offset: u64, cluster: u64) -> Result<Option<Vec<u8>>> {
    if offset == 0 {
        return Ok(None);
    }
    let len = header::BACKING_FILE_SIZE.get(start);
    let limit = u64::from(layout::BACKING_FILE_SIZE_MAX).min(cluster.saturating_sub(offset));
    if u64::from(len) > limit || len == 0 {
        return Err(HEADER.corrupt("backing_file_size", len, format!("1 to {limit}")));
    }
    let begin = to_usize(offset);
    let name = first.get(begin..begin + to_usize(u64::from(len)));
    name.map(|name| Some(name.to_vec())).ok_or_else(|| {
        HEADER.corrupt(
            "backing_file_offset",
            offset,
            format!("a name inside the file of {} bytes", first.len()),
        )
    })
}
