//! Fills a mounted filesystem: every kind of file, name, attribute and map that Linux can make there. What a
//! filesystem does not take is left out, as a user's program would.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileExt, symlink},
    },
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, FallocateFlags, FileType, Mode, fallocate, ioctl_ficlone, makedev, mknodat};

use super::Numbers;

/// What stays has it in each line.
const STAYS: &str = "stays";

/// A tree that grows below a mount point.
pub struct Tree {
    /// Where it is mounted.
    pub root: PathBuf,
    /// Where its shape comes from.
    pub numbers: Numbers,
    /// Stands in all names and contents that go, and nowhere else.
    pub token: String,
    /// The filesystem keeps small files in their inodes. When one outgrows it, Linux 6.18 journals its first block as if it were
    /// metadata, and does not revoke that when the file goes: then the old content can come back in another file, in
    /// the input already. So what goes never grows there.
    pub inline: bool,
    /// Directories.
    pub directories: Vec<PathBuf>,
    /// Regular files that stay.
    pub files: Vec<PathBuf>,
    /// What the edits remove.
    pub doomed: Vec<PathBuf>,
}

impl Tree {
    /// An empty one.
    pub fn new(root: &Path, numbers: Numbers, token: &str, inline: bool) -> Self {
        Self {
            root: root.to_owned(),
            numbers,
            token: token.to_owned(),
            inline,
            directories: vec![root.to_owned()],
            files: Vec::new(),
            doomed: Vec::new(),
        }
    }

    /// A guest with something for the rules to remove, and everything else around it. `many` is the number of names in
    /// its widest directory.
    pub fn fill(&mut self, many: u64) -> io::Result<()> {
        self.guest()?;
        for _ in 0..10 + self.numbers.below(30) {
            let above = self.numbers.pick(&self.directories).clone();
            let path = above.join(OsStr::from_bytes(&self.numbers.name("d")));
            if fs::create_dir(&path).is_ok() {
                self.directories.push(path);
            }
        }
        self.deep();
        for _ in 0..40 + self.numbers.below(80) {
            self.node();
        }
        let wide = self.numbers.pick(&self.directories).join("wide");
        fs::create_dir_all(&wide)?;
        for _ in 0..many {
            let doomed = self.numbers.chance(40);
            let word = if doomed { self.token.clone() } else { "w".to_owned() };
            let path = wide.join(OsStr::from_bytes(&self.numbers.name(&word)));
            // Devices need no block, and few bytes of the machine that runs this.
            let made = mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0);
            if made.is_ok() && doomed {
                self.doomed.push(path);
            }
        }
        self.directories.push(wide);
        Ok(())
    }

    /// What makes it the root of a Linux, and what rules remove.
    fn guest(&mut self) -> io::Result<()> {
        let token = self.token.clone();
        for (path, text) in [
            ("etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 13 (seed)\"\nID=debian\n"),
            ("etc/passwd", "root:x:0:0:root:/root:/bin/bash\nal:x:1000:1000::/home/al:/bin/bash\n"),
            ("usr/bin/app", "#!/bin/sh\n"),
        ] {
            self.put(path, text.as_bytes())?;
        }
        for path in [
            "root/.bash_history",
            "home/al/.bash_history",
            "etc/ssh/ssh_host_rsa_key",
            "var/log/auth.log",
            "home/al/.aws/credentials",
            "var/lib/dhcp/dhclient.leases",
        ] {
            let len = block::to_usize(*self.numbers.pick(&[1, 40, 130, 3000, 70_000]));
            let bytes = self.numbers.text(&token, len);
            self.put(path, &bytes)?;
            if self.numbers.chance(50) {
                self.attributes(&self.root.join(path), &token);
            }
        }
        // Names of any kind in directories that are emptied.
        for at in 0..self.numbers.below(60) {
            let above = self.numbers.pick(&["var/log", "tmp", "var/tmp"]).to_owned();
            let mut path = self.root.join(above);
            if at % 5 == 0 {
                path.push("below");
            }
            fs::create_dir_all(&path)?;
            path.push(OsStr::from_bytes(&self.numbers.name(&token)));
            let bytes = self.numbers.text(&token, 300);
            fs::write(path, bytes)?;
        }
        for path in ["home", "usr", "usr/bin", "etc", "root"] {
            self.directories.push(self.root.join(path));
        }
        Ok(())
    }

    fn put(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
        fs::write(path, bytes)
    }

    /// A path of many directories.
    fn deep(&mut self) {
        let mut path = self.numbers.pick(&self.directories).clone();
        for _ in 0..self.numbers.below(30) {
            path.push(format!("deep{}", self.numbers.below(3)));
            if fs::create_dir(&path).is_ok() {
                self.directories.push(path.clone());
            }
        }
    }

    /// One name of any kind, somewhere.
    fn node(&mut self) {
        let doomed = self.numbers.chance(35);
        let word = if doomed { self.token.clone() } else { STAYS.to_owned() };
        let above = self.numbers.pick(&self.directories).clone();
        let path = above.join(OsStr::from_bytes(&self.numbers.name(&word)));
        let made = match self.numbers.below(12) {
            0 => {
                let len = *self.numbers.pick(&[1_u64, 30, 59, 60, 61, 150, 1000, 1023, 4094]);
                let mut target = vec![b'/'; block::to_usize(len)];
                let bytes = self.numbers.text(&word, target.len());
                target
                    .iter_mut()
                    .zip(bytes)
                    .filter(|(_, byte)| *byte != b'\n')
                    .for_each(|(to, byte)| *to = byte);
                symlink(OsStr::from_bytes(&target), &path)
            }
            // Its own target.
            1 => symlink(path.file_name().unwrap_or_default(), &path),
            2 => {
                let (kind, device) = *self.numbers.pick(&[
                    (FileType::CharacterDevice, makedev(5, 1)),
                    (FileType::BlockDevice, makedev(259, 70_000)),
                    (FileType::CharacterDevice, makedev(4000, 0xf_ffff)),
                    (FileType::Socket, 0),
                    (FileType::Fifo, 0),
                ]);
                Ok(mknodat(CWD, &path, kind, Mode::from_raw_mode(0o640), device)).and_then(|made| Ok(made?))
            }
            3 if !self.files.is_empty() && !doomed => {
                let file = self.numbers.pick(&self.files).clone();
                fs::hard_link(file, &path)
            }
            4 if !self.files.is_empty() && !doomed => self.clone_of(&path),
            _ => self.file(&path, &word),
        };
        if made.is_err() {
            // Half made is not made.
            let _ = fs::remove_file(&path);
            return;
        }
        if self.numbers.chance(40) {
            self.attributes(&path, &word);
        }
        self.ownership(&path);
        let regular = path.symlink_metadata().is_ok_and(|meta| meta.is_file());
        match doomed {
            true => self.doomed.push(path),
            false if regular => self.files.push(path),
            false => {}
        }
    }

    /// A file of any size and map.
    fn file(&mut self, path: &Path, word: &str) -> io::Result<()> {
        let file = File::create_new(path)?;
        let sizes = [0, 1, 40, 59, 60, 61, 100, 156, 300, 1000, 1024, 3000, 4095, 4096, 4097, 20_000, 40_000];
        let len = block::to_usize(*self.numbers.pick(&sizes));
        file.write_all_at(&self.numbers.text(word, len), 0)?;
        let grows = !self.inline || word != self.token;
        if grows && self.numbers.chance(40) {
            for _ in 0..1 + self.numbers.below(6) {
                self.shape(&file, word)?;
            }
        }
        if grows && self.numbers.chance(4) {
            self.pieces(&file, word)?;
        }
        Ok(())
    }

    /// Holes, unwritten extents, blocks behind the end, shifted ranges.
    pub fn shape(&mut self, file: &File, word: &str) -> io::Result<()> {
        let (block, size) = (4096, file.metadata()?.len());
        let at = self.numbers.below(40) * block;
        let len = (1 + self.numbers.below(20)) * block;
        let _ = match self.numbers.below(9) {
            0 => fallocate(file, FallocateFlags::empty(), at, len),
            1 => fallocate(file, FallocateFlags::KEEP_SIZE, size, len),
            2 => fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, at / 2, len + 700),
            3 => fallocate(file, FallocateFlags::ZERO_RANGE, at / 2, len + 100),
            4 => fallocate(file, FallocateFlags::COLLAPSE_RANGE, 0, 4 * block),
            5 => fallocate(file, FallocateFlags::INSERT_RANGE, block, 4 * block),
            6 => return file.set_len(at + self.numbers.below(5000)),
            // Far away: a high block number.
            7 => return file.write_all_at(&self.numbers.text(word, 700), 1 << (20 + self.numbers.below(6))),
            _ => return file.write_all_at(&self.numbers.text(word, 5000), at + self.numbers.below(5000)),
        };
        Ok(())
    }

    /// So many pieces that no inode holds them.
    fn pieces(&mut self, file: &File, word: &str) -> io::Result<()> {
        for at in 0..100 + self.numbers.below(400) {
            file.write_all_at(&self.numbers.text(word, 40), at * 3 * 4096)?;
        }
        Ok(())
    }

    /// A file that shares its blocks with another one, where the filesystem can, and then some of them no longer.
    fn clone_of(&mut self, path: &Path) -> io::Result<()> {
        let original = File::open(self.numbers.pick(&self.files))?;
        let file = OpenOptions::new().write(true).read(true).create_new(true).open(path)?;
        if ioctl_ficlone(&file, &original).is_ok() {
            let at = self.numbers.below(30_000);
            let bytes = self.numbers.text(STAYS, 600);
            if self.numbers.chance(60) {
                file.write_all_at(&bytes, at)?;
            }
            if self.numbers.chance(30) {
                self.shape(&file, STAYS)?;
            }
        }
        Ok(())
    }
}
