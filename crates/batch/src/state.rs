//! What has become of a row, by what lies beside its output. Nobody is asked.

use std::fs;

use serde::Serialize;

use crate::{
    Failure, Record, Row, Stamp, beside,
    record::{read_failure, read_record},
};

/// What has become of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    /// Its output is there, clean and verified.
    Clean,
    /// It was cleaned, and findings remain; there is an output if `written`.
    Findings {
        /// Whether there is an output.
        written: bool,
    },
    /// It could not be cleaned.
    Failed {
        /// The exit code.
        code: u8,
        /// One sentence.
        reason: String,
    },
    /// What is there is not, or no longer, of this row.
    Stale {
        /// What does not match.
        reason: String,
    },
    /// Nothing is there yet.
    Missing,
}

impl State {
    /// Whether another run would do the same again: the image is clean, has findings, or is corrupt or unsupported.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Clean | Self::Findings { .. } | Self::Failed { code: 65, .. })
    }

    /// The word for it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Findings { .. } => "findings",
            Self::Failed { .. } => "failed",
            Self::Stale { .. } => "stale",
            Self::Missing => "missing",
        }
    }

    /// Why it is not clean.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Clean | Self::Missing => "",
            Self::Findings { written: true } => "the output was written, but findings remain: see its report",
            Self::Findings { written: false } => {
                "the output did not pass verification and was not written: see its report"
            }
            Self::Failed { reason, .. } | Self::Stale { reason } => reason,
        }
    }
}

/// What is there of a row.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// The input; `None` if it is gone, which is no harm once it is cleaned.
    pub input: Option<Stamp>,
    /// The output.
    pub output: Option<Stamp>,
    /// The report, or why it cannot be read.
    pub record: Option<Result<Record, String>>,
    /// Why there is no output, or why that cannot be read.
    pub failure: Option<Result<Failure, String>>,
}

/// Looks at what is there of a row.
#[must_use]
pub fn look(row: &Row) -> Beside {
    let stamp = |path| fs::metadata(path).ok().map(|metadata| Stamp::from(&metadata));
    let names = beside(row.output());
    Beside {
        input: stamp(row.input()),
        output: stamp(row.output()),
        record: read_record(&names.report),
        failure: read_failure(&names.failure),
    }
}

/// Judges what is there. `digest` reads the output and gives its digest as reports have it; it is asked if the output's
/// size or time are not those of the report, or if `read` wants every output read.
pub fn judge(
    row: &Row,
    version: &str,
    beside: &Beside,
    read: bool,
    digest: impl FnOnce() -> Result<String, String>,
) -> State {
    let stale = |reason: String| State::Stale { reason };
    if beside.input.as_ref().is_some_and(|input| *input != row.stamp) {
        return stale("the input changed after the plan was made".to_owned());
    }
    let record = match &beside.record {
        Some(Ok(record)) => record,
        Some(Err(error)) => return stale(format!("its report cannot be read: {error}")),
        None => {
            return match &beside.failure {
                Some(Ok(Failure { version: of, batch, reason, .. }))
                    if of == version && batch.differs(row).is_none() =>
                {
                    State::Failed { code: batch.exit_code, reason: reason.clone() }
                }
                Some(Ok(_)) => stale("it failed with another input, policy or version".to_owned()),
                Some(Err(error)) => stale(format!("the file with its failure cannot be read: {error}")),
                None if beside.input.is_none() => {
                    State::Failed { code: 2, reason: format!("{}: the input is not there", row.input) }
                }
                None => State::Missing,
            };
        }
    };
    let commit = record.commit();
    if let Some(what) = commit.differs(row) {
        return stale(what.to_owned());
    }
    if record.tool.version != version {
        return stale(format!("it was made by version {}", record.tool.version));
    }
    match (&commit.output, &beside.output) {
        (None, _) if commit.exit_code == 0 => return stale("its report names no output".to_owned()),
        (None, _) => return State::Findings { written: false },
        (Some(_), None) => return stale("its output is gone".to_owned()),
        (Some(then), Some(now)) if then != now || read => match digest() {
            Ok(digest) if digest == record.image.digest() => {}
            Ok(_) => return stale("its output is not what the report speaks of".to_owned()),
            Err(error) => return stale(format!("its output cannot be read: {error}")),
        },
        (Some(_), Some(_)) => {}
    }
    if commit.exit_code == 0 { State::Clean } else { State::Findings { written: true } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plan::tests::plan, record::tests::report};

    const GOOD: &str = "blake3-64k:00ff";

    fn stamp(size: u64) -> Stamp {
        Stamp { size, modified: "2.000000000".to_owned() }
    }

    fn done(row: &Row) -> Beside {
        Beside {
            input: Some(row.stamp.clone()),
            output: Some(stamp(9)),
            record: Some(Ok(serde_json::from_value(report(row, &stamp(9))).unwrap())),
            failure: None,
        }
    }

    fn state(row: &Row, beside: &Beside) -> State {
        judge(row, "0.1.0", beside, false, || Ok(GOOD.to_owned()))
    }

    #[test]
    fn a_report_that_matches_is_done() {
        let row = &plan(&[("a.raw", 5)], 1).unwrap().rows[0];
        let all = done(row);
        let unread = || panic!("size and time are the report's");
        assert_eq!(judge(row, "0.1.0", &all, false, unread), State::Clean);
        // An input that was deleted afterwards, and an output that was copied.
        assert_eq!(state(row, &Beside { input: None, ..all.clone() }), State::Clean);
        assert_eq!(state(row, &Beside { output: Some(stamp(8)), ..all.clone() }), State::Clean);
        let planned = Beside { input: all.input, ..Beside::default() };
        assert_eq!(state(row, &planned), State::Missing);
        assert_eq!(state(row, &Beside::default()).reason(), "/in/a.raw: the input is not there");
    }

    #[test]
    fn whatever_does_not_match_is_stale() {
        let row = &plan(&[("a.raw", 5)], 1).unwrap().rows[0];
        let all = done(row);
        let said = |row: &Row, version: &str, beside: &Beside, digest: &str| {
            let state = judge(row, version, beside, true, || Ok(digest.to_owned()));
            assert_eq!(state.word(), "stale");
            state.reason().to_owned()
        };
        let other = Row { policy: "p2".to_owned(), ..row.clone() };
        assert!(said(&other, "0.1.0", &all, GOOD).starts_with("it was made by another policy"));
        assert_eq!(said(row, "0.2.0", &all, GOOD), "it was made by version 0.1.0");
        assert_eq!(said(row, "0.1.0", &all, "other"), "its output is not what the report speaks of");
        let gone = Beside { output: None, ..all.clone() };
        assert_eq!(said(row, "0.1.0", &gone, GOOD), "its output is gone");
        let changed = Beside { input: Some(stamp(1)), ..all.clone() };
        assert_eq!(said(row, "0.1.0", &changed, GOOD), "the input changed after the plan was made");
        let broken = Beside { record: Some(Err("no JSON".to_owned())), ..all };
        assert_eq!(said(row, "0.1.0", &broken, GOOD), "its report cannot be read: no JSON");
    }

    #[test]
    fn a_failure_is_one_as_long_as_it_matches() {
        let row = &plan(&[("a.raw", 5)], 1).unwrap().rows[0];
        let failed =
            |code| Beside { failure: Some(Ok(Failure::new(row, "0.1.0", code, "no"))), ..Beside::default() };
        let broken = state(row, &failed(65));
        assert_eq!(broken, State::Failed { code: 65, reason: "no".to_owned() });
        assert!(broken.is_final() && !state(row, &failed(74)).is_final() && !State::Missing.is_final());
        let newer = judge(row, "0.2.0", &failed(65), false, || Ok(String::new()));
        assert_eq!(newer.word(), "stale");
    }

    #[test]
    fn findings_are_told_from_clean() {
        let row = &plan(&[("a.raw", 5)], 1).unwrap().rows[0];
        let mut value = report(row, &stamp(9));
        value["clean"]["batch"]["exit_code"] = 1.into();
        let with = |value: &serde_json::Value| Beside {
            record: Some(Ok(serde_json::from_value(value.clone()).unwrap())),
            ..done(row)
        };
        assert_eq!(state(row, &with(&value)), State::Findings { written: true });
        value["clean"]["batch"]["output"] = serde_json::Value::Null;
        assert_eq!(state(row, &with(&value)), State::Findings { written: false });
    }
}
