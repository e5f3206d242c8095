//! Rules by content, and the engine that finds what they describe in any bytes: a disk, a file, a piece of swap.
//!
//! [`ContentRule`] is a record: what must occur ([anchors](ContentRule::anchors)), what it looks like
//! ([pattern](ContentRule::pattern)) and what proves it ([check](ContentRule::check)). All bytes are searched for
//! anchors; patterns and checks only ever see a small window around one.
//!
//! Nothing here keeps, returns or prints a byte of a secret: a hit is a rule and a range.

mod check;
mod rule;
pub mod rules;

pub use rule::{Candidate, ContentRule, Tier};
