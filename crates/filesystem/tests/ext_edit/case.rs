//! One image under edits: what it should be afterwards, and the judges.

use std::{collections::BTreeMap, fs, path::Path};

use block::{Extent, ExtentSet};
use filesystem::{Change, Claim, FileKind, Filesystem, FilesystemMut, InodeId, Result, Target, ext::Ext};

use crate::{
    image::{Lab, assert_clean, run_ok},
    tree::{self, Tree},
};

/// An image that is being edited, and the tree that it should hold.
pub(crate) struct Case<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) name: String,
    pub(crate) ext: Ext<Vec<u8>>,
    pub(crate) expected: Tree,
}

pub(crate) fn target(ext: &impl Filesystem, path: &str) -> Target {
    let mut parent = ext.root().unwrap();
    let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
    while let Some(part) = parts.next() {
        let mut found = None;
        ext.entries(parent, &mut |entry| {
            if entry.name == part.as_bytes() {
                found = Some(entry.inode);
            }
            Ok(())
        })
        .unwrap();
        let inode = found.unwrap_or_else(|| panic!("no {part} of {path}"));
        if parts.peek().is_none() {
            return Target { parent, name: part.as_bytes().to_vec(), inode };
        }
        parent = inode;
    }
    panic!("an empty path");
}

/// The words of a tree's line: mode, uid, gid, links, mtime, content.
fn set_word(line: &mut String, index: usize, word: &str) {
    let mut words: Vec<&str> = line.split(' ').collect();
    words[index] = word;
    *line = words.join(" ");
}

impl<'a> Case<'a> {
    pub(crate) fn new(lab: &'a Lab, name: &str, path: &Path) -> Self {
        let ext = Ext::open(fs::read(path).unwrap()).unwrap();
        let expected = tree::ours(&ext).unwrap();
        Self { lab, name: name.to_owned(), ext, expected }
    }

    pub(crate) fn change(&mut self, path: &str, change: &Change) -> Result<()> {
        let target = target(&self.ext, path);
        self.ext.supports(&target, change)?;
        // Only other names of what goes or changes have to be looked for.
        let meta = self.ext.metadata(target.inode)?;
        let alone = meta.kind != FileKind::Directory && meta.links == 1;
        let ids = if alone { BTreeMap::from([(path.into(), target.inode)]) } else { self.ids() };
        self.ext.change(&target, change)?;
        match change {
            Change::Remove => self.expect_gone(&ids, path),
            Change::Truncate => self.expect_content(&ids, target.inode, &[]),
            Change::Overwrite(data) => self.expect_content(&ids, target.inode, data),
        }
        Ok(())
    }

    fn expect_gone(&mut self, ids: &BTreeMap<Vec<u8>, InodeId>, path: &str) {
        let gone = |name: &[u8]| name == path.as_bytes() || name.starts_with(format!("{path}/").as_bytes());
        let mut names: BTreeMap<InodeId, u32> = BTreeMap::new();
        for (name, inode) in ids.iter().filter(|(name, _)| gone(name)) {
            *names.entry(*inode).or_default() += 1;
            self.expected.remove(name);
        }
        for (name, inode) in ids.iter().filter(|(name, _)| !gone(name)) {
            let (Some(line), Some(lost)) = (self.expected.get_mut(name), names.get(inode)) else { continue };
            let links: u32 = line.split(' ').nth(3).unwrap().parse().unwrap();
            set_word(line, 3, &(links - lost).to_string());
        }
    }

    fn expect_content(&mut self, ids: &BTreeMap<Vec<u8>, InodeId>, inode: InodeId, data: &[u8]) {
        for (name, _) in ids.iter().filter(|(_, id)| **id == inode) {
            set_word(self.expected.get_mut(name).unwrap(), 5, &tree::digest(data));
        }
    }

    /// Path to inode, of all.
    fn ids(&self) -> BTreeMap<Vec<u8>, InodeId> {
        let mut ids = BTreeMap::new();
        let mut stack = vec![(Vec::new(), self.ext.root().unwrap())];
        while let Some((path, dir)) = stack.pop() {
            self.ext
                .entries(dir, &mut |entry| {
                    let path = [&path[..], b"/", &entry.name].concat();
                    if entry.kind == FileKind::Directory {
                        stack.push((path.clone(), entry.inode));
                    }
                    ids.insert(path, entry.inode);
                    Ok(())
                })
                .unwrap();
        }
        ids
    }

    /// e2fsck is silent, the tree as expected, both witnesses agree.
    pub(crate) fn judge(&self, step: &str) {
        let what = format!("{} after {step}", self.name);
        assert_eq!(tree::ours(&self.ext).unwrap(), self.expected, "{what}");
        self.partition(&what);
        let path = self.lab.path("judged");
        fs::write(&path, self.ext.device()).unwrap();
        assert_clean(&path, &what);
        assert_totals(&path, &what);
    }

    fn partition(&self, what: &str) -> ExtentSet {
        let (mut live, mut all) = (Vec::new(), Vec::new());
        self.ext
            .claims(&mut |extent, claim| {
                if matches!(claim, Claim::Live(_)) {
                    live.push(extent);
                }
                all.push(extent);
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let all = ExtentSet::disjoint(all).unwrap();
        let allocated = self.ext.allocated().unwrap();
        let more: Vec<Extent> = all.difference(&allocated).iter().collect();
        let less: Vec<Extent> = allocated.difference(&all).iter().collect();
        assert!(more.is_empty() && less.is_empty(), "{what}: claimed but free {more:?}, unclaimed {less:?}");
        live.into_iter().collect()
    }

    /// An image of the live bytes only. It must be as good: for e2fsck, for us and for debugfs.
    pub(crate) fn judge_output(&self) {
        let what = format!("{}, live bytes only", self.name);
        let live = self.partition(&what);
        let view = self.ext.device();
        let mut output = vec![0; view.len()];
        for extent in live.iter() {
            let range = usize::try_from(extent.start).unwrap()..usize::try_from(extent.end()).unwrap();
            output[range.clone()].copy_from_slice(&view[range]);
        }
        let path = self.lab.path("output");
        fs::write(&path, &output).unwrap();
        assert_clean(&path, &what);
        assert_eq!(tree::ours(&Ext::open(output).unwrap()).unwrap(), self.expected, "{what}");
        let dump = self.lab.path("dump");
        fs::create_dir(&dump).unwrap();
        run_ok("debugfs", &["-R", &format!("rdump / {}", dump.display()), path.to_str().unwrap()]);
        // debugfs gives all 60 bytes of short inline content, whatever i_size says; those files are left out.
        let inline = self.ext.summary().unwrap().features.iter().any(|feature| feature == "inline_data");
        let short = |name: &[u8]| {
            let word = self.expected[name].rsplit('/').next().unwrap();
            inline && word.parse().is_ok_and(|size: u32| size < 60)
        };
        let contents = |tree: Tree| -> BTreeMap<String, String> {
            let word = |line: String| line.rsplit(' ').next().unwrap().to_owned();
            let tree = tree.into_iter().filter(|(name, _)| !short(name));
            let tree = tree.map(|(name, line)| (String::from_utf8(name).unwrap(), word(line)));
            tree.filter(|(_, word)| word != "special").collect()
        };
        assert_eq!(contents(tree::theirs(&dump)), contents(self.expected.clone()), "{what}: debugfs");
        fs::remove_dir_all(dump).unwrap();
    }
}

/// The superblock's totals are the sums of the groups' counts: e2fsck puts wrong ones right without a word.
pub(crate) fn assert_totals(path: &Path, what: &str) {
    let output = run_ok("dumpe2fs", &[path.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stdout);
    let number = |label: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(label));
        line.map_or(0, |rest| rest.trim().parse().unwrap())
    };
    let ratio = match number("Cluster size:") {
        0 => 1,
        size => size / number("Block size:"),
    };
    let (mut blocks, mut inodes) = (0, 0);
    for line in
        text.lines().filter(|line| line.contains(" free blocks, ") || line.contains(" free clusters, "))
    {
        let mut words = line.split_whitespace();
        blocks += words.next().unwrap().parse::<u64>().unwrap();
        inodes += words.nth(2).unwrap().parse::<u64>().unwrap();
    }
    let found = (number("Free blocks:"), number("Free inodes:"));
    assert_eq!(found, (blocks * ratio, inodes), "{what}: totals of the superblock against the groups' sums");
}
