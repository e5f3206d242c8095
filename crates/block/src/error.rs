//! The three kinds of failure: the medium (`Io`), fine but not by us (`Unsupported`), and wrong (`Corrupt`).

use std::{fmt, io};

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
}
