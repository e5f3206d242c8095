//! `--allow` and `--write-allow`.

use std::{fs, io::Write, path::Path};

use block::{FileId, OutputFile};
use report::allow::{self, Allow, Key};
use verify::Finding;

use crate::failure::Failure;

/// Reads an allow file.
pub(crate) fn read_allow(path: &Path) -> Result<Allow, Failure> {
    let named = |error: &dyn std::fmt::Display| Failure::usage(format_args!("{}: {error}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| named(&error))?;
    Allow::from_toml(&text).map_err(|error| named(&error))
}

/// Writes an allow file for these findings, to be completed. What has its name stays: its reasons cannot be made again.
pub(crate) fn write_allow(
    path: &Path,
    key: &Key,
    findings: &[Finding],
    inputs: &[FileId],
) -> Result<(), Failure> {
    let file = OutputFile::create(path, false, inputs).map_err(|error| match error.kind() {
        // There is no --force for it.
        std::io::ErrorKind::AlreadyExists => Failure::usage(error),
        _ => Failure::naming(&error),
    })?;
    let written = file.file().write_all(allow::draft(key, findings).as_bytes());
    written.map_err(|error| Failure::output(path, &error))?;
    file.publish().map_err(|error| Failure::naming(&error))
}
