//! The witness for names: each is there once in its directory and leads to an inode in use, of the kind that the name
//! says; and names lead to each inode in use, from the root, as many as it counts.
//!
//! What they do not lead to is found by no rule: the next fsck would bring a file back that nobody has looked at. So it
//! would a file that counts more names than it has, once its last is removed; with a count too low, a name would be left
//! that leads to nothing.
//!
//! Walks believe the kind beside a name, as reading each inode for it would cost more than the walk. A directory that
//! calls itself something else would be passed by, and with it all that lies in it.

use std::collections::BTreeMap;

use block::{Object, Result, to_usize};

use crate::{FileKind, InodeId, twins::Twins};

/// Inodes of a page.
const PAGE: u64 = 256;

/// Which inodes are in use, what they are, and which have a name. Nothing for pages without one, so memory follows the
/// inodes.
#[derive(Debug)]
pub(crate) struct Inodes {
    pages: BTreeMap<u64, Box<[Option<Slot>; to_usize(PAGE)]>>,
    /// What the format calls an inode's count of names.
    count: &'static str,
    /// Other than one name that was counted and found: both numbers. Not of directories, which count those in them, too.
    links: BTreeMap<u64, (u32, u64)>,
    /// The names of the directory that is asked.
    twins: Twins,
}

/// A directory whose names are asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Directory {
    pub(crate) inode: InodeId,
    /// Where its name is; itself for the root.
    pub(crate) parent: InodeId,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    kind: FileKind,
    named: bool,
}

impl Directory {
    fn object(self) -> Object {
        Object::numbered("inode", self.inode.0)
    }

    /// `Corrupt` unless what stands for `.` or `..` leads to where it has to.
    fn leads(self, entry: &'static str, inode: InodeId, expected: InodeId) -> Result<()> {
        if inode == expected { Ok(()) } else { Err(self.object().corrupt(entry, inode.0, expected.0)) }
    }

    /// `Corrupt` unless the number that stands for `..` is the parent's.
    pub(crate) fn leads_up(self, inode: InodeId) -> Result<()> {
        self.leads("inode that .. leads to", inode, self.parent)
    }
}

impl Inodes {
    /// None yet. `count`: what the format calls an inode's count of names.
    pub(crate) fn new(count: &'static str) -> Self {
        Self { pages: BTreeMap::new(), count, links: BTreeMap::new(), twins: Twins::default() }
    }

    /// An inode that is in use and counts so many names. One of the filesystem's `own` needs none.
    pub(crate) fn insert(&mut self, inode: InodeId, kind: FileKind, links: u32, own: bool) {
        let page = self.pages.entry(inode.0 / PAGE).or_insert_with(|| Box::new([None; to_usize(PAGE)]));
        page[to_usize(inode.0 % PAGE)] = Some(Slot { kind, named: own });
        if links != 1 && kind != FileKind::Directory && !own {
            self.links.insert(inode.0, (links, 0));
        }
    }

    /// Something else than a name leads to an inode, such as the attribute whose value it holds.
    pub(crate) fn hold(&mut self, inode: InodeId) {
        let page = self.pages.get_mut(&(inode.0 / PAGE));
        if let Some(slot) = page.and_then(|page| page[to_usize(inode.0 % PAGE)].as_mut()) {
            slot.named = true;
            self.links.remove(&inode.0);
        }
    }

    /// Takes a name in a directory that names lead to. Says whether it leads to another directory. `Corrupt` if it leads to
    /// an inode that is free, or of another kind than it says (`None` if it says none), or is a directory's second.
    pub(crate) fn name(
        &mut self,
        of: Directory,
        name: &[u8],
        inode: InodeId,
        says: Option<FileKind>,
    ) -> Result<bool> {
        let directory = of.object();
        self.twins.name(name, inode.0);
        let is = |kind| match says {
            Some(says) if says != kind => {
                let found = format!("{} for inode {}", noun(says), inode.0);
                Err(directory.corrupt("directory entry's kind", found, noun(kind)))
            }
            _ => Ok(()),
        };
        if name == b"." || name == b".." {
            match name {
                b"." => of.leads("inode that . leads to", inode, of.inode)?,
                _ => of.leads_up(inode)?,
            }
            return is(FileKind::Directory).map(|()| false);
        }
        let page = self.pages.get_mut(&(inode.0 / PAGE));
        let Some(slot) = page.and_then(|page| page[to_usize(inode.0 % PAGE)].as_mut()) else {
            let found = format!("{}, which is free", inode.0);
            return Err(directory.corrupt("directory entry's inode", found, "one that is in use"));
        };
        let new = !slot.named;
        match self.links.get_mut(&inode.0) {
            _ if slot.kind == FileKind::Directory => {}
            Some((_, found)) => *found += 1,
            None if new => {}
            None => drop(self.links.insert(inode.0, (1, 2))),
        }
        slot.named = true;
        is(slot.kind)?;
        if slot.kind == FileKind::Directory && !new {
            // A walk would have no end, or as many paths as it has steps.
            let found = format!("{}, a directory with a name already", inode.0);
            return Err(directory.corrupt("directory entry's inode", found, "one that it alone leads to"));
        }
        Ok(slot.kind == FileKind::Directory)
    }

    /// All names of a directory have been taken. `Corrupt` if two are the same.
    pub(crate) fn close(&mut self, of: Directory) -> Result<()> {
        self.twins.finish(of.object())
    }

    /// `Corrupt` if no name leads to an inode in use, or other than it counts, once all names are known.
    pub(crate) fn finish(&self) -> Result<()> {
        // The last page ends with the last number that there is.
        let numbers = |page: &u64| page * PAGE..=page * PAGE + (PAGE - 1);
        let mut numbered = self.pages.iter().flat_map(|(page, slots)| numbers(page).zip(slots.iter()));
        let unnamed = numbered.find(|(_, slot)| slot.is_some_and(|slot| !slot.named));
        if let Some((number, _)) = unnamed {
            let expected = "at least one, as it is in use (fsck puts it into lost+found)";
            return Err(Object::numbered("inode", number).corrupt(
                "number of names that lead to it",
                0,
                expected,
            ));
        }
        let mut counted = self.links.iter();
        match counted.find(|&(_, &(links, found))| u64::from(links) != found) {
            Some((&number, &(links, found))) => {
                let expected = format!("{found}, the number of names that lead to it");
                Err(Object::numbered("inode", number).corrupt(self.count, links, expected))
            }
            None => Ok(()),
        }
    }
}

/// The target of a symbolic link, unless it has a NUL, behind which no kernel reads.
pub(crate) fn target(of: Object, target: Vec<u8>) -> Result<Vec<u8>> {
    match target.iter().position(|&byte| byte == 0) {
        Some(at) => {
            Err(of.corrupt("symbolic link's target", format!("with a NUL at byte {at}"), "without one"))
        }
        None => Ok(target),
    }
}

fn noun(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "a file",
        FileKind::Directory => "a directory",
        FileKind::Symlink => "a symbolic link",
        FileKind::Fifo => "a named pipe",
        FileKind::Socket => "a socket",
        FileKind::CharDevice => "a character device",
        FileKind::BlockDevice => "a block device",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: Directory = Directory { inode: InodeId(2), parent: InodeId(2) };

    #[test]
    fn a_name_says_what_its_inode_is() {
        let mut inodes = Inodes::new("i_links_count");
        inodes.insert(InodeId(300), FileKind::Directory, 1, false);
        inodes.insert(InodeId(u64::MAX), FileKind::File, 1, false);
        inodes.insert(InodeId(8), FileKind::File, 1, true);
        let mut check = |name: &str, inode, says| {
            let named = inodes.name(ROOT, name.as_bytes(), InodeId(inode), says);
            named.and_then(|new| inodes.finish().map(|()| new)).map_err(|error| error.to_string())
        };
        let error = |text: &str| Err(text.to_owned());
        let without = |number: u64| {
            error(&format!(
                "inode {number}: number of names that lead to it is 0, expected at least one, as it is in use (fsck puts \
                 it into lost+found)"
            ))
        };
        assert_eq!(check(".", 2, None), without(300));
        assert_eq!(check("..", 2, None), without(300));
        assert_eq!(check(".", 300, None), error("inode 2: inode that . leads to is 300, expected 2"));
        assert_eq!(check("..", 300, None), error("inode 2: inode that .. leads to is 300, expected 2"));
        assert_eq!(check("a", 300, Some(FileKind::Directory)), without(u64::MAX));
        assert_eq!(
            check("b", 300, Some(FileKind::Socket)),
            error("inode 2: directory entry's kind is a socket for inode 300, expected a directory")
        );
        assert_eq!(
            check("c", 301, None),
            error("inode 2: directory entry's inode is 301, which is free, expected one that is in use")
        );
        assert_eq!(check("d", u64::MAX, Some(FileKind::File)), Ok(false));
        assert_eq!(
            check("e", 300, Some(FileKind::Directory)),
            error(
                "inode 2: directory entry's inode is 300, a directory with a name already, expected one that it alone leads to"
            )
        );
        inodes.insert(InodeId(9), FileKind::Directory, 1, false);
        inodes.insert(InodeId(10), FileKind::File, 1, false);
        inodes.close(ROOT).unwrap_err();
        assert!(inodes.name(ROOT, b"new", InodeId(9), None).unwrap());
        inodes.name(ROOT, b"again", InodeId(9), None).unwrap_err();
        inodes.finish().unwrap_err();
        inodes.hold(InodeId(10));
        inodes.hold(InodeId(11));
        inodes.finish().unwrap();
    }

    #[test]
    fn a_file_counts_its_names() {
        let check = |links, names: &[&str]| {
            let mut inodes = Inodes::new("di_nlink");
            inodes.insert(InodeId(2), FileKind::Directory, 9, true);
            inodes.insert(InodeId(3), FileKind::File, 7, true);
            inodes.insert(InodeId(12), FileKind::File, links, false);
            for name in names {
                inodes.name(ROOT, name.as_bytes(), InodeId(12), None).unwrap();
            }
            inodes.finish().map_err(|error| error.to_string())
        };
        check(1, &["a"]).unwrap();
        check(2, &["a", "b"]).unwrap();
        let error = |links: u32, names: u32| {
            Err(format!(
                "inode 12: di_nlink is {links}, expected {names}, the number of names that lead to it"
            ))
        };
        assert_eq!(check(1, &["a", "b"]), error(1, 2));
        assert_eq!(check(1, &["a", "b", "c"]), error(1, 3));
        assert_eq!(check(3, &["a", "b"]), error(3, 2));
        assert_eq!(check(65535, &["a"]), error(65535, 1));
        assert_eq!(check(0, &["a"]), error(0, 1));
    }
}
