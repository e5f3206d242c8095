//! Where a finding lies, as exactly as the image tells.

use std::fmt;

use serde::Serialize;

use crate::Region;

/// A run of bytes, and all that is known about whose they are or were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Partition number, if in one.
    pub volume: Option<u32>,
    /// What the first byte is.
    pub region: Region,
    /// Offset in bytes: on the guest's disk; in the image file if `region` is [`Region::Container`].
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
    /// The inode that owns the byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inode: Option<u64>,
    /// Its path in the volume, one of them, escaped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Offset in the file, if the byte is content of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_offset: Option<u64>,
    /// The way into an archive or a compressed file, outermost first, escaped: `logs.tar`, `syslog.1.gz`, `gzip` (a
    /// compression has no name but its own). If there is one, `offset` is where the file begins, and `length` is that
    /// in the innermost stream.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inside: Vec<String>,
    /// Whose byte it was, where that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<Was>,
}

/// What residue once was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Was {
    /// A journal's copy of a block of the filesystem.
    CopyOf {
        /// The block's number in the filesystem.
        block: u64,
        /// What lies there now.
        region: Region,
        /// Whose it is now.
        #[serde(skip_serializing_if = "Option::is_none")]
        inode: Option<u64>,
        /// Its path, escaped.
        #[serde(skip_serializing_if = "Option::is_none")]
        path: Option<String>,
    },
    /// The content of a file that was deleted.
    DeletedFile {
        /// Its inode then.
        #[serde(skip_serializing_if = "Option::is_none")]
        inode: Option<u64>,
        /// Its name or path then, escaped.
        #[serde(skip_serializing_if = "Option::is_none")]
        path: Option<String>,
    },
    /// What a file once had that is still there: it was cut, or written elsewhere.
    FormerContent {
        /// Its inode.
        #[serde(skip_serializing_if = "Option::is_none")]
        inode: Option<u64>,
        /// Its path, escaped.
        #[serde(skip_serializing_if = "Option::is_none")]
        path: Option<String>,
    },
}

/// As the end of a sentence: `in the journal of volume 2, 20 bytes at offset 123456 (...)`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.region)?;
        if let Some(volume) = self.volume {
            write!(f, ", volume {volume}")?;
        }
        write!(f, ", {} bytes at offset {}", self.length, self.offset)?;
        if let Some(path) = &self.path {
            write!(f, ": {path}")?;
        } else if let Some(inode) = self.inode {
            write!(f, ": inode {inode}")?;
        }
        for member in &self.inside {
            write!(f, " > {member}")?;
        }
        match &self.was {
            Some(was) => write!(f, " ({was})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Was {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (inode, path) = match self {
            Self::CopyOf { block, inode, path, .. } => {
                write!(f, "a copy of block {block}")?;
                (inode, path)
            }
            Self::DeletedFile { inode, path } => {
                f.write_str("of a deleted file")?;
                (inode, path)
            }
            Self::FormerContent { inode, path } => {
                f.write_str("former content")?;
                (inode, path)
            }
        };
        match (path, inode) {
            (Some(path), _) => write!(f, ", {path}"),
            (None, Some(inode)) => write!(f, ", inode {inode}"),
            (None, None) => Ok(()),
        }
    }
}
