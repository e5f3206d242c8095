//! A tree for a filesystem that the kernel here does not mount: its own tools put it in.

use std::{
    fs,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use super::Numbers;
use crate::{
    Result,
    program::{command, output, run},
};

/// A tree in a directory of the machine that makes it.
pub(super) struct Source {
    pub(super) root: PathBuf,
    /// Files whose names and contents go; plain names, which need no quoting.
    pub(super) doomed: Vec<String>,
}

impl Source {
    /// A guest with something for the rules to remove, `many` names in its widest directory, and what `token` dooms.
    pub(super) fn new(root: PathBuf, numbers: &mut Numbers, token: &str, many: u64) -> Result<Self> {
        let mut source = Self { root, doomed: Vec::new() };
        source.fill(numbers, token, many).map_err(|error| format!("{}: {error}", source.root.display()))?;
        Ok(source)
    }

    fn fill(&mut self, numbers: &mut Numbers, token: &str, many: u64) -> std::io::Result<()> {
        let put = |path: PathBuf, bytes: &[u8]| {
            fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
            fs::write(path, bytes)
        };
        put(self.root.join("etc/os-release"), b"PRETTY_NAME=\"Debian GNU/Linux 13 (seed)\"\nID=debian\n")?;
        put(self.root.join("etc/passwd"), b"root:x:0:0:root:/root:/bin/bash\n")?;
        for path in ["root/.bash_history", "etc/ssh/ssh_host_rsa_key", "var/log/auth.log"] {
            let len = block::to_usize(*numbers.pick(&[1, 40, 130, 3000, 70_000]));
            put(self.root.join(path), &numbers.text(token, len))?;
        }
        for at in 0..many {
            let name = word(&numbers.name("w"));
            let above = *numbers.pick(&["wide", "wide", "wide", "var/log/wide", "srv/a/b/c"]);
            let removed = above.starts_with("var");
            let name = if removed { word(&numbers.name(token)) } else { name };
            let path = self.root.join(above).join(std::ffi::OsStr::from_bytes(&name));
            let len = block::to_usize(*numbers.pick(&[0, 1, 60, 300, 4096, 20_000]));
            match numbers.below(12) {
                0 if !removed => {
                    fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
                    let target = "t".repeat(block::to_usize(*numbers.pick(&[1, 59, 60, 300])));
                    std::os::unix::fs::symlink(target, path)?;
                }
                _ => put(path, &numbers.text(if removed { token } else { "stays" }, len))?,
            }
            if at % 7 == 0 {
                let name = format!("{token}{at}");
                put(self.root.join("srv").join(&name), &numbers.text(token, len))?;
                self.doomed.push(format!("srv/{name}"));
            }
        }
        Ok(())
    }

    /// What is doomed stays in the directory, and goes from nowhere: for a format that has no tool to remove it.
    pub(super) fn spare(&self) -> Result<()> {
        let remove = |path: &String| fs::remove_file(self.root.join(path)).map_err(|error| error.to_string());
        self.doomed.iter().try_for_each(remove)
    }

    /// The same as a prototype for `mkfs.xfs -p`.
    pub(super) fn prototype(&self) -> Result<Vec<u8>> {
        let mut text = b"/none\n0 0\nd--755 0 0\n".to_vec();
        describe(&self.root, &mut text).map_err(|error| format!("{}: {error}", self.root.display()))?;
        text.extend_from_slice(b"$\n");
        Ok(text)
    }

    /// Removes what is doomed from an ext filesystem, and makes a directory in which case does not matter.
    pub(super) fn finish_ext(&self, volume: &Path) -> Result<()> {
        let mut commands: Vec<String> = self.doomed.iter().map(|path| format!("rm {path}")).collect();
        commands.extend(["mkdir folded", "sif folded flags 0x40000000"].map(str::to_owned));
        for name in ["Stra\u{df}e", "\u{c4}rger", "plain"] {
            commands.push(format!("write {}/etc/passwd folded/{name}", self.root.display()));
        }
        for request in commands {
            run("debugfs", ["-w".as_ref(), "-R".as_ref(), request.as_ref(), volume.as_os_str()])?;
        }
        let said = output(command("e2fsck").arg("-fy").arg(volume))?;
        if said.status.code().is_none_or(|code| code > 1) {
            return Err(format!("e2fsck of the new volume: {}", String::from_utf8_lossy(&said.stdout)));
        }
        Ok(())
    }
}

/// A name that a prototype can have: one word.
fn word(name: &[u8]) -> Vec<u8> {
    name.iter().copied().filter(|byte| *byte > b' ' && *byte != 0x7f).collect()
}

fn describe(dir: &Path, text: &mut Vec<u8>) -> std::io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(dir)?.collect::<std::io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, meta) = (entry.path(), entry.metadata()?);
        text.extend_from_slice(entry.file_name().as_bytes());
        if meta.is_dir() {
            text.extend_from_slice(b" d--755 0 0\n");
            describe(&path, text)?;
            text.extend_from_slice(b"$\n");
        } else if meta.is_symlink() {
            text.extend_from_slice(b" l--777 0 0 ");
            text.extend_from_slice(fs::read_link(&path)?.as_os_str().as_bytes());
            text.push(b'\n');
        } else {
            let owner = meta.ino() % 70_000;
            text.extend_from_slice(format!(" -u-644 {owner} 7 ").as_bytes());
            text.extend_from_slice(path.as_os_str().as_bytes());
            text.push(b'\n');
        }
    }
    Ok(())
}
