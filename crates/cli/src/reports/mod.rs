//! `--report FILE`, once or more often: the name says the format. A report appears complete or not at all.

mod allow;
mod clean;
mod scan;
mod verify;

use std::{
    env,
    fs::File,
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use attest::Resource;
use block::{FileId, OutputFile};
use report::{Command, Format, Image, Report, Tool, visible};
use serde::{Deserialize, Serialize};

use crate::{attestation, failure::Failure, output};

pub(crate) use self::{
    allow::{read_allow, write_allow},
    clean::clean,
    scan::scanned,
    verify::examined,
};

/// Reports that are started, but have no name yet.
pub(crate) struct ReportFiles(Vec<(Format, OutputFile)>);

impl ReportFiles {
    /// Starts the reports, so that one that cannot be costs no run. They replace older ones, but neither an input, nor
    /// the output, nor each other.
    pub(crate) fn create(
        paths: &[PathBuf],
        outputs: &[&OutputFile],
        inputs: &[FileId],
    ) -> Result<Self, Failure> {
        let mut files: Vec<(Format, OutputFile)> = Vec::with_capacity(paths.len());
        for path in paths {
            let format = Format::of(path).ok_or_else(|| {
                Failure::usage(format_args!(
                    "{}: a report's name ends in {}",
                    path.display(),
                    Format::ENDINGS
                ))
            })?;
            let file = OutputFile::create(path, true, inputs).map_err(|error| Failure::naming(&error))?;
            if is_no_report(path).map_err(|error| Failure::output(path, &error))? {
                return Err(Failure::usage(format_args!(
                    "{}: is there, and no report: a report replaces nothing else",
                    path.display()
                )));
            }
            let same =
                |other: &OutputFile| file.same_name(other).map_err(|error| Failure::output(path, &error));
            for output in outputs {
                if same(output)? {
                    return Err(Failure::usage(format_args!(
                        "{}: is the output, not a place for its report",
                        path.display()
                    )));
                }
            }
            for (_, other) in &files {
                if same(other)? {
                    return Err(Failure::usage(format_args!("{}: is named for two reports", path.display())));
                }
            }
            files.push((format, file));
        }
        Ok(Self(files))
    }

    /// The files, which have no names yet.
    pub(crate) fn files(&self) -> impl Iterator<Item = &OutputFile> {
        self.0.iter().map(|(_, file)| file)
    }

    /// Writes the reports.
    pub(crate) fn write(&self, report: &dyn Writes) -> Result<(), Failure> {
        for (format, file) in &self.0 {
            let mut out = BufWriter::new(file.file());
            let written = report.write(*format, &mut out).and_then(|()| out.flush());
            written.map_err(|error| Failure::output(file.path(), &error))?;
        }
        Ok(())
    }

    /// What the reports are known by, once they are written.
    pub(crate) fn digests(&self) -> Result<Vec<Resource>, Failure> {
        let digest = |file: &OutputFile| {
            let sha256 = attestation::sha256(file.file());
            let sha256 = sha256.map_err(|error| Failure::output(file.path(), &error))?;
            Ok(Resource::new(&attestation::name_of(file.path()), "sha256", &sha256))
        };
        self.files().map(digest).collect()
    }

    /// Writes the reports, then gives each its name.
    pub(crate) fn publish(self, report: &Report) -> Result<(), Failure> {
        self.write(report)?;
        self.name()
    }

    /// Gives each its name, once they are written.
    pub(crate) fn name(self) -> Result<(), Failure> {
        for (_, file) in self.0 {
            file.publish().map_err(|error| Failure::naming(&error))?;
        }
        Ok(())
    }
}

/// Whether there is a file that no report can be, such as a disk image: all formats are text.
fn is_no_report(path: &Path) -> io::Result<bool> {
    let mut front = Vec::new();
    // Nothing else is opened: a FIFO would wait.
    if path.metadata().is_ok_and(|metadata| metadata.is_file()) {
        File::open(path)?.take(4096).read_to_end(&mut front)?;
    }
    Ok(front.contains(&0))
}

/// A report that can be written in every format.
pub(crate) trait Writes {
    fn write(&self, format: Format, out: &mut dyn Write) -> io::Result<()>;
}

impl Writes for Report {
    fn write(&self, format: Format, out: &mut dyn Write) -> io::Result<()> {
        format.write(self, out)
    }
}

/// A report that was written in every format, to be kept until it is true.
#[derive(Serialize, Deserialize)]
pub(crate) struct Rendered {
    /// For the terminal.
    human: String,
    /// In the order of [`Format::ALL`].
    formats: Vec<String>,
}

impl Rendered {
    pub(crate) fn new(report: &Report, human: String) -> Self {
        let render = |format: Format| {
            let mut text = Vec::new();
            format.write(report, &mut text).expect("memory takes every byte");
            String::from_utf8(text).expect("all formats are text")
        };
        Self { human, formats: Format::ALL.map(render).into() }
    }

    /// Prints it to stdout.
    pub(crate) fn print(&self, json: bool) -> Result<(), Failure> {
        if json { output::print(self.of(Format::Json)) } else { output::show(&self.human) }
    }

    fn of(&self, format: Format) -> &str {
        let index = Format::ALL.iter().position(|one| *one == format).expect("all formats are listed");
        self.formats.get(index).map_or("", String::as_str)
    }
}

impl Writes for Rendered {
    fn write(&self, format: Format, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(self.of(format).as_bytes())
    }
}

/// A report of this program on an image, that says nothing yet.
pub(crate) fn new(command: Command, image: Image) -> Result<Report, Failure> {
    let tool = Tool { name: "diskscrub".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    Ok(Report::new(tool, command, started(env::var_os("SOURCE_DATE_EPOCH").as_deref())?, image))
}

/// The image at `path`, without what only a run can tell.
pub(crate) fn image(path: &Path, format: block::Format, size: u64) -> Image {
    Image {
        path: visible(&path.display().to_string()).into_owned(),
        format: format.to_string(),
        size,
        file_size: None,
        digest: None,
    }
}

/// Now, in seconds since 1970; or SOURCE_DATE_EPOCH, so that the same run gives the same report
/// (<https://reproducible-builds.org/specs/source-date-epoch/>).
fn started(epoch: Option<&std::ffi::OsStr>) -> Result<u64, Failure> {
    if let Some(epoch) = epoch {
        let seconds = epoch.to_str().and_then(|text| text.parse().ok());
        return seconds
            .ok_or_else(|| Failure::usage("SOURCE_DATE_EPOCH is not a number of seconds since 1970"));
    }
    // A clock before 1970 is no reason to fail.
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_can_be_set() {
        assert_eq!(started(Some("1769860800".as_ref())).unwrap(), 1_769_860_800);
        assert!(started(Some("-1".as_ref())).is_err() && started(Some("".as_ref())).is_err());
        assert!(started(None).unwrap() > 1_700_000_000);
    }
}
