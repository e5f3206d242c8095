//! Second readers: published crates that read the finished image after our own checks have passed.
//!
//! A reader that refuses a feature, or stops with a panic, has no opinion, which is said: our own checks have passed
//! by then, and fatfs panics on some images that are legal. One that errs, or sees something else, has a difference.

mod cursor;
mod ext4;
mod fat;
mod gpt;
mod noting;
mod tree;

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use serde::Serialize;

use crate::Finding;

pub(crate) use self::tree::{PIECE, SPARSE, read_full};
pub(crate) use self::{ext4::ext4, fat::fat, gpt::gpt, noting::Noting};

/// A published crate that reads what we wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reader {
    /// The crate ext4-view.
    Ext4View,
    /// The crate fatfs.
    Fatfs,
    /// The crate gpt.
    Gpt,
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ext4View => "ext4-view",
            Self::Fatfs => "fatfs",
            Self::Gpt => "gpt",
        })
    }
}

/// What a second reader said of a volume, or of the partition table.
#[derive(Debug, Clone, Serialize)]
pub struct Opinion {
    /// Who.
    pub reader: Reader,
    /// Partition number; `None` for the table.
    pub volume: Option<u32>,
    /// Names compared.
    pub compared: u64,
    /// Why it has no opinion: a feature that it does not read.
    pub refused: Option<String>,
    /// What it sees differently, a sentence each.
    pub differences: Vec<String>,
}

impl Opinion {
    /// A finding for each difference.
    pub(crate) fn findings(&self) -> impl Iterator<Item = Finding> + '_ {
        self.differences.iter().map(|difference| Finding::Disagreement {
            reader: self.reader,
            volume: self.volume,
            difference: difference.clone(),
        })
    }

    /// Takes over what a comparison of trees has come to.
    fn take(&mut self, outcome: tree::Outcome) {
        self.compared = outcome.compared;
        self.refused = outcome.stopped.then(|| STOPPED.to_owned());
        self.differences = outcome.differences;
    }
}

/// Why a reader that panicked has no opinion.
const STOPPED: &str = "it stopped with a panic";

/// Runs a reader that may panic.
fn guarded(reader: Reader, volume: Option<u32>, read: impl FnOnce(&mut Opinion)) -> Opinion {
    let mut opinion = Opinion { reader, volume, compared: 0, refused: None, differences: Vec::new() };
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let outcome = catch_unwind(AssertUnwindSafe(|| read(&mut opinion)));
    std::panic::set_hook(hook);
    if outcome.is_err() {
        opinion.refused = Some(STOPPED.to_owned());
    }
    opinion
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_panics_has_no_opinion() {
        let opinion = guarded(Reader::Fatfs, Some(1), |_| panic!("as fatfs does"));
        assert_eq!(opinion.refused.as_deref(), Some(STOPPED));
        assert_eq!(opinion.differences, [""; 0]);
    }
}
