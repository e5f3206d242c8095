//! The same plan, live set and overlay as in the copying mode, carried out where the bytes lie.
//!
//! > `disk[b] = view[b]` if b is live, else 0: the bytes that differ from that are written, and no other.
//!
//! First everything that will be written is put into an *intent log*, synced, while the disk is still untouched
//! ([`intend()`]). Then the log, and nothing else, says what happens ([`IntentLog::carry_out`]): a redo log, so a run that
//! dies at any point is finished by carrying the log out again, and ends in the same bytes. The half-changed disk is
//! never planned on.
//!
//! The log holds new content and positions; of old content only digests.

mod cleaned;
mod execute;
mod identify;
mod intend;
mod log;
mod passes;
mod read;

pub use cleaned::{Cleaned, clean_view};
pub use execute::{Executed, Failed};
pub use identify::Identity;
pub use intend::{Intended, Totals, intend};
pub use log::{LogError, Meta};
pub use passes::{Orders, Pass, Passes};
pub use read::IntentLog;

pub(crate) use log::Patch;
pub(crate) use passes::Stream;

/// Bytes of a sector: a disk writes at least so many at once, or none.
pub(crate) const SECTOR: u64 = 512;
