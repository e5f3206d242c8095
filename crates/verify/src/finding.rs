//! What a judgement can find. Never holds a byte of what was found.

use std::fmt;

pub use scan::content::Tier;
use serde::Serialize;

use crate::{Place, Region, second::Reader};

/// One thing that should not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Finding {
    /// Bytes that nothing live claims are not zero.
    Residue {
        /// Partition number, if in one.
        volume: Option<u32>,
        /// What kind of place.
        region: Region,
        /// Disk offset of the first of them.
        first: u64,
        /// How many, zeros between them included.
        bytes: u64,
    },
    /// A secret, by what it looks like. Its bytes are not here, and cannot be had from what is.
    Secret {
        /// The rule that knows it: `aws-access-key-id`.
        rule: &'static str,
        /// How sure the rule is.
        tier: Tier,
        /// Where it is.
        place: Place,
        /// Its keyed digest, in hexadecimal: the same secret has the same digest under the same key.
        digest: String,
    },
    /// A file that the policy would have removed, emptied, edited or made.
    Unwanted {
        /// The rule that asks for it, or the user's pattern.
        rule: String,
        /// Where it is.
        place: Place,
    },
    /// A piece of what was removed from the original is still there.
    Remnant {
        /// The path, in the original, of a removed file that held it; escaped.
        of: String,
        /// Where it is.
        place: Place,
        /// Its keyed digest, in hexadecimal.
        digest: String,
    },
    /// What was to stay has changed, or what was to go is there.
    NotRetained {
        /// Partition number.
        volume: u32,
        /// What, in a sentence.
        difference: String,
    },
    /// Another reader sees something else.
    Disagreement {
        /// Who.
        reader: Reader,
        /// Partition number; `None` for the table itself.
        volume: Option<u32>,
        /// What, in a sentence.
        difference: String,
    },
    /// What is damaged could not be examined as it has to be: not all that is there may have been found.
    Damage {
        /// Partition number; `None` for the disk.
        volume: Option<u32>,
        /// What, and why, in a sentence.
        damage: String,
    },
}

impl Finding {
    /// A file that a rule would have edited or made, and could not.
    #[must_use]
    pub fn undone(rule: String, volume: Option<u32>, path: String) -> Self {
        let place = Place {
            volume,
            region: Region::File,
            offset: 0,
            length: 0,
            inode: None,
            path: Some(path),
            file_offset: None,
            inside: Vec::new(),
            was: None,
        };
        Self::Unwanted { rule, place }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let volume = |volume: &Option<u32>| match volume {
            Some(number) => format!("volume {number}: "),
            None => String::new(),
        };
        match self {
            Self::Residue { volume: number, region, first, bytes } => {
                write!(f, "{}{bytes} bytes {region}, the first at offset {first}", volume(number))
            }
            Self::Secret { rule, place, .. } => write!(f, "{rule} {place}"),
            Self::Unwanted { rule, place } => write!(f, "{place}: not as rule {rule} wants it"),
            Self::Remnant { of, place, .. } => write!(f, "a piece of {of}, which was removed, {place}"),
            Self::NotRetained { volume, difference } => write!(f, "volume {volume}: {difference}"),
            Self::Disagreement { reader, volume: number, difference } => {
                write!(f, "{}{reader} disagrees: {difference}", volume(number))
            }
            Self::Damage { volume: number, damage } => write!(f, "{}{damage}", volume(number)),
        }
    }
}
