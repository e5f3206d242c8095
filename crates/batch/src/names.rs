//! No file is written twice, and none over an input: found out before anything starts.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use block::FileId;

use crate::{Error, Result, Row};

/// What lies beside an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The report of `clean`: the mark that the row is done.
    pub report: PathBuf,
    /// Why there is no output.
    pub failure: PathBuf,
}

/// Names of what lies beside an output.
#[must_use]
pub fn beside(output: &Path) -> Names {
    let name = |ending: &str| {
        let mut name = output.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    Names { report: name(".report.json"), failure: name(".failed.json") }
}

/// What a row writes.
fn written(row: &Row) -> [PathBuf; 3] {
    let Names { report, failure } = beside(row.output());
    [row.output().to_owned(), report, failure]
}

const TWICE: &str = "would be written twice, for";
const INPUT: &str = "would be written, but is the input";

/// The same by their paths alone.
pub(crate) fn check(rows: &[Row]) -> Result<()> {
    let inputs: BTreeMap<&Path, &Row> = rows.iter().map(|row| (row.input(), row)).collect();
    let mut taken: BTreeMap<PathBuf, &Row> = BTreeMap::new();
    for row in rows {
        for path in written(row) {
            if let Some(other) = inputs.get(&*path) {
                return Err(Error::Conflict { path, what: INPUT, of: other.input().to_owned() });
            }
            if let Some(other) = taken.insert(path.clone(), row) {
                return Err(Error::Conflict { path, what: TWICE, of: other.input().to_owned() });
            }
        }
    }
    Ok(())
}

/// The same by the files that paths lead to: links of every kind, and directories with two names. What does not exist
/// yet is told apart by its name in its directory.
///
/// # Errors
/// The first conflict; or that something else than a file has an output's name.
pub fn check_files(rows: &[Row]) -> Result<()> {
    let mut inputs = BTreeMap::new();
    for row in rows {
        if let Ok(metadata) = fs::metadata(row.input()) {
            let id = FileId::from(&metadata);
            inputs.insert((id.device, id.inode), row);
        }
    }
    let (mut files, mut names) = (BTreeMap::new(), BTreeMap::new());
    for row in rows {
        let twice = |path: &Path, other: Option<&Row>| match other {
            Some(other) => {
                let of = other.input().to_owned();
                Err(Error::Conflict { path: path.to_owned(), what: TWICE, of })
            }
            None => Ok(()),
        };
        for path in written(row) {
            if let Some(name) = resolved(&path) {
                twice(&path, names.insert(name, row))?;
            }
            // A link that leads nowhere is somebody's, too.
            let Ok(itself) = fs::symlink_metadata(&path) else { continue };
            if !itself.is_file() {
                return Err(Error::path(path, "exists and is not a regular file"));
            }
            let id = FileId::from(&itself);
            if let Some(other) = inputs.get(&(id.device, id.inode)) {
                return Err(Error::Conflict { path, what: INPUT, of: other.input().to_owned() });
            }
            twice(&path, files.insert((id.device, id.inode), row))?;
        }
    }
    Ok(())
}

/// The path with its directory as it really is, if that exists.
fn resolved(path: &Path) -> Option<PathBuf> {
    Some(fs::canonicalize(path.parent()?).ok()?.join(path.file_name()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Stamp, plan::tests::plan};
    use std::os::unix::fs::symlink;

    #[test]
    fn one_output_for_two_is_refused() {
        let said = |images: &[(&str, u64)]| plan(images, 1).unwrap_err().to_string();
        assert_eq!(
            said(&[("a.raw", 1), ("a.raw.gz", 1)]),
            "/out/a.raw: would be written twice, for /in/a.raw"
        );
        assert_eq!(
            said(&[("a.raw", 1), ("a.raw.report.json", 1)]),
            "/out/a.raw.report.json: would be written twice, for /in/a.raw"
        );
    }

    #[test]
    fn links_are_seen_through() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["in", "out", "in/web"] {
            fs::create_dir(at(name)).unwrap();
        }
        fs::write(at("in/a.raw"), "a").unwrap();
        let row = |input: &str, output: &str| Row {
            id: output.to_owned(),
            shard: 0,
            input: at(input).display().to_string(),
            stamp: Stamp { size: 1, modified: String::new() },
            wrapper: crate::Wrapper::None,
            format: "raw".to_owned(),
            output: at(output).display().to_string(),
            policy: String::new(),
        };
        let said = |rows: &[Row]| check_files(rows).map_err(|error| error.to_string());
        assert_eq!(said(&[row("in/a.raw", "out/a.raw"), row("in/b.raw", "new/b.raw")]), Ok(()));
        fs::hard_link(at("in/a.raw"), at("out/hard.raw")).unwrap();
        let path = |name: &str| at(name).display().to_string();
        assert_eq!(
            said(&[row("in/a.raw", "out/hard.raw")]),
            Err(format!("{}: would be written, but is the input {}", path("out/hard.raw"), path("in/a.raw")))
        );
        symlink("out", at("again")).unwrap();
        assert_eq!(
            said(&[row("in/a.raw", "out/x.raw"), row("in/b.raw", "again/x.raw")]),
            Err(format!("{}: would be written twice, for {}", path("again/x.raw"), path("in/a.raw")))
        );
        symlink("/nowhere", at("out/link.raw")).unwrap();
        assert_eq!(
            said(&[row("in/a.raw", "out/link.raw")]),
            Err(format!("{}: exists and is not a regular file", path("out/link.raw")))
        );
    }
}
