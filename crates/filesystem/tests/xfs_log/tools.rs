//! Images in a temporary directory, the tools that make and judge them, and recovery in place.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use block::BlockRead;
use filesystem::{
    FilesystemMut, Recovery, Result,
    xfs::{Recovered, Xfs},
};

pub(crate) use crate::file::{Disk, sh};

/// A directory with images.
pub(crate) struct Images(tempfile::TempDir);

impl Images {
    pub(crate) fn new() -> Self {
        let images = Self(tempfile::tempdir().unwrap());
        sh(
            "for tool in mkfs.xfs xfs_repair xfs_logprint xfs_io xfs_db; do
                 command -v $tool >/dev/null || { echo \"$tool is missing: install xfsprogs\"; exit 1; }
             done",
            images.dir(),
        );
        images
    }

    pub(crate) fn dir(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    pub(crate) fn run(&self, script: &str) -> String {
        sh(script, self.dir())
    }

    pub(crate) fn copy(&self, from: &str, to: &str) {
        self.run(&format!("cp --reflink=auto --sparse=always {from} {to}"));
    }

    /// Recovers an image in place.
    pub(crate) fn recover(&self, name: &str) -> Result<Recovered> {
        Xfs::open(Disk::open(&self.path(name)))?.recover_log()
    }

    /// As `recover`, and finishes what is left to be done.
    pub(crate) fn finish(&self, name: &str) -> Result<Recovery> {
        Xfs::open(Disk::open(&self.path(name)))?.recover()
    }

    /// Whether the log has to be replayed.
    pub(crate) fn is_dirty(&self, name: &str) -> bool {
        Xfs::open(Disk::open(&self.path(name))).unwrap().needs_recovery().unwrap()
    }

    /// Start of the log, its length, and how much of it is needed, if it is empty.
    pub(crate) fn log(&self, name: &str) -> (u64, u64, Option<u64>) {
        let (all, needed) = Xfs::open(Disk::open(&self.path(name))).unwrap().log_extent().unwrap();
        (all.start, all.len, needed.map(|extent| extent.len))
    }

    pub(crate) fn read(&self, name: &str, offset: u64, len: usize) -> Vec<u8> {
        let mut buf = vec![0; len];
        Disk::open(&self.path(name)).read_at(offset, &mut buf).unwrap();
        buf
    }

    /// xfs_repair and xfs_logprint have nothing to say.
    pub(crate) fn judge(&self, name: &str) {
        self.run(&format!(
            "xfs_repair -n -f {name} > judged 2>&1 || {{ cat judged; exit 1; }}
             if grep -v 'Repair may fail' judged | grep -iE 'would|bad |ahead|mismatch|wrong|dirty|junk'; then exit 1; fi
             xfs_logprint -t {name} > judged 2>&1 || {{ cat judged; exit 1; }}
             grep -q '<CLEAN>' judged || {{ cat judged; exit 1; }}"
        ));
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

    /// Mounts a filesystem and runs `work` in it. `mnt` is where.
    pub(crate) fn mounted(&self, name: &str, options: &str, work: &str) {
        self.run(&format!(
            "mkdir -p mnt; top=$PWD; loop=$(losetup -f --show {name})
             trap 'cd /; exec 3<&- 4<&- 5<&-; umount $top/mnt 2>/dev/null || true; losetup -d $loop' EXIT
             mount -t xfs -o nouuid{options} $loop mnt; cd mnt
             {work}"
        ));
    }

    /// Fails unless both have the same bytes everywhere but in the log, and but for the superblock's LSN and checksum,
    /// which the kernel's unmount has renewed.
    pub(crate) fn same_bytes(&self, a: &str, b: &str) {
        const STEP: usize = 1 << 20;
        let (start, len, _) = self.log(a);
        let (a, b) = (Disk::open(&self.path(a)), Disk::open(&self.path(b)));
        assert_eq!(a.size(), b.size());
        let (mut x, mut y) = (vec![0; STEP], vec![0; STEP]);
        let mut differs = Vec::new();
        for offset in (0..a.size()).step_by(STEP) {
            let step = STEP.min(usize::try_from(a.size() - offset).unwrap());
            a.read_at(offset, &mut x[..step]).unwrap();
            b.read_at(offset, &mut y[..step]).unwrap();
            if offset == 0 {
                for renewed in [224..228, 240..248] {
                    x[renewed.clone()].copy_from_slice(&y[renewed]);
                }
            }
            if x[..step] != y[..step] {
                let sectors = x[..step].chunks(512).zip(y[..step].chunks(512));
                let places = (offset..).step_by(512).zip(sectors).filter(|(_, (x, y))| x != y);
                differs.extend(places.map(|(at, _)| at).filter(|at| !(start..start + len).contains(at)));
            }
        }
        assert!(
            differs.is_empty(),
            "{} sectors differ, at {:#x?} ...",
            differs.len(),
            &differs[..differs.len().min(8)]
        );
    }

    /// Names, inodes, modes, owners, times, content, holes and attributes of all files, in `<name>.tree`.
    pub(crate) fn list(&self, name: &str) {
        self.mounted(
            name,
            ",ro",
            &format!(
                "{{ find . -printf '%p %i %n %y %m %U %G %s %b %T@ %C@ %l\\n' | sort
                 find . -type f -print0 | sort -z | xargs -0r sha256sum
                 getfattr -R -h -d -m - -e hex . 2>/dev/null | sort; }} > ../{name}.tree"
            ),
        );
    }

    /// Fails unless the kernel shows the same tree in both.
    pub(crate) fn same_tree(&self, a: &str, b: &str) {
        self.list(a);
        self.list(b);
        self.run(&format!("diff {a}.tree {b}.tree > difference || {{ head -40 difference; exit 1; }}"));
    }
}
