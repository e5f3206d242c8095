//! How far to go into a file, and what was looked into or left out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;

use super::Kind;

/// How far to go into one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Archives and compressions within each other: `a.tar.gz` has two.
    pub depth: u32,
    /// Bytes that decoders may give, all layers together.
    pub bytes: u64,
    /// Members of archives, all together.
    pub members: u64,
    /// The outermost decoder's memory, as a power of two; each further layer has half of what the one around it has.
    pub window: u32,
}

impl Limits {
    /// For a file of this size. Data that is worth compressing shrinks to a fifth, logs to a fiftieth; a bomb is a
    /// thousand times as large as its file, or without bound.
    #[must_use]
    pub const fn for_file(size: u64) -> Self {
        let scaled = size.saturating_mul(256).saturating_add(64 << 20);
        let most = 4 << 30;
        Self { depth: 5, bytes: if scaled < most { scaled } else { most }, members: 1 << 20, window: 27 }
    }
}

/// Why something was not looked into, or not to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Too many layers around it.
    Depth,
    /// It would have given more bytes than the limit allows.
    Budget,
    /// Too many members.
    Members,
    /// Its decoder needs more memory than the limit allows.
    Memory,
    /// A member of a ZIP archive is encrypted.
    Encrypted,
    /// A way of compression, or of stating a size, that is not known.
    Method,
    /// It is damaged, or cut short.
    Damaged,
    /// The filesystem cannot read the file.
    Unreadable,
    /// A decoder gave up on the whole file: a bug of it, or of ours.
    Failed,
}

impl Reason {
    /// In one word, as it is written in JSON: `budget`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Depth => "depth",
            Self::Budget => "budget",
            Self::Members => "members",
            Self::Memory => "memory",
            Self::Encrypted => "encrypted",
            Self::Method => "method",
            Self::Damaged => "damaged",
            Self::Unreadable => "unreadable",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Depth => "nested too deep",
            Self::Budget => "too large when unpacked",
            Self::Members => "too many members",
            Self::Memory => "need too much memory",
            Self::Encrypted => "encrypted",
            Self::Method => "compressed by an unknown method",
            Self::Damaged => "damaged or cut short",
            Self::Unreadable => "unreadable",
            Self::Failed => "not understood by their decoder",
        })
    }
}

/// What was looked into, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Streams that were given: members, and what compressed files hold.
    pub streams: u64,
    /// Bytes that decoders gave, all layers together.
    pub bytes: u64,
    /// The kinds that were looked into.
    pub kinds: BTreeSet<Kind>,
    /// How many were not looked into, or not to their end. What had been decoded by then was given.
    pub left_out: BTreeMap<Reason, u64>,
}

impl Outcome {
    /// Both together.
    pub fn add(&mut self, other: &Self) {
        self.streams += other.streams;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.kinds.extend(&other.kinds);
        for (reason, number) in &other.left_out {
            *self.left_out.entry(*reason).or_default() += number;
        }
    }
}
