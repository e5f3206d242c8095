//! The three kinds of failure: the medium (`Io`), fine but not by us (`Unsupported`), and wrong (`Corrupt`).

use std::{fmt, io, path::Path, sync::Arc};

use crate::Extent;

/// Result of anything that reads an image.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an image could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The medium failed: a read, a write, or no space.
    #[error(transparent)]
    Io(io::Error),
    /// The image may be fine, but diskscrub does not handle this feature, so it refuses.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// The image contradicts itself or its format.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

/// A thing in an image that an error speaks of: its kind and, where it has one, its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// The field's own word: `superblock`, `inode`, `group`, `GPT header` ...
    pub kind: &'static str,
    /// Which one, in the format's own numbering.
    pub number: Option<u64>,
}

impl Object {
    /// The only one of its kind.
    #[must_use]
    pub const fn the(kind: &'static str) -> Self {
        Self { kind, number: None }
    }

    /// One of many.
    #[must_use]
    pub const fn numbered(kind: &'static str, number: u64) -> Self {
        Self { kind, number: Some(number) }
    }

    /// The error that this object's `field` has a value that the format does not allow.
    #[must_use]
    pub fn corrupt(
        self,
        field: &'static str,
        found: impl fmt::Display,
        expected: impl fmt::Display,
    ) -> Error {
        Corrupt { object: self, field, found: found.to_string(), expected: expected.to_string() }.into()
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "{} {number}", self.kind),
            None => f.write_str(self.kind),
        }
    }
}

/// `inode 12: extent header magic is 0x0000, expected 0xf30a`.
///
/// `found` and `expected` hold numbers and states, never file content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{object}: {field} is {found}, expected {expected}")]
pub struct Corrupt {
    /// Where.
    pub object: Object,
    /// Which of its fields.
    pub field: &'static str,
    /// What the image says.
    pub found: String,
    /// What the format allows.
    pub expected: String,
}

/// `superblock: external journal device is not supported`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{object}: {feature} is not supported")]
pub struct Unsupported {
    /// Where.
    pub object: Object,
    /// The feature by the name its own tools use.
    pub feature: String,
}

impl Unsupported {
    /// `object` uses `feature`.
    #[must_use]
    pub fn new(object: Object, feature: impl Into<String>) -> Self {
        Self { object, feature: feature.into() }
    }
}

/// A read of a medium that failed: where, and what was to be read, if that is known.
///
/// `reading 4096 bytes at 1052672 (inode 12): Input/output error (os error 5)`. It travels inside an `io::Error` of the
/// kind that the medium gave.
#[derive(Debug)]
pub struct ReadFailed {
    /// The bytes of the file or device; none if it was asked where they are.
    extent: Extent,
    /// The file, if it was opened by its name.
    file: Option<Arc<Path>>,
    object: Option<Object>,
    error: io::Error,
}

impl ReadFailed {
    /// `error`, of a read of these bytes.
    pub(crate) fn error(extent: Extent, error: io::Error) -> io::Error {
        Self::of(None, extent, error)
    }

    /// The same, of a file.
    pub(crate) fn of(file: Option<Arc<Path>>, extent: Extent, error: io::Error) -> io::Error {
        io::Error::new(error.kind(), Self { extent, file, object: None, error })
    }
}

impl fmt::Display for ReadFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.extent {
            Extent { start, len: 0 } => write!(f, "looking for data from {start} on")?,
            Extent { start, len } => write!(f, "reading {len} bytes at {start}")?,
        }
        if let Some(object) = self.object {
            write!(f, " ({object})")?;
        }
        match self.error.kind() {
            // Whoever measured it before was told another size.
            io::ErrorKind::UnexpectedEof => f.write_str(": the file ends before that"),
            _ => write!(f, ": {}", self.error),
        }
    }
}

impl std::error::Error for ReadFailed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl Error {
    /// The file that could not be read, if that is known: one of those that make up the image.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        let Self::Io(error) = self else { return None };
        error.get_ref()?.downcast_ref::<ReadFailed>()?.file.as_deref()
    }

    /// The same, of a read that was for `object`: the first who says what it was for knows best. Only a medium's
    /// failure that says where it was is changed.
    #[must_use]
    pub fn reading(mut self, object: Object) -> Self {
        if let Self::Io(error) = &mut self
            && let Some(failed) = error.get_mut().and_then(|inner| inner.downcast_mut::<ReadFailed>())
        {
            failed.object.get_or_insert(object);
        }
        self
    }
}

/// An `io::Error` that carries one of ours (a device that parses its image while it reads) is unpacked again.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.downcast::<Error>() {
            Ok(ours) => ours,
            Err(error) => Error::Io(error),
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            other => io::Error::new(io::ErrorKind::InvalidData, other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_the_way_through_io() {
        let error = Object::numbered("inode", 12).corrupt("extent header magic", "0x0000", "0xf30a");
        let back = Error::from(io::Error::from(error));
        assert_eq!(back.to_string(), "inode 12: extent header magic is 0x0000, expected 0xf30a");
        assert!(matches!(back, Error::Corrupt(_)));
    }

    #[test]
    fn a_read_that_failed_says_where_and_for_what() {
        let medium = io::Error::from_raw_os_error(5);
        let failed = ReadFailed::error(Extent { start: 4096, len: 512 }, medium);
        assert_eq!(failed.kind(), io::Error::from_raw_os_error(5).kind());
        let failed = Error::from(failed);
        assert_eq!(failed.to_string(), "reading 512 bytes at 4096: Input/output error (os error 5)");
        let through = io::Error::from(failed.reading(Object::numbered("inode", 12)));
        let failed = Error::from(through).reading(Object::the("disk"));
        let expected = "reading 512 bytes at 4096 (inode 12): Input/output error (os error 5)";
        assert_eq!(failed.to_string(), expected);
        // Who fails without a place has none.
        let plain = Error::from(io::Error::other("a bad sector")).reading(Object::the("disk"));
        assert_eq!(plain.to_string(), "a bad sector");
        let short = ReadFailed::error(Extent { start: 8, len: 512 }, io::ErrorKind::UnexpectedEof.into());
        assert_eq!(short.to_string(), "reading 512 bytes at 8: the file ends before that");
    }
}
