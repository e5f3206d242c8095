//! Images in a temporary directory, and the tools that make and judge them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use filesystem::xfs::Xfs;

pub(crate) use crate::file::{Disk, sh};

pub(crate) fn open(path: &Path) -> Xfs<Disk> {
    Xfs::open(Disk::open(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A directory with images.
pub(crate) struct Lab(tempfile::TempDir);

impl Lab {
    pub(crate) fn new() -> Self {
        let lab = Self(tempfile::tempdir().unwrap());
        lab.run(
            "for tool in mkfs.xfs xfs_repair xfs_io xfs_db; do
                 command -v $tool >/dev/null || { echo \"$tool is missing: install xfsprogs\"; exit 1; }
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

    /// A filesystem of this size in MiB. mkfs.xfs makes small ones only where it believes that it is tested.
    pub(crate) fn make(&self, name: &str, mib: u64, options: &str) -> PathBuf {
        self.run(&format!(
            "rm -f {name}; truncate -s {mib}M {name}
             export TEST_DIR=1 TEST_DEV=1 QA_CHECK_FS=1; mkfs.xfs -q -K {options} {name}"
        ));
        self.path(name)
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
}

/// A loop mount that ends with the test.
pub(crate) struct Mount(pub(crate) PathBuf);

impl Mount {
    pub(crate) fn new(lab: &Lab, image: &str, options: &str) -> Self {
        let at = lab.path("mnt");
        lab.run(&format!("mkdir -p mnt; mount -t xfs -o loop,nouuid{options} {image} mnt"));
        Self(at)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

/// `xfs_repair -n` has nothing to say.
pub(crate) fn assert_clean(lab: &Lab, name: &str) {
    lab.run(&format!("xfs_repair -n -f -o force_geometry {name} > judged 2>&1 || {{ cat judged; exit 1; }}"));
}
