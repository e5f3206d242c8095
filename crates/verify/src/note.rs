//! What was not understood, or has to be known to read a judgement.

use std::fmt;

use serde::Serialize;

/// A sentence about a volume, or about the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Partition number; `None` for the disk.
    pub volume: Option<u32>,
    /// The sentence, without its subject. What it quotes from the image is escaped.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.volume {
            Some(number) => write!(f, "volume {number}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}
