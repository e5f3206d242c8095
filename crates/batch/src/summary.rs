//! One summary of all rows.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{Beside, Plan, PolicyName, Row, State};

/// The version of the summary's JSON.
pub const SUMMARY_SCHEMA: &str = "diskscrub-batch-summary/1";

/// What has become of one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SummaryRow {
    /// The row's id.
    pub id: String,
    /// Who was to do it.
    pub shard: u32,
    /// The image.
    pub input: String,
    /// Its bytes.
    pub size: u64,
    /// The clean image.
    pub output: String,
    /// What has become of it.
    #[serde(flatten)]
    pub state: State,
    /// What its report says; `None` if it has none, or one that does not match.
    pub report: Option<Facts>,
}

/// What a report says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// When the run began.
    pub started: String,
    /// Bytes of the guest's disk.
    pub disk: u64,
    /// Digest of the disk before.
    pub input_digest: String,
    /// And after.
    pub output_digest: String,
    /// Files removed or changed.
    pub files: u64,
    /// Bytes of hidden residue dropped.
    pub residue: u64,
    /// What should not be, and is.
    pub findings: usize,
}

/// What has become of a shelf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// [`SUMMARY_SCHEMA`].
    pub schema: &'static str,
    /// Version of diskscrub.
    pub version: String,
    /// `clean` if all rows are; else `incomplete` if some are missing or stale; else `findings`.
    pub verdict: &'static str,
    /// What was applied.
    pub policy: PolicyName,
    /// How many rows are in which state.
    pub counts: BTreeMap<&'static str, usize>,
    /// Bytes of all inputs.
    pub size: u64,
    /// The rows, as the plan has them.
    pub rows: Vec<SummaryRow>,
}

impl SummaryRow {
    /// A row whose state is known.
    #[must_use]
    pub fn new(row: &Row, state: State, beside: &Beside) -> Self {
        let facts = beside.record.as_ref().and_then(|record| record.as_ref().ok()).map(|record| Facts {
            started: record.started.clone(),
            disk: record.image.size,
            input_digest: record.original.digest(),
            output_digest: record.image.digest(),
            files: record.files(),
            residue: record.residue(),
            findings: record.findings(),
        });
        Self {
            id: row.id.clone(),
            shard: row.shard,
            input: row.input.clone(),
            size: row.stamp.size,
            output: row.output.clone(),
            report: facts.filter(|_| matches!(state, State::Clean | State::Findings { .. })),
            state,
        }
    }
}

impl Summary {
    /// Of a plan, by what has become of each of its rows.
    #[must_use]
    pub fn new(plan: &Plan, version: &str, rows: Vec<SummaryRow>) -> Self {
        let mut counts = BTreeMap::new();
        for row in &rows {
            *counts.entry(row.state.word()).or_default() += 1;
        }
        let verdict = match &rows {
            rows if rows.iter().all(|row| row.state == State::Clean) => "clean",
            rows if rows.iter().any(|row| matches!(row.state, State::Stale { .. } | State::Missing)) => {
                "incomplete"
            }
            _ => "findings",
        };
        Self {
            schema: SUMMARY_SCHEMA,
            version: version.to_owned(),
            verdict,
            policy: plan.header.policy.clone(),
            counts,
            size: rows.iter().map(|row| row.size).fold(0, u64::saturating_add),
            rows,
        }
    }

    /// Whether every row is done and clean.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.verdict == "clean"
    }
}
