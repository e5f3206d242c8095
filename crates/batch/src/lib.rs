//! Shelves of images: the plan of what is to be cleaned, what has become of each row, and the job files for engines
//! that people already have.
//!
//! Nothing here cleans, prints, waits or locks. The plan is a value, written as lines of JSON; who does which row comes
//! from the plan and from the engine's own number of the task, never from a talk between machines; that a row is done
//! says the report beside its output, which is written last.

pub mod emit;
mod engine;
mod error;
mod gather;
mod lines;
mod names;
mod plan;
mod record;
mod shards;
mod stamp;
mod state;
mod summary;
mod table;
mod unpack;
mod wrapper;

pub use engine::shard_of;
pub use error::{Error, Result};
pub use gather::{Found, Gathered, gather};
pub use names::{Names, beside, check_files};
pub use plan::{Header, Image, PLAN_SCHEMA, Plan, PolicyName, Row};
pub use record::{Commit, FAILURE_SCHEMA, Failure, Input, Record, read_failure, read_record};
pub use stamp::Stamp;
pub use state::{Beside, State, judge, look};
pub use summary::{Facts, SUMMARY_SCHEMA, Summary, SummaryRow};
pub use table::{csv, html, human};
pub use unpack::{Unpacked, unpack};
pub use wrapper::{Wrapper, is_image_name, output_name};
