//! What a judgement can find. Never holds a byte of what was found.

use std::fmt;

use serde::Serialize;

use crate::second::Reader;

/// Where bytes lie that should be zero, or that two witnesses see differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Region {
    /// Outside all partitions.
    Gap,
    /// In a volume, but not allocated.
    Free,
    /// In an emptied journal.
    Journal,
    /// In extents that were never written.
    Unwritten,
    /// Behind the end of a file.
    Slack,
    /// In inode slots that hold no inode.
    DeadInode,
    /// In padding and reserved blocks.
    Reserved,
    /// In a cluster that its file does not map.
    Unmapped,
    /// In a swap area.
    Swap,
    /// In a volume without a filesystem.
    Empty,
    /// In a volume that cannot be read.
    Opaque,
    /// Allocated, but owned by nothing.
    Unowned,
    /// Owned, but free in the allocation bitmap: the filesystem is inconsistent.
    OwnedButFree,
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gap => "outside all partitions",
            Self::Free => "in free blocks",
            Self::Journal => "in the journal",
            Self::Unwritten => "in unwritten extents",
            Self::Slack => "in file slack",
            Self::DeadInode => "in dead inodes",
            Self::Reserved => "in reserved blocks",
            Self::Unmapped => "in unmapped blocks of clusters",
            Self::Swap => "in the swap area",
            Self::Empty => "in a volume without a filesystem",
            Self::Opaque => "in a volume that cannot be read",
            Self::Unowned => "allocated, but owned by nothing",
            Self::OwnedButFree => "owned by files, but free in the bitmaps",
        })
    }
}

/// One thing that should not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Finding {
    /// Bytes that nothing live claims are not zero.
    Residue {
        /// Partition number, if in one.
        volume: Option<u32>,
        /// What kind of place.
        region: Region,
        /// Disk offset of the first of them.
        first: u64,
        /// How many, zeros between them included.
        bytes: u64,
    },
    /// What was to stay has changed, or what was to go is there.
    NotRetained {
        /// Partition number.
        volume: u32,
        /// What, in a sentence.
        difference: String,
    },
    /// Another reader sees something else.
    Disagreement {
        /// Who.
        reader: Reader,
        /// Partition number; `None` for the table itself.
        volume: Option<u32>,
        /// What, in a sentence.
        difference: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let volume = |volume: &Option<u32>| match volume {
            Some(number) => format!("volume {number}: "),
            None => String::new(),
        };
        match self {
            Self::Residue { volume: number, region, first, bytes } => {
                write!(f, "{}{bytes} bytes {region}, the first at offset {first}", volume(number))
            }
            Self::NotRetained { volume, difference } => write!(f, "volume {volume}: {difference}"),
            Self::Disagreement { reader, volume: number, difference } => {
                write!(f, "{}{reader} disagrees: {difference}", volume(number))
            }
        }
    }
}
