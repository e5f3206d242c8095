//! Names that are there twice in one directory: whoever asks for one of them gets either file.

use std::hash::{DefaultHasher, Hasher};

use block::{Object, Result};

/// The names of one directory: 16 bytes each, so memory follows the directory on disk. Two names with the same 64 bits
/// count as one; in the largest directory that there is, by chance, in one of 10^7.
#[derive(Debug, Default)]
pub(crate) struct Twins {
    /// Of each name: its bits, and what it leads to.
    seen: Vec<(u64, u64)>,
}

impl Twins {
    /// A name, and the inode that it leads to.
    pub(crate) fn name(&mut self, name: &[u8], inode: u64) {
        // Its keys are fixed: the same disk has the same outcome.
        let mut hasher = DefaultHasher::new();
        hasher.write(name);
        self.seen.push((hasher.finish(), inode));
    }

    /// `Corrupt` if two names of the directory are one. Forgets them.
    pub(crate) fn finish(&mut self, directory: Object) -> Result<()> {
        self.seen.sort_unstable();
        let twins =
            self.seen.windows(2).find(|pair| pair[0].0 == pair[1].0).map(|pair| (pair[0].1, pair[1].1));
        self.seen.clear();
        match twins {
            Some((one, other)) => {
                let found = format!("the same for inodes {one} and {other}");
                Err(directory.corrupt("directory entry's name", found, "each name once"))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_there_once() {
        let mut twins = Twins::default();
        let directory = Object::numbered("inode", 2);
        let mut check = |names: &[(&str, u64)]| {
            names.iter().for_each(|(name, inode)| twins.name(name.as_bytes(), *inode));
            twins.finish(directory).map_err(|error| error.to_string())
        };
        check(&[]).unwrap();
        check(&[("a", 12), ("b", 12), ("", 13)]).unwrap();
        check(&[("a", 12)]).unwrap();
        assert_eq!(
            check(&[("a", 14), ("b", 13), ("a", 12)]).unwrap_err(),
            "inode 2: directory entry's name is the same for inodes 12 and 14, expected each name once"
        );
    }
}
