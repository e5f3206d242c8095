//! Images in a temporary directory, the tools that make and judge them, and edits in place.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use block::{BlockRead, BlockWrite, ExtentSet};
use filesystem::{Change, Claim, Filesystem, InodeId, Target, xfs::Xfs};

pub(crate) use crate::file::{Disk, sh};

/// What every name, content and attribute of a victim holds, and nothing else.
pub(crate) const MARK: &[u8] = b"PLANTED";

/// Name and inode of a path.
pub(crate) fn target(xfs: &dyn Filesystem, path: &str) -> Target {
    let mut found = Target { parent: InodeId(0), name: Vec::new(), inode: xfs.root().unwrap() };
    for part in path.split('/') {
        let parent = found.inode;
        let mut inode = None;
        xfs.entries(parent, &mut |entry| {
            if entry.name == part.as_bytes() {
                inode = Some(entry.inode);
            }
            Ok(())
        })
        .unwrap();
        let inode = inode.unwrap_or_else(|| panic!("there is no {path}"));
        found = Target { parent, name: part.as_bytes().to_vec(), inode };
    }
    found
}

/// A directory with images.
pub(crate) struct Lab(tempfile::TempDir);

impl Lab {
    pub(crate) fn new() -> Self {
        let lab = Self(tempfile::tempdir().unwrap());
        lab.run(
            "for tool in mkfs.xfs xfs_repair xfs_io xfs_db setfattr python3; do
                 command -v $tool >/dev/null || { echo \"$tool is missing: install xfsprogs, attr, python3\"; exit 1; }
             done",
        );
        lab
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn run(&self, script: &str) -> String {
        sh(script, self.0.path())
    }

    pub(crate) fn open(&self, name: &str) -> Xfs<Disk> {
        Xfs::open(Disk::open(&self.path(name))).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Carries out a change that is said to be supported.
    pub(crate) fn change(&self, xfs: &mut Xfs<Disk>, path: &str, change: &Change) {
        use filesystem::FilesystemMut;
        let target = target(xfs, path);
        xfs.supports(&target, change).unwrap_or_else(|error| panic!("{path}: {error}"));
        xfs.change(&target, change).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// xfs_repair has nothing to say, claims and the allocator agree.
    pub(crate) fn judge(&self, name: &str) {
        self.run(&format!(
            "xfs_repair -n -f {name} > judged 2>&1 || {{ cat judged; exit 1; }}
             if grep -v 'Repair may fail' judged | grep -iE 'would|bad |ahead|mismatch|wrong|dirty|junk'; then exit 1; fi"
        ));
        let xfs = self.open(name);
        let claimed = claimed(&xfs, |_| true);
        assert_eq!(claimed, xfs.allocated().unwrap(), "{name}: claims and allocation");
    }

    /// What the sanitizer writes: live bytes, and zeros.
    pub(crate) fn live_copy(&self, name: &str, to: &str) {
        let live = claimed(&self.open(name), |claim| matches!(claim, Claim::Live(_)));
        let from = Disk::open(&self.path(name));
        fs::write(self.path(to), []).unwrap();
        let mut out = Disk::open(&self.path(to));
        out.resize(from.size());
        for extent in live.iter() {
            let mut buf = vec![0; usize::try_from(extent.len).unwrap()];
            from.read_at(extent.start, &mut buf).unwrap();
            out.write_at(extent.start, &buf).unwrap();
        }
    }

    /// How often the mark occurs in an image.
    pub(crate) fn marks(&self, name: &str) -> usize {
        let bytes = fs::read(self.path(name)).unwrap();
        memchr::memmem::find_iter(&bytes, MARK).count()
    }

    /// Whether this machine lets us mount; with a word to the reader if not.
    pub(crate) fn can_mount() -> bool {
        let can = "test $(id -u) = 0 && losetup -f >/dev/null 2>&1 && grep -qw xfs /proc/filesystems";
        if Command::new("sh").args(["-c", can]).status().unwrap().success() {
            return true;
        }
        assert!(std::env::var_os("CI").is_none(), "mounting an image needs root, loop devices and XFS");
        println!("not run: mounting an image needs root, loop devices and XFS");
        false
    }

    /// Mounts a filesystem and runs `work` in it.
    pub(crate) fn mounted(&self, name: &str, options: &str, work: &str) -> String {
        self.run(&format!(
            "mkdir -p mnt; top=$PWD; loop=$(losetup -f --show {name})
             trap 'cd /; umount $top/mnt 2>/dev/null || true; losetup -d $loop' EXIT
             mount -t xfs -o nouuid,noatime{options} $loop mnt; cd mnt
             {work}"
        ))
    }

    /// What the kernel shows of each file, by path: number, links, kind, mode, owner, times, size, blocks, holes, content,
    /// target, attributes.
    pub(crate) fn list(&self, name: &str) -> BTreeMap<String, String> {
        fs::write(self.path("list.py"), include_str!("list.py")).unwrap();
        let text = self.mounted(name, ",ro", "python3 ../list.py");
        let line = |line: &str| line.split_once('\t').map(|(path, said)| (path.to_owned(), said.to_owned()));
        text.lines().map(|text| line(text).expect("a path, a tab, and the rest")).collect()
    }
}

/// The bytes of the claims that count.
pub(crate) fn claimed(xfs: &Xfs<Disk>, counts: impl Fn(&Claim) -> bool) -> ExtentSet {
    let mut extents = Vec::new();
    xfs.claims(&mut |extent, claim| {
        if counts(&claim) {
            extents.push(extent);
        }
        Ok(())
    })
    .unwrap();
    ExtentSet::disjoint(extents).expect("claims are disjoint")
}
