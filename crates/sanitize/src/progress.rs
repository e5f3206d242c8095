//! What a caller may show while a run goes on.

/// A stage of a run, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Journals are replayed and trees are searched.
    Survey,
    /// Files are removed and metadata is scrubbed, in the overlay.
    Edit,
    /// Live bytes are copied.
    Copy,
    /// The disk is compared with what it will be, in place.
    Compare,
    /// Dead bytes are overwritten, in place.
    Overwrite,
    /// What was overwritten is read back.
    ReadBack,
    /// The output is handed to the disk.
    Sync,
    /// The output is read again and judged.
    Verify,
}

/// Told of a run's progress, and of what is written.
pub trait Progress: Sync {
    /// A stage begins; `total` bytes are ahead where that is known.
    fn stage(&self, stage: Stage, total: Option<u64>);
    /// The stage has come to this byte.
    fn at(&self, byte: u64);
    /// The output will have these bytes at `offset`: whole mebibytes but at the disk's end, in any order, and from
    /// several threads.
    fn writes(&self, _offset: u64, _bytes: &[u8]) {}
}

/// Shows nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn stage(&self, _: Stage, _: Option<u64>) {}
    fn at(&self, _: u64) {}
}
