//! Edits of a mounted tree as years of use would do them. Whatever they remove has the tree's token in it, and nothing
//! else has.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io,
    os::unix::{ffi::OsStrExt, fs::FileExt},
};

use rustix::fs::{FallocateFlags, fallocate, fsync};

use super::tree::Tree;

impl Tree {
    /// Removes all that is doomed, in one way or another, and changes some of what stays. Files that are returned have no
    /// name any more: they are orphans for as long as they are open.
    pub fn edit(&mut self) -> io::Result<Vec<File>> {
        let mut orphans = Vec::new();
        for path in std::mem::take(&mut self.doomed) {
            let regular = path.symlink_metadata()?.is_file();
            if regular && self.numbers.chance(15) {
                orphans.push(OpenOptions::new().read(true).write(true).open(&path)?);
            }
            match self.numbers.below(10) {
                // Its name moves before it goes.
                0 => {
                    let above = self.numbers.pick(&self.directories).clone();
                    let other = above.join(OsStr::from_bytes(&self.numbers.name(&self.token.clone())));
                    fs::rename(&path, &other)?;
                    fs::remove_file(other)?;
                }
                // Another file takes its name, and gets its own back.
                1 if !self.files.is_empty() => {
                    let file = self.numbers.pick(&self.files).clone();
                    fs::rename(&file, &path)?;
                    fs::rename(&path, &file)?;
                    // Two names of one inode: renaming does nothing.
                    let _ = fs::remove_file(&path);
                }
                // Emptied first, so that its blocks are free before its inode is.
                2 if regular => {
                    OpenOptions::new().write(true).open(&path)?.set_len(0)?;
                    fs::remove_file(&path)?;
                }
                _ => fs::remove_file(&path)?,
            }
        }
        for _ in 0..10 + self.numbers.below(40) {
            self.edit_one()?;
        }
        Ok(orphans)
    }

    /// One change of a file that stays.
    fn edit_one(&mut self) -> io::Result<()> {
        if self.files.is_empty() {
            return Ok(());
        }
        let at = block::to_usize(self.numbers.below(block::to_u64(self.files.len())));
        let path = self.files[at].clone();
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let (size, token) = (file.metadata()?.len(), self.token.clone());
        match self.numbers.below(9) {
            // What was written behind the end, and cut off again.
            0..3 if self.inline => {}
            0 if size < 1 << 20 => {
                let len = block::to_usize(*self.numbers.pick(&[90, 900, 9000, 40_000]));
                file.write_all_at(&self.numbers.text(&token, len), size)?;
                fsync(&file)?;
                file.set_len(size)?;
            }
            // What was written, and then written over.
            1 => {
                let offset = self.numbers.below(50_000);
                let len = block::to_usize(1 + self.numbers.below(9000));
                file.write_all_at(&self.numbers.text(&token, len), offset)?;
                if self.numbers.chance(50) {
                    fsync(&file)?;
                }
                file.write_all_at(&self.numbers.text("stays", len), offset)?;
            }
            // What was written, and punched out.
            2 => {
                let offset = (1 << 20) + self.numbers.below(50) * 4096;
                file.write_all_at(&self.numbers.text(&token, 20_000), offset)?;
                fsync(&file)?;
                let mode = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                if fallocate(&file, mode, offset, 20_480).is_err() {
                    file.write_all_at(&self.numbers.text("stays", 20_000), offset)?;
                }
            }
            // Not every filesystem has such large files.
            3 => drop(self.shape(&file, "stays")),
            4 => self.passing_attribute(&file),
            5 => self.attributes(&path, "stays"),
            6 => self.ownership(&path),
            // A name that it had for a while, or a second one.
            7 => {
                let above = self.numbers.pick(&self.directories).clone();
                let passing = above.join(OsStr::from_bytes(&self.numbers.name(&token)));
                let other = above.join(OsStr::from_bytes(&self.numbers.name("r")));
                fs::rename(&path, &passing)?;
                fsync(&file)?;
                fs::rename(&passing, &other)?;
                self.files[at] = other;
            }
            _ => {
                let above = self.numbers.pick(&self.directories).clone();
                // A directory full of names, gone with all of them.
                let passing = above.join(OsStr::from_bytes(&self.numbers.name(&token)));
                fs::create_dir(&passing)?;
                for _ in 0..self.numbers.below(40) {
                    let name = self.numbers.name(&token);
                    let bytes = self.numbers.text(&token, 100);
                    fs::write(passing.join(OsStr::from_bytes(&name)), bytes)?;
                }
                fs::remove_dir_all(&passing)?;
            }
        }
        Ok(())
    }
}
