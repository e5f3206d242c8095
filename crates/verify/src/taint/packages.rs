//! What everybody can have: files that a package brought and nobody changed, by the package managers' databases.
//!
//! A file counts only if its content still has the sum of the list. Where no database can be read, nothing is
//! subtracted.

use std::collections::{HashMap, HashSet};

use filesystem::{Error, FileKind, InodeId, Result};
use scan::Guest;

use crate::packages::{Budget, CONTENT, Packages, Sum};

/// What package managers write down themselves, out of packages and archives that are public.
const RECORDS: [&[u8]; 3] = [b"/var/lib/dpkg/", b"/var/lib/apt/lists/", b"/var/cache/debconf/templates.dat"];

/// Files that packages brought, by their lists.
pub(super) struct Packaged<'g, 'p> {
    guest: &'g Guest<'g>,
    packages: Option<Packages<'g>>,
    files: &'g [((usize, InodeId), &'p [u8])],
    /// Those that need no sum, by their indexes.
    pub(super) records: Vec<usize>,
    /// The others, and the sums that they may have.
    pub(super) listed: HashMap<usize, HashSet<Sum>>,
    budget: Budget,
}

/// Which of these files, by their paths in the guest, are on record.
pub(super) fn packaged<'g, 'p>(
    guest: &'g Guest<'g>,
    files: &'g [((usize, InodeId), &'p [u8])],
) -> Result<Packaged<'g, 'p>> {
    let is_record = |path: &[u8]| RECORDS.iter().any(|records| path.starts_with(records));
    let (mut records, mut indexes, mut tails) = (Vec::new(), HashMap::new(), HashSet::new());
    for (index, (file, path)) in files.iter().enumerate() {
        if is_record(path) {
            records.push(index);
        } else {
            indexes.insert(*file, index);
            tails.insert(tail(path));
        }
    }
    let mut listed: HashMap<usize, HashSet<Sum>> = HashMap::new();
    let packages = if indexes.is_empty() { None } else { Packages::of(guest)? };
    if let Some(packages) = &packages {
        // A list that cannot be read means that less is subtracted.
        packages.visit(&mut |entry| {
            // Only then a look at the tree: the guest's own links lead to the file, /lib to /usr/lib.
            if tails.contains(tail(entry.path))
                && let Some(node) = guest.resolve(entry.path)?.filter(|node| node.kind == FileKind::File)
                && let Some(&index) = indexes.get(&(node.volume, node.inode))
            {
                listed.entry(index).or_default().insert(entry.sum);
            }
            Ok(())
        })?;
    }
    Ok(Packaged { guest, packages, files, records, listed, budget: Budget::new(CONTENT) })
}

/// The last two names of a path: merged directories and the like stand before them.
fn tail(path: &[u8]) -> &[u8] {
    let last = memchr::memrchr(b'/', path).unwrap_or(0);
    let from = memchr::memrchr(b'/', &path[..last]).unwrap_or(0);
    &path[from..]
}

impl Packaged<'_, '_> {
    /// The size of a file in bytes: what it costs to look whether it is unchanged.
    pub(super) fn size(&self, index: usize) -> Result<u64> {
        let ((volume, inode), _) = self.files[index];
        self.guest.filesystem(volume).map_or(Ok(0), |filesystem| Ok(filesystem.metadata(inode)?.size))
    }

    /// Whether a listed file has the content that the package brought.
    pub(super) fn unchanged(&mut self, index: usize) -> Result<bool> {
        let ((volume, inode), _) = self.files[index];
        let (Some(filesystem), Some(packages), Some(listed)) =
            (self.guest.filesystem(volume), &self.packages, self.listed.get(&index))
        else {
            return Ok(false);
        };
        match packages.sums(filesystem, inode, &mut self.budget) {
            Ok(sums) => Ok(sums.into_iter().flatten().any(|sum| listed.contains(&sum))),
            Err(error @ Error::Io(_)) => Err(error),
            Err(_) => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_tell_a_file_from_most() {
        assert_eq!(tail(b"/usr/lib/x/y"), b"/x/y");
        assert_eq!(tail(b"/lib/x"), b"/lib/x");
        assert_eq!(tail(b"/usr/lib/x"), b"/lib/x");
        assert_eq!((tail(b"/x"), tail(b"x"), tail(b"")), (&b"/x"[..], &b"x"[..], &b""[..]));
    }
}
