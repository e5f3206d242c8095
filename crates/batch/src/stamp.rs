//! What a file is known by without reading it: its size, and when it was last written.

use std::{fs::Metadata, os::unix::fs::MetadataExt};

use serde::{Deserialize, Serialize};

/// Size and time of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Seconds since 1970 and nine digits behind the point. Text, for programs that read JSON's numbers as floating
    /// point would round it.
    pub modified: String,
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        let modified = format!("{}.{:09}", metadata.mtime(), metadata.mtime_nsec());
        Self { size: metadata.len(), modified }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs::File,
        time::{Duration, SystemTime},
    };

    #[test]
    fn keeps_every_nanosecond() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(7).unwrap();
        let at = |time| {
            File::set_modified(&file, time).unwrap();
            Stamp::from(&file.metadata().unwrap())
        };
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_763_800_000, 1_000);
        assert_eq!(at(time), Stamp { size: 7, modified: "1763800000.000001000".to_owned() });
        assert_ne!(at(time), at(time + Duration::from_nanos(1000)));
    }
}
