//! The qcow2 format's fields, bits and masks, as in QEMU's `docs/interop/qcow2.rst`. All numbers are big-endian.
//!
//! One constant per field, named as the specification names it. Reader and writer share these and nothing else.

use crate::field::{Be16, Be32, Be64, Bytes, U8};

/// `QFI\xfb`: the first four bytes of every qcow and qcow2 file.
pub const MAGIC_VALUE: u32 = 0x5146_49fb;
/// Bytes of a version 2 header; extensions follow.
pub const HEADER_LENGTH_V2: usize = 72;
/// Bytes that a version 3 header has at least, up to and including `header_length`.
pub const HEADER_LENGTH_V3: usize = 104;
/// Bytes of the header that ends with `compression_type` and its padding, as QEMU writes it.
pub const HEADER_LENGTH_COMPRESSION: usize = 112;
/// Smallest `cluster_bits`: 512 bytes.
pub const CLUSTER_BITS_MIN: u32 = 9;
/// Largest `cluster_bits` (QEMU's limit): 2 MiB.
pub const CLUSTER_BITS_MAX: u32 = 21;
/// Smallest `cluster_bits` with extended L2 entries: 16 KiB.
pub const CLUSTER_BITS_MIN_EXTENDED: u32 = 14;
/// Largest `refcount_order`: 64 bits.
pub const REFCOUNT_ORDER_MAX: u32 = 6;
/// Longest name of a backing file, in bytes.
pub const BACKING_FILE_SIZE_MAX: u32 = 1023;
/// Longest L1 table in bytes (QEMU's limit).
pub const L1_BYTES_MAX: u64 = 32 << 20;
/// Longest refcount table in bytes (QEMU's limit).
pub const REFCOUNT_TABLE_BYTES_MAX: u64 = 8 << 20;

/// Fields of the header.
pub mod header {
    use super::{Be32, Be64, U8};

    /// [`super::MAGIC_VALUE`].
    pub const MAGIC: Be32 = Be32(0);
    /// 2 or 3.
    pub const VERSION: Be32 = Be32(4);
    /// File offset of the backing file's name; 0: no backing file.
    pub const BACKING_FILE_OFFSET: Be64 = Be64(8);
    /// Bytes of the backing file's name.
    pub const BACKING_FILE_SIZE: Be32 = Be32(16);
    /// A cluster has 1 << this many bytes.
    pub const CLUSTER_BITS: Be32 = Be32(20);
    /// Virtual disk size in bytes.
    pub const SIZE: Be64 = Be64(24);
    /// 0 none, 1 AES, 2 LUKS.
    pub const CRYPT_METHOD: Be32 = Be32(32);
    /// Entries of the active L1 table.
    pub const L1_SIZE: Be32 = Be32(36);
    /// File offset of the active L1 table, cluster-aligned.
    pub const L1_TABLE_OFFSET: Be64 = Be64(40);
    /// File offset of the refcount table, cluster-aligned.
    pub const REFCOUNT_TABLE_OFFSET: Be64 = Be64(48);
    /// Clusters of the refcount table.
    pub const REFCOUNT_TABLE_CLUSTERS: Be32 = Be32(56);
    /// Entries of the snapshot table.
    pub const NB_SNAPSHOTS: Be32 = Be32(60);
    /// File offset of the snapshot table, cluster-aligned.
    pub const SNAPSHOTS_OFFSET: Be64 = Be64(64);
    /// [`super::incompatible`] (version 3).
    pub const INCOMPATIBLE_FEATURES: Be64 = Be64(72);
    /// [`super::compatible`] (version 3).
    pub const COMPATIBLE_FEATURES: Be64 = Be64(80);
    /// [`super::autoclear`] (version 3).
    pub const AUTOCLEAR_FEATURES: Be64 = Be64(88);
    /// A refcount has 1 << this many bits (version 3; version 2: 4).
    pub const REFCOUNT_ORDER: Be32 = Be32(96);
    /// Bytes of the header, a multiple of 8 (version 3).
    pub const HEADER_LENGTH: Be32 = Be32(100);
    /// 0 deflate, 1 zstd. Present if `header_length` exceeds its offset.
    pub const COMPRESSION_TYPE: U8 = U8(104);
}

/// Bits of `incompatible_features`: who does not know one must not open the image.
pub mod incompatible {
    /// Refcounts may be wrong (lazy refcounts).
    pub const DIRTY: u64 = 1 << 0;
    /// Any structure may be wrong.
    pub const CORRUPT: u64 = 1 << 1;
    /// Guest clusters lie in an external data file.
    pub const DATA_FILE: u64 = 1 << 2;
    /// `compression_type` is not deflate.
    pub const COMPRESSION_TYPE: u64 = 1 << 3;
    /// L2 entries have 16 bytes and 32 subclusters each.
    pub const EXTENDED_L2: u64 = 1 << 4;
    /// All that are known.
    pub const KNOWN: u64 = DIRTY | CORRUPT | DATA_FILE | COMPRESSION_TYPE | EXTENDED_L2;
}

/// Bits of `compatible_features`.
pub mod compatible {
    /// Refcount updates may be postponed.
    pub const LAZY_REFCOUNTS: u64 = 1 << 0;
}

/// Bits of `autoclear_features`.
pub mod autoclear {
    /// The bitmaps extension is consistent.
    pub const BITMAPS: u64 = 1 << 0;
    /// The external data file reads as the disk by itself.
    pub const DATA_FILE_RAW: u64 = 1 << 1;
}

/// Header extensions: a type, a length, that many bytes, padding to a multiple of 8.
pub mod extension {
    use super::{Be32, Be64};

    /// Which of the types below.
    pub const TYPE: Be32 = Be32(0);
    /// Bytes of data.
    pub const LENGTH: Be32 = Be32(4);
    /// Where the data starts: the bytes of `TYPE` and `LENGTH`.
    pub const DATA: usize = 8;

    /// End of the extension area.
    pub const END: u32 = 0;
    /// Backing file format name, a string.
    pub const BACKING_FORMAT: u32 = 0xe279_2aca;
    /// Feature name table, see [`super::feature_name`].
    pub const FEATURE_NAME_TABLE: u32 = 0x6803_f857;
    /// Bitmaps.
    pub const BITMAPS: u32 = 0x2385_2875;
    /// Full disk encryption header pointer.
    pub const CRYPTO_HEADER: u32 = 0x0537_be77;
    /// External data file name, a string.
    pub const DATA_FILE: u32 = 0x4441_5441;

    /// In the bitmaps extension's data: number of bitmaps.
    pub const NB_BITMAPS: Be32 = Be32(0);
    /// In the bitmaps extension's data: bytes of the bitmap directory.
    pub const BITMAP_DIRECTORY_SIZE: Be64 = Be64(8);
    /// In the bitmaps extension's data: file offset of the bitmap directory.
    pub const BITMAP_DIRECTORY_OFFSET: Be64 = Be64(16);
    /// Bytes of the bitmaps extension's data.
    pub const BITMAPS_LENGTH: usize = 24;
}

/// An entry of the feature name table.
pub mod feature_name {
    use super::{Bytes, U8};

    /// Bytes of an entry.
    pub const SIZE: usize = 48;
    /// [`INCOMPATIBLE`], [`COMPATIBLE`] or [`AUTOCLEAR`].
    pub const TYPE: U8 = U8(0);
    /// Bit number in that bitmask.
    pub const BIT: U8 = U8(1);
    /// Name, padded with zeros.
    pub const NAME: Bytes<46> = Bytes(2);

    /// The bit is one of `incompatible_features`.
    pub const INCOMPATIBLE: u8 = 0;
    /// The bit is one of `compatible_features`.
    pub const COMPATIBLE: u8 = 1;
    /// The bit is one of `autoclear_features`.
    pub const AUTOCLEAR: u8 = 2;
}

/// Entries of the L1 table, 8 bytes each.
pub mod l1 {
    /// Bytes of an entry.
    pub const ENTRY_SIZE: u64 = 8;
    /// File offset of the L2 table; 0: none.
    pub const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;
    /// The L2 table's refcount is exactly one.
    pub const COPIED: u64 = 1 << 63;
    /// Must be zero.
    pub const RESERVED_MASK: u64 = !(OFFSET_MASK | COPIED);
}

/// Entries of an L2 table, 8 bytes each, 16 if extended.
pub mod l2 {
    /// Bytes of an entry.
    pub const ENTRY_SIZE: u64 = 8;
    /// Bytes of an extended entry: the standard entry, then the subcluster bitmap.
    pub const EXTENDED_ENTRY_SIZE: u64 = 16;
    /// Host offset in a standard cluster descriptor; 0: unallocated.
    pub const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;
    /// The cluster's refcount is exactly one.
    pub const COPIED: u64 = 1 << 63;
    /// The descriptor is that of a compressed cluster.
    pub const COMPRESSED: u64 = 1 << 62;
    /// The cluster reads as zeros (version 3, not with extended entries).
    pub const ZERO: u64 = 1 << 0;
    /// Must be zero in the entry of a standard cluster.
    pub const RESERVED_MASK: u64 = !(OFFSET_MASK | COPIED | COMPRESSED | ZERO);
    /// Subclusters of a cluster in an image with extended entries.
    pub const SUBCLUSTERS: u32 = 32;
    /// A compressed cluster's length counts sectors of this many bytes.
    pub const COMPRESSED_SECTOR: u64 = 512;

    /// Bits of a compressed cluster descriptor that hold the host offset; the bits above, up to 61, hold the
    /// number of additional sectors.
    #[must_use]
    pub const fn compressed_offset_bits(cluster_bits: u32) -> u32 {
        62 - (cluster_bits - 8)
    }
}

/// An entry of the snapshot table.
pub mod snapshot {
    use super::{Be16, Be32, Be64};

    /// Bytes before the extra data, the ID and the name.
    pub const FIXED_SIZE: usize = 40;
    /// File offset of the snapshot's L1 table.
    pub const L1_TABLE_OFFSET: Be64 = Be64(0);
    /// Entries of the snapshot's L1 table.
    pub const L1_SIZE: Be32 = Be32(8);
    /// Bytes of the ID.
    pub const ID_SIZE: Be16 = Be16(12);
    /// Bytes of the name.
    pub const NAME_SIZE: Be16 = Be16(14);
    /// Seconds since the epoch.
    pub const DATE_SEC: Be32 = Be32(16);
    /// Bytes of the VM state, unless the extra data holds it.
    pub const VM_STATE_SIZE: Be32 = Be32(32);
    /// Bytes of the extra data.
    pub const EXTRA_DATA_SIZE: Be32 = Be32(36);
    /// In the extra data: bytes of the VM state.
    pub const EXTRA_VM_STATE_SIZE: Be64 = Be64(0);
    /// In the extra data: virtual disk size in bytes (version 3).
    pub const EXTRA_DISK_SIZE: Be64 = Be64(8);
}

/// An entry of the bitmap directory.
pub mod bitmap {
    use super::{Be16, Be32, Be64};

    /// Bytes before the extra data and the name.
    pub const FIXED_SIZE: usize = 24;
    /// File offset of the bitmap table, cluster-aligned.
    pub const TABLE_OFFSET: Be64 = Be64(0);
    /// Entries of the bitmap table.
    pub const TABLE_SIZE: Be32 = Be32(8);
    /// Bytes of the name.
    pub const NAME_SIZE: Be16 = Be16(18);
    /// Bytes of the extra data.
    pub const EXTRA_DATA_SIZE: Be32 = Be32(20);
    /// In an entry of a bitmap table (8 bytes): file offset of a cluster of the bitmap; 0: none.
    pub const ENTRY_OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;
}

/// Entries of the refcount table, 8 bytes each.
pub mod refcount {
    /// Bytes of an entry.
    pub const ENTRY_SIZE: u64 = 8;
    /// File offset of the refcount block; 0: none, all its refcounts are 0.
    pub const OFFSET_MASK: u64 = 0xffff_ffff_ffff_fe00;
    /// `refcount_order` of a version 2 image: 16 bits.
    pub const ORDER_V2: u32 = 4;
}
