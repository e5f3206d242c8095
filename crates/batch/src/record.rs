//! What lies beside an output and says what became of its row: the report of `clean`, or why there is none.
//!
//! Both are written last and appear whole, so that whoever finds one can rely on it. Strings in them are escaped as in
//! every report; what is compared with them is, too.

use std::{collections::BTreeMap, fs::File, io::BufReader, path::Path};

use serde::{Deserialize, Serialize, de::IgnoredAny};

use crate::{Row, Stamp};

/// The version of the file that says why there is no output.
pub const FAILURE_SCHEMA: &str = "diskscrub-batch-failure/1";

/// An input, as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Its path, in the words of a report.
    pub path: String,
    /// Its size and time.
    #[serde(flatten)]
    pub stamp: Stamp,
}

/// What ties a report to a row. It stands in the report, in `clean.batch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// The row's id.
    pub id: String,
    /// Digest of what was applied: the row's `policy`.
    pub settings: String,
    /// What was cleaned.
    pub input: Input,
    /// Size and time of the output; `None` if none was written.
    pub output: Option<Stamp>,
    /// What `clean` ended with: 0, or 1 if findings remain.
    pub exit_code: u8,
}

impl Commit {
    /// Of a row whose output is not known yet.
    #[must_use]
    pub fn of(row: &Row) -> Self {
        Self {
            id: report::visible(&row.id).into_owned(),
            settings: row.policy.clone(),
            input: Input { path: report::visible(&row.input).into_owned(), stamp: row.stamp.clone() },
            output: None,
            exit_code: 0,
        }
    }

    /// Whether it speaks of this row as it is now.
    pub(crate) fn differs(&self, row: &Row) -> Option<&'static str> {
        let now = Self::of(row);
        match self {
            _ if self.settings != now.settings => {
                Some("it was made by another policy, or with other options")
            }
            _ if self.id != now.id || self.input != now.input => Some("it was made from another input"),
            _ => None,
        }
    }
}

/// A row that has no output, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// [`FAILURE_SCHEMA`].
    pub schema: String,
    /// Version of diskscrub.
    pub version: String,
    /// Of which row; its `exit_code` is that of the row.
    pub batch: Commit,
    /// One sentence.
    pub reason: String,
}

impl Failure {
    /// The row ended with this exit code, and said this.
    #[must_use]
    pub fn new(row: &Row, version: &str, exit_code: u8, reason: &str) -> Self {
        Self {
            schema: FAILURE_SCHEMA.to_owned(),
            version: version.to_owned(),
            batch: Commit { exit_code, ..Commit::of(row) },
            reason: report::visible(reason).into_owned(),
        }
    }
}

/// What a summary wants to know of a report. The rest is skipped while it is read, however long it is.
#[derive(Debug, Clone, Deserialize)]
pub struct Record {
    pub(crate) tool: Tool,
    pub(crate) started: String,
    pub(crate) image: Image,
    pub(crate) original: Image,
    findings: Vec<IgnoredAny>,
    removed: Vec<Removed>,
    dropped: BTreeMap<String, u64>,
    clean: Clean,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Tool {
    pub(crate) version: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Image {
    /// Bytes of the guest's disk.
    pub(crate) size: u64,
    digest: Digest,
}

impl Image {
    /// `blake3-64k:` and hexadecimal digits.
    pub(crate) fn digest(&self) -> String {
        format!("{}:{}", self.digest.algorithm, self.digest.value)
    }
}

#[derive(Debug, Clone, Deserialize)]
struct Digest {
    algorithm: String,
    value: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Removed {
    files: u64,
}

#[derive(Debug, Clone, Deserialize)]
struct Clean {
    batch: Commit,
}

impl Record {
    /// What ties it to a row.
    #[must_use]
    pub fn commit(&self) -> &Commit {
        &self.clean.batch
    }

    /// How many findings it has.
    pub(crate) fn findings(&self) -> usize {
        self.findings.len()
    }

    /// Files that were removed or changed.
    pub(crate) fn files(&self) -> u64 {
        self.removed.iter().map(|rule| rule.files).fold(0, u64::saturating_add)
    }

    /// Bytes of hidden residue that were dropped.
    pub(crate) fn residue(&self) -> u64 {
        self.dropped.values().copied().fold(0, u64::saturating_add)
    }
}

/// The report at `path`, if there is one; or why it cannot be read.
#[must_use]
pub fn read_record(path: &Path) -> Option<Result<Record, String>> {
    read(path)
}

/// Why a row has no output, if somebody said so.
#[must_use]
pub fn read_failure(path: &Path) -> Option<Result<Failure, String>> {
    let failure: Result<Failure, String> = read(path)?;
    Some(failure.and_then(|failure| match failure.schema.as_str() {
        FAILURE_SCHEMA => Ok(failure),
        _ => Err(format!("schema is not {FAILURE_SCHEMA}")),
    }))
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<Result<T, String>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => return Some(Err(error.to_string())),
        Ok(file) => file,
    };
    Some(serde_json::from_reader(BufReader::new(file)).map_err(|error| error.to_string()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// A report of `clean`, in so far as anybody here reads it.
    pub(crate) fn report(row: &Row, output: &Stamp) -> Value {
        let image =
            json!({"size": 1 << 20, "digest": {"algorithm": "blake3-64k", "value": "00ff"}, "path": "x"});
        let commit = Commit { output: Some(output.clone()), ..Commit::of(row) };
        json!({
            "tool": {"name": "diskscrub", "version": "0.1.0"}, "started": "2026-01-31T12:00:00Z",
            "image": image, "original": image, "findings": [], "notes": ["not looked at"],
            "removed": [{"rule": "logs", "files": 3, "bytes": 9}, {"rule": "dhcp", "files": 1, "bytes": 1}],
            "dropped": {"free": 10, "slack": 5}, "clean": {"undone": 0, "batch": commit},
        })
    }

    #[test]
    fn reads_what_it_needs() {
        let plan = crate::plan::tests::plan(&[("a\u{202e}.raw", 5)], 1).unwrap();
        let (row, stamp) = (&plan.rows[0], Stamp { size: 1, modified: "2.000000000".to_owned() });
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("r.json");
        assert!(read_record(&path).is_none());
        std::fs::write(&path, report(row, &stamp).to_string()).unwrap();
        let record = read_record(&path).unwrap().unwrap();
        assert_eq!((record.files(), record.residue(), record.findings()), (4, 15, 0));
        assert_eq!(record.image.digest(), "blake3-64k:00ff");
        assert_eq!(record.commit().differs(row), None);
        let other = Row { policy: "other".to_owned(), ..row.clone() };
        assert!(record.commit().differs(&other).unwrap().contains("another policy"));
        let stamp = Stamp { modified: "3.000000000".to_owned(), ..row.stamp.clone() };
        assert!(record.commit().differs(&Row { stamp, ..row.clone() }).unwrap().contains("another input"));

        std::fs::write(&path, "{").unwrap();
        assert!(read_record(&path).unwrap().is_err() && read_failure(&path).unwrap().is_err());
        let failure = Failure::new(row, "0.1.0", 65, "no\u{1b} good");
        std::fs::write(&path, serde_json::to_string(&failure).unwrap()).unwrap();
        assert_eq!(read_failure(&path).unwrap().unwrap(), failure);
        assert_eq!(failure.reason, "no\\u{1b} good");
    }
}
