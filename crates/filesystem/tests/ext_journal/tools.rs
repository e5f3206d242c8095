//! Images in a temporary directory, and the tools that make and judge them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use filesystem::{FilesystemMut, Recovery, Result, ext::Ext};

pub(crate) use crate::file::sh;

/// A directory with a file `image`.
pub(crate) struct Image(tempfile::TempDir);

impl Image {
    pub(crate) fn new() -> Self {
        let image = Self(tempfile::tempdir().unwrap());
        sh(
            "for tool in mke2fs e2fsck debugfs dumpe2fs; do command -v $tool >/dev/null || { echo \"$tool is missing: install e2fsprogs\"; exit 1; }; done",
            image.dir(),
        );
        image
    }

    pub(crate) fn unpack(corpora: &Path, name: &str) -> Self {
        let image = Self::new();
        let packed = corpora.join("e2fsprogs").join(format!("{name}.img.zst"));
        sh(&format!("zstd -dqc {} > image", packed.display()), image.dir());
        image
    }

    pub(crate) fn dir(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn read(&self) -> Vec<u8> {
        fs::read(self.dir().join("image")).unwrap()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.dir().join(name), bytes).unwrap();
    }

    /// Fails unless both hold the same names, inodes, modes, owners and content.
    pub(crate) fn same_tree(&self, a: &str, b: &str) {
        sh(
            &format!(
                "tree() {{ mkdir $1.tree; debugfs -R \"rdump / $1.tree\" $1 >/dev/null 2>&1; \
                 (cd $1.tree; find . -printf '%p %m %U %G %s %l\\n' | sort; \
                  find . -type f -print0 | sort -z | xargs -0r sha256sum); rm -r $1.tree; }}
                 tree {a} > a.list; tree {b} > b.list; diff a.list b.list"
            ),
            self.dir(),
        );
    }
}

/// Where images that others collected lie, or a word that they are not used.
pub(crate) fn corpora() -> Option<PathBuf> {
    let near = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let dir = std::env::var_os("DISKSCRUB_CORPORA").map_or(near, PathBuf::from);
    if dir.join("INDEX.tsv").exists() {
        return Some(dir);
    }
    println!("not run: no corpora at {}", dir.display());
    None
}

pub(crate) fn recover(image: Vec<u8>) -> Result<(Recovery, Vec<u8>)> {
    let mut ext = Ext::open(image)?;
    let recovery = ext.recover()?;
    Ok((recovery, ext.into_device()))
}

/// Recovers `image`. Every byte must be as `e2fsck -E journal_only` leaves it, but for the superblock's totals;
/// e2fsck must be silent; a second recovery must change nothing.
pub(crate) fn compare_replay(image: &Image, what: &str) -> Recovery {
    let (recovery, ours) = recover(image.read()).unwrap_or_else(|error| panic!("{what}: {error}"));
    image.write("ours", &ours);
    sh("cp image reference; e2fsck -y -E journal_only reference > log 2>&1 || test $? = 1", image.dir());
    let reference = fs::read(image.dir().join("reference")).unwrap();
    let differs = ours.iter().zip(&reference).position(|(a, b)| a != b);
    let outside = |at: &usize| !(1024..2048).contains(at);
    let first = (0..ours.len()).filter(outside).find(|&at| ours[at] != reference[at]);
    assert_eq!(first, None, "{what}: first difference to e2fsck (any: {differs:?})");
    let (again, same) = recover(ours.clone()).unwrap();
    assert_eq!(again, Recovery::default(), "{what}");
    assert!(same == ours, "{what}: a second recovery changes something");
    recovery
}
