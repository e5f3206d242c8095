//! What a report says, before it is written in any format.

use std::collections::BTreeMap;

use audit::{Status, Table};
use serde::{Serialize, Serializer};
use verify::{Finding, Opinion, Place, Region, Shipped};

/// The version of the JSON. A reader that knows this one can read every report that names it: fields are added
/// without a new version, never renamed or removed.
pub const SCHEMA: &str = "diskscrub-report/1";

/// What a run has to say of an image. Field names are the JSON's; docs/report.schema.json describes it.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Who says so.
    pub tool: Tool,
    /// What was asked.
    pub command: Command,
    /// When the run began, in seconds since 1970. Written as `2026-01-31T12:00:00Z`.
    #[serde(serialize_with = "crate::time::serialize")]
    pub started: u64,
    /// The image that was judged; that of `clean` is its output.
    pub image: Image,
    /// What it was made from, or compared with: the input of `clean`, the original of `verify`.
    pub original: Option<Image>,
    /// What was applied to find or to remove files.
    pub policy: Option<Policy>,
    /// Kind of partition table, if it was read.
    pub table: Option<String>,
    /// Bytes of a logical sector.
    pub sector_size: Option<u32>,
    /// The volumes, in the order of the disk's layout.
    pub volumes: Vec<Volume>,
    /// Every byte of the disk, and of the container, by volume and class.
    pub totals: Vec<Total>,
    /// The disk as a picture.
    pub map: Option<Map>,
    /// What was read, and what was not.
    pub coverage: Coverage,
    /// What was unpacked to look inside; `None` if nothing was to be.
    pub archives: Option<Archives>,
    /// What should not be. Empty: the image is clean.
    pub findings: Vec<Finding>,
    /// Where residue lies: runs, zeros between their bytes included; not all of them if there are many.
    pub residue: Vec<Place>,
    /// Runs of residue that are not listed.
    pub unlisted: u64,
    /// The bullets of a guideline, answered; only `audit` asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guideline: Option<Table>,
    /// What was found, and is accepted.
    pub accepted: Vec<Accepted>,
    /// Digests of the allow file that nothing had.
    pub unused: Vec<String>,
    /// Secrets that everybody has: in unchanged files of packages, and copies of these. No findings.
    pub shipped: Vec<Shipped>,
    /// The rules that findings name, for a reader who does not know them.
    pub rules: Vec<Rule>,
    /// What other readers of the same image saw.
    pub opinions: Vec<Opinion>,
    /// Facts on the image file: snapshots, bitmaps, backing files.
    pub container: Vec<String>,
    /// What a user has to know: above all, what was not understood.
    pub notes: Vec<String>,
    /// What `clean` removed or emptied, by rule.
    pub removed: Vec<Removed>,
    /// Bytes of residue that `clean` dropped, by class of place.
    pub dropped: BTreeMap<String, u64>,
    /// What `clean` did, rule by rule and file by file; its own fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clean: Option<serde_json::Value>,
}

impl Report {
    /// A report that says nothing yet.
    #[must_use]
    pub fn new(tool: Tool, command: Command, started: u64, image: Image) -> Self {
        Self {
            tool,
            command,
            started,
            image,
            original: None,
            policy: None,
            table: None,
            sector_size: None,
            volumes: Vec::new(),
            totals: Vec::new(),
            map: None,
            coverage: Coverage::default(),
            archives: None,
            findings: Vec::new(),
            residue: Vec::new(),
            unlisted: 0,
            guideline: None,
            accepted: Vec::new(),
            unused: Vec::new(),
            shipped: Vec::new(),
            rules: Vec::new(),
            opinions: Vec::new(),
            container: Vec::new(),
            notes: Vec::new(),
            removed: Vec::new(),
            dropped: BTreeMap::new(),
            clean: None,
        }
    }

    /// Whether nothing was found, or all of it is accepted. Where a guideline is answered, whether no bullet is failed:
    /// the policy may have weighed a finding as none that fails one.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        match &self.guideline {
            Some(table) => table.count(Status::Failed) == 0,
            None => self.findings.is_empty(),
        }
    }

    /// Bytes of residue in all.
    #[must_use]
    pub fn residue_bytes(&self) -> u64 {
        self.totals.iter().map(Total::residue).fold(0, u64::saturating_add)
    }
}

/// Archives and compressed files that were looked into.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Archives {
    /// Live files that are archives or compressed.
    pub files: u64,
    /// Those of them whose content a package ships: they were not looked into.
    pub shipped: u64,
    /// Streams that were in them, and in each other.
    pub streams: u64,
    /// Bytes that came out.
    pub bytes: u64,
    /// How many streams and members were left out, by reason: `budget`, `encrypted`, `damaged` ...
    pub left_out: BTreeMap<String, u64>,
}

/// What one rule removed or emptied.
#[derive(Debug, Clone, Serialize)]
pub struct Removed {
    /// Its id, or the user's pattern.
    pub rule: String,
    /// How many files.
    pub files: u64,
    /// Their sizes in bytes, summed.
    pub bytes: u64,
}

/// A program.
#[derive(Debug, Clone, Serialize)]
pub struct Tool {
    /// `diskscrub`.
    pub name: String,
    /// `0.1.0`.
    pub version: String,
}

/// What was asked of the tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Which secrets are there.
    Scan,
    /// What is left, byte by byte.
    Verify,
    /// Which bullets of a guideline are met.
    Audit,
    /// Write a clean image, and verify it.
    Clean,
}

impl Command {
    /// The word of the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Verify => "verify",
            Self::Audit => "audit",
            Self::Clean => "clean",
        }
    }
}

/// An image file.
#[derive(Debug, Clone, Serialize)]
pub struct Image {
    /// Its path, as it was given.
    pub path: String,
    /// `raw`, `qcow2`.
    pub format: String,
    /// Size of the guest's disk in bytes.
    pub size: u64,
    /// Length of the file in bytes, if known.
    pub file_size: Option<u64>,
    /// Digest of the guest's disk, if it was taken.
    pub digest: Option<Digest>,
}

/// A digest, and how it was made.
#[derive(Debug, Clone, Serialize)]
pub struct Digest {
    /// `blake3-chunks`, `sha256`.
    pub algorithm: String,
    /// In hexadecimal.
    pub value: String,
}

/// A policy.
#[derive(Debug, Clone, Serialize)]
pub struct Policy {
    /// As it was asked for.
    pub name: String,
    /// Digest of what it came to.
    pub digest: String,
}

/// A volume of the disk.
#[derive(Debug, Clone, Serialize)]
pub struct Volume {
    /// Partition number; 0: the whole disk, or a gap.
    pub number: u32,
    /// What it holds: `ext4`, `vfat`, `swap`, `LUKS`.
    pub content: String,
    /// The type that the partition table declares.
    pub type_name: String,
    /// The name that the partition table gives it; `group/name` of a logical volume.
    pub name: String,
    /// Label of its filesystem.
    pub label: String,
    /// UUID of its filesystem.
    pub uuid: String,
    /// Whether a journal has to be replayed.
    pub dirty: bool,
    /// Whether every byte of it is accounted for. If not, a note says why.
    pub accounted: bool,
    /// Where it lies on the disk.
    pub extents: Vec<Extent>,
}

impl Volume {
    /// `group/name` of a logical volume; empty for all others.
    #[must_use]
    pub fn logical_name(&self) -> &str {
        if self.type_name == "LVM2 logical volume" { &self.name } else { "" }
    }

    /// Size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.extents.iter().map(|extent| extent.length).fold(0, u64::saturating_add)
    }
}

/// A run of bytes of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Extent {
    /// Offset of the first byte.
    pub start: u64,
    /// How many.
    pub length: u64,
}

/// The bytes of one class in one volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Total {
    /// Partition number; `None`: outside volumes, or outside the disk.
    pub volume: Option<u32>,
    /// The class.
    pub region: Region,
    /// How many there are.
    pub bytes: u64,
    /// How many of them are not zero; `None` if nobody asked: they are live, or kept on purpose.
    pub non_zero: Option<u64>,
}

impl Total {
    /// Bytes of it that are not zero although nobody can reach them.
    #[must_use]
    pub fn residue(&self) -> u64 {
        if self.region.is_live() { 0 } else { self.non_zero.unwrap_or(0) }
    }
}

/// The disk cut into pieces of equal size, in order.
#[derive(Debug, Clone, Serialize)]
pub struct Map {
    /// Bytes of a piece; the last may be shorter.
    pub cell_size: u64,
    /// The pieces. In JSON, neighbours that are alike are one object with their `count`.
    #[serde(serialize_with = "runs")]
    pub cells: Vec<Cell>,
}

fn runs<S: Serializer>(cells: &[Cell], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Run {
        count: usize,
        #[serde(flatten)]
        cell: Cell,
    }
    let runs = cells.chunk_by(|a, b| a == b);
    serializer.collect_seq(runs.map(|run| Run { count: run.len(), cell: run[0] }))
}

/// One piece of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// The class of most of its bytes.
    pub region: Region,
    /// Bytes of residue in it. In a run of cells: in each of them.
    pub residue: u64,
}

/// How much of the image was looked at.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Coverage {
    /// Bytes read; holes, which are zero by definition, not counted.
    pub read: u64,
    /// Bytes of holes.
    pub holes: u64,
    /// Bytes that were left out.
    pub skipped: u64,
    /// Live bytes.
    pub live: u64,
    /// How many content rules looked.
    pub rules: u64,
    /// What content was looked into: `gzip`, `tar`.
    pub decoders: Vec<String>,
}

/// A finding that is known, and why it may stay.
#[derive(Debug, Clone, Serialize)]
pub struct Accepted {
    /// What was found.
    pub finding: Finding,
    /// Why it may stay.
    pub reason: String,
}

/// What a rule looks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Its id: `aws-access-key-id`.
    pub id: String,
    /// A few words.
    pub heading: String,
    /// What it means if this is found, and what to do.
    pub explain: String,
}
