//! Why a command failed, in one sentence, and the exit code that a pipeline can rely on (sysexits.h).

use std::{fmt, io, path::Path, process::ExitCode};

use block::{Error, TargetError, write::WriteFailed};

/// Findings remain, or a policy is not met.
pub(crate) const FINDINGS: u8 = 1;
/// The command line or the policy file is wrong.
pub(crate) const USAGE: u8 = 2;
/// EX_DATAERR: the image is corrupt or unsupported.
const DATA: u8 = 65;
/// EX_SOFTWARE: a bug of ours.
pub(crate) const BUG: u8 = 70;
/// EX_IOERR: the medium failed.
pub(crate) const IO: u8 = 74;
/// EX_TEMPFAIL: stopped; another try can help.
pub(crate) const AGAIN: u8 = 75;

/// A failure to print and to exit with.
#[derive(Debug)]
pub(crate) struct Failure {
    sentence: String,
    code: u8,
}

impl Failure {
    /// The command line, or a file that it names, is wrong.
    pub(crate) fn usage(sentence: impl fmt::Display) -> Self {
        Self { sentence: sentence.to_string(), code: USAGE }
    }

    /// The image at `path` could not be read, or one of the files that it consists of.
    pub(crate) fn image(path: &Path, error: &Error) -> Self {
        let path = error.file().unwrap_or(path);
        let code = match error {
            Error::Io(error) => io_code(error),
            Error::Unsupported(_) | Error::Corrupt(_) => DATA,
        };
        let hint = match error {
            Error::Corrupt(_) => "; nothing was written",
            Error::Unsupported(what) if what.feature.contains(filesystem::ELSEWHERE) => "; --disk adds it",
            Error::Unsupported(_) | Error::Io(_) => "",
        };
        Self { sentence: format!("{}: {error}{hint}", path.display()), code }
    }

    /// The file at `path` is not what it should be.
    pub(crate) fn malformed(path: &Path, what: &str) -> Self {
        Self { sentence: format!("{}: {what}", path.display()), code: DATA }
    }

    /// The file at `path` could not be written.
    pub(crate) fn output(path: &Path, error: &io::Error) -> Self {
        Self { sentence: format!("{}: {error}", path.display()), code: IO }
    }

    /// The output could not be started, or not be given its name; the error names the file.
    pub(crate) fn naming(error: &io::Error) -> Self {
        let (code, hint) = match error.kind() {
            io::ErrorKind::AlreadyExists if error.to_string().ends_with("exists") => {
                (USAGE, "; --force replaces it")
            }
            io::ErrorKind::AlreadyExists | io::ErrorKind::InvalidInput => (USAGE, ""),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => (USAGE, ""),
            _ => (IO, ""),
        };
        Self { sentence: format!("{error}{hint}"), code }
    }

    /// The device or file at `path` cannot be changed where it lies.
    pub(crate) fn target(path: &Path, error: TargetError) -> Self {
        match error {
            TargetError::Refused(why) => Self::usage(format_args!("{}: {why}", path.display())),
            TargetError::Io(error) => {
                Self { sentence: format!("{}: {error}", path.display()), code: io_code(&error) }
            }
        }
    }

    /// A read of the image at `input`, or a write to `output`, failed: the error knows which.
    pub(crate) fn copying(input: &Path, output: &Path, error: &Error) -> Self {
        match error {
            Error::Io(error)
                if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<WriteFailed>) =>
            {
                Self::output(output, error)
            }
            _ => Self::image(input, error),
        }
    }

    /// The limit of a budget is reached, or was by another.
    pub(crate) fn budget(sentence: impl fmt::Display) -> Self {
        Self { sentence: sentence.to_string(), code: IO }
    }

    /// Whoever asked for this is gone.
    pub(crate) fn again(sentence: impl fmt::Display) -> Self {
        Self { sentence: sentence.to_string(), code: AGAIN }
    }

    /// The file at `path` was written to while it was read.
    pub(crate) fn changed(path: &Path) -> Self {
        Self::again(format_args!(
            "{}: changed while it was read: try again when nobody writes to it",
            path.display()
        ))
    }

    /// A limit on processes or memory.
    pub(crate) fn no_thread() -> Self {
        let sentence = "the system gives no further thread: a limit on processes or memory is reached";
        Self { sentence: sentence.to_owned(), code: IO }
    }

    /// A panic at this place of the source.
    pub(crate) fn bug(place: &str) -> Self {
        Self { sentence: format!("a bug of diskscrub stopped it at {place}: please report it"), code: BUG }
    }

    /// The same, of another file.
    pub(crate) fn of_another(self, this: &Path, other: &Path) -> Self {
        let (this, other) = (this.display().to_string(), other.display().to_string());
        Self { sentence: self.sentence.replace(&this, &other), ..self }
    }

    /// The same, with more to say.
    pub(crate) fn but(self, more: impl fmt::Display) -> Self {
        Self { sentence: format!("{}; {more}", self.sentence), ..self }
    }

    /// What the process ends with.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

/// A file that does not exist is a mistake on the command line; a short or malformed one is bad data.
fn io_code(error: &io::Error) -> u8 {
    match error.kind() {
        // InvalidInput: a directory, a FIFO, a character device.
        io::ErrorKind::NotFound | io::ErrorKind::InvalidInput => USAGE,
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => DATA,
        _ => IO,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use block::Object;

    #[test]
    fn names_the_image_and_what_is_wrong() {
        let error = Object::numbered("inode", 12).corrupt("extent header magic", "0x0000", "0xf30a");
        let failure = Failure::image(Path::new("disk.raw"), &error);
        assert_eq!(
            failure.to_string(),
            "disk.raw: inode 12: extent header magic is 0x0000, expected 0xf30a; nothing was written"
        );
        assert_eq!(failure.code, DATA);
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(Failure::output(Path::new("out"), &full).code, IO);
    }
}
