//! Audits: what a guest's configuration means to whoever publishes the image, told bullet by bullet of a guideline.
//!
//! A [`Check`] reads the guest and says what it saw, how bad it is and what to do. A [`Bullet`] is what a guideline
//! asks, and the questions that answer it: checks, rules by path, secrets by content, residue. [`table()`] puts the
//! answers in the order of the document. Nothing is ever changed, and no answer holds a byte of a secret.

mod accounts;
mod bullet;
mod bullets;
mod check;
pub mod checks;
mod cloud_init;
mod day;
mod evidence;
mod hashes;
mod judgement;
mod markdown;
mod packages;
mod services;
mod settings;
mod sudoers;
mod system;
mod table;
#[cfg(test)]
mod testing;
mod walk;

pub use bullet::{Bullet, Guideline, Question, bullets, sources};
pub use check::{Check, Observation, Severity, observe};
pub use evidence::Evidence;
pub use judgement::acceptable;
pub use markdown::guidelines_markdown;
pub use system::{Item, System};
pub use table::{Answers, Row, Status, Table, table};
