//! What names have besides content: extended attributes, ACLs, owners, modes, times, flags, of all sizes and ages.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, lchown},
    },
    path::Path,
};

use rustix::fs::{
    AtFlags, CWD, IFlags, Timespec, Timestamps, XattrFlags, fsetxattr, ioctl_getflags, ioctl_setflags,
    lsetxattr, utimensat,
};

use super::tree::Tree;

impl Tree {
    /// Attributes of all sizes, labels, capabilities, ACLs.
    pub fn attributes(&mut self, path: &Path, word: &str) {
        let set = |name: &[u8], value: &[u8]| {
            let _ = lsetxattr(path, OsStr::from_bytes(name), value, XattrFlags::empty());
        };
        for _ in 0..self.numbers.below(5) {
            let space = *self.numbers.pick(&[&b"user."[..], b"trusted.", b"security."]);
            let mut name = [space, &self.numbers.name(word)].concat();
            name.truncate(255);
            let len = *self.numbers.pick(&[0_u64, 1, 4, 20, 90, 300, 1000, 3000, 9000, 65_536]);
            set(&name, &self.numbers.text(word, block::to_usize(len)));
        }
        if self.numbers.chance(40) {
            let label = *self.numbers.pick(&[
                &b"system_u:object_r:etc_t:s0\0"[..],
                b"unconfined_u:object_r:user_home_t:s0:c1,c1023\0",
            ]);
            set(b"security.selinux", label);
        }
        if self.numbers.chance(10) {
            // vfs_cap_data of revision 2: CAP_NET_RAW, effective and permitted.
            set(b"security.capability", &[&[1, 0, 0, 2, 0, 0x20][..], &[0; 14]].concat());
        }
        if self.numbers.chance(30) {
            let acl = self.acl();
            set(b"system.posix_acl_access", &acl);
        }
        if self.numbers.chance(30) {
            let acl = self.acl();
            set(b"system.posix_acl_default", &acl);
        }
    }

    /// An ACL as setxattr(2) takes it: version 2, then entries of tag, permissions and id, in their order.
    fn acl(&mut self) -> Vec<u8> {
        let mut entries = vec![(0x01_u16, u32::MAX)];
        let mut id = 0;
        for tag in [0x02, 0x04, 0x08] {
            if tag == 0x04 {
                entries.push((tag, u32::MAX));
                continue;
            }
            for _ in 0..self.numbers.below(12) {
                id += 1 + u32::try_from(self.numbers.below(100_000_000)).expect("below the limit");
                entries.push((tag, id));
            }
            id = 0;
        }
        entries.extend([(0x10, u32::MAX), (0x20, u32::MAX)]);
        let mut bytes = 2_u32.to_le_bytes().to_vec();
        for (tag, id) in entries {
            let permissions = u16::try_from(self.numbers.below(8)).expect("below 8");
            bytes.extend(tag.to_le_bytes());
            bytes.extend(permissions.to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        bytes
    }

    /// Owners, modes with their special bits.
    pub fn ownership(&mut self, path: &Path) {
        let ids = [0, 1000, 65_534, 65_536, 100_000, 1 << 31, u32::MAX - 1];
        if self.numbers.chance(40) {
            let _ = lchown(path, Some(*self.numbers.pick(&ids)), Some(*self.numbers.pick(&ids)));
        }
        let plain = path.symlink_metadata().is_ok_and(|meta| meta.is_file() || meta.is_dir());
        if plain && self.numbers.chance(30) {
            let mode = u32::try_from(self.numbers.below(0o10000)).expect("below the limit");
            let _ = fs::set_permissions(path, fs::Permissions::from_mode(mode));
        }
    }

    /// Times of all ages on names of all kinds, and then flags, which forbid further changes.
    pub fn finish(&mut self, ext: bool) -> io::Result<()> {
        let mut todo = vec![self.root.clone()];
        let mut paths = Vec::new();
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(&dir)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    todo.push(entry.path());
                }
                paths.push(entry.path());
            }
        }
        for path in &paths {
            if self.numbers.chance(60) {
                let times = Timestamps { last_access: self.time(), last_modification: self.time() };
                let _ = utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW);
            }
        }
        let mut flags =
            vec![IFlags::IMMUTABLE, IFlags::APPEND, IFlags::NODUMP, IFlags::NOATIME, IFlags::SYNC];
        if ext {
            flags.extend([IFlags::DIRSYNC, IFlags::TOPDIR, IFlags::JOURNALING, IFlags::NOTAIL]);
        }
        for path in paths {
            let plain = path.symlink_metadata().is_ok_and(|meta| meta.is_file() || meta.is_dir());
            if plain && self.numbers.chance(12) {
                let file = File::open(&path)?;
                if let Ok(now) = ioctl_getflags(&file) {
                    let _ = ioctl_setflags(&file, now | *self.numbers.pick(&flags));
                }
            }
        }
        Ok(())
    }

    /// From 1901 to where no format reaches: the kernel takes the nearest that it can keep.
    fn time(&mut self) -> Timespec {
        let seconds =
            [-1 << 31, -1, 0, 1, 1_000_000_000, (1 << 31) - 1, 1 << 31, 4_291_747_200, 15_032_385_535];
        let nanoseconds = [0, 1, 999_999_999, 123_456_789];
        Timespec {
            tv_sec: *self.numbers.pick(&seconds) + i64::try_from(self.numbers.below(2)).expect("0 or 1"),
            tv_nsec: *self.numbers.pick(&nanoseconds),
        }
    }

    /// An attribute of an open file, and then one without it: its value may be anywhere.
    pub fn passing_attribute(&mut self, file: &File) {
        let len = *self.numbers.pick(&[30_u64, 200, 2000, 20_000]);
        let value = self.numbers.text(&self.token.clone(), block::to_usize(len));
        let name = format!("user.{}", self.token);
        if fsetxattr(file, &*name, &value, XattrFlags::empty()).is_ok() {
            let _ = rustix::fs::fsync(file);
            let _ = rustix::fs::fremovexattr(file, &*name);
        }
    }
}
