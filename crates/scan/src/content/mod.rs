//! Rules by content, and the engine that finds what they describe in any bytes: a disk, a file, a piece of swap.
//!
//! [`ContentRule`] is a record: what must occur ([anchors](ContentRule::anchors)), what it looks like
//! ([pattern](ContentRule::pattern)) and what proves it ([check](ContentRule::check)). All bytes are searched for
//! anchors; patterns and checks only ever see a small window around one.
//!
//! Nothing here keeps, returns or prints a byte of a secret: a hit is a rule and a range.

mod anchors;
mod check;
mod digest;
mod engine;
mod holds;
mod overlap;
mod pattern;
mod rule;
pub mod rules;
mod select;
mod stream;
mod sweep;
pub mod unpack;
mod wide;

pub use digest::{Digest, Key};
pub use engine::{Hit, LOOK_AHEAD, LOOK_BACK, Scanner};
pub(crate) use holds::holds;
pub use overlap::Overlaps;
pub(crate) use pattern::compile;
pub use rule::{Candidate, ContentRule, Tier};
pub use select::{find_rule, select, select_among};
pub use stream::sweep_reader;
pub use sweep::{Secret, sweep};
