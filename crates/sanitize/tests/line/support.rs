//! Small ext4 images by mke2fs and debugfs, and the whole line over them in memory.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

use block::{BlockRead, ImageWriter, to_usize};
use filesystem::Result;
use sanitize::{OpaqueVolumes, Report, Request, Silent, View};
use scan::{Overrides, Policy, Selection};

pub(crate) const BLOCK: usize = 4096;

/// Runs a tool, which has to be there and to succeed, and returns what it printed.
pub(crate) fn run(tool: &str, arguments: &[&str]) -> String {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new(tool)
        .args(arguments)
        .env("PATH", path)
        .env("LC_ALL", "C")
        .output()
        .unwrap_or_else(|error| panic!("{tool} has to be installed: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{tool} {arguments:?}: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

/// A tree to fill, and the ext4 image that mke2fs makes of it.
pub(crate) struct Lab(tempfile::TempDir);

impl Lab {
    /// With the least that makes it a guest.
    pub(crate) fn new() -> Self {
        let lab = Self(tempfile::tempdir().unwrap());
        lab.put("etc/passwd", b"root:x:0:0::/root:/bin/sh\nal:x:1000:1000::/home/al:/bin/sh\n");
        lab.put("home/al/notes", b"notes that stay\n");
        lab
    }

    pub(crate) fn put(&self, path: &str, content: &[u8]) {
        let path = self.0.path().join("tree").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes the image, of 4 KiB blocks unless the options say otherwise.
    pub(crate) fn make(&self, options: &[&str]) {
        let (tree, image) = (self.path("tree"), self.path("image"));
        let common = ["-q", "-F", "-t", "ext4", "-b", "4096", "-d", tree.to_str().unwrap()];
        run("mke2fs", &[&common[..], options, &[image.to_str().unwrap(), "16M"]].concat());
    }

    /// One command of debugfs, writing.
    pub(crate) fn debugfs(&self, command: &str) -> String {
        run("debugfs", &["-w", "-R", command, self.path("image").to_str().unwrap()])
    }

    /// The number of the block that holds a file's first bytes.
    pub(crate) fn block_of(&self, path: &str) -> usize {
        self.debugfs(&format!("bmap {path} 0")).trim().parse().unwrap()
    }

    pub(crate) fn image(&self) -> Vec<u8> {
        fs::read(self.path("image")).unwrap()
    }
}

/// e2fsck(8) has nothing to say.
pub(crate) fn assert_consistent(image: &[u8]) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), image).unwrap();
    run("e2fsck", &["-fn", file.path().to_str().unwrap()]);
}

/// A file's content by debugfs(8).
pub(crate) fn content(image: &[u8], path: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("image"), dir.path().join("out"));
    fs::write(&file, image).unwrap();
    run("debugfs", &["-R", &format!("dump {path} {}", out.display()), file.to_str().unwrap()]);
    fs::read(out).unwrap_or_else(|_| panic!("{path} is not there"))
}

pub(crate) fn has(image: &[u8], token: &[u8]) -> bool {
    memchr::memmem::find(image, token).is_some()
}

/// The default policy, and what it is to remove besides.
pub(crate) fn selection(remove: &[&str]) -> Selection {
    let remove = remove.iter().map(|&glob| glob.to_owned()).collect();
    Selection::new(&Policy::built_in("default").unwrap(), &Overrides { remove, ..Overrides::default() })
        .unwrap()
}

pub(crate) fn request(selection: &Selection) -> Request<'_> {
    Request {
        selection,
        create: &[],
        opaque: OpaqueVolumes::Refuse,
        drop_unowned: false,
        sector_size: None,
        list_files: false,
        workers: 2,
    }
}

/// Keeps what is written in memory.
pub(crate) struct Memory(pub(crate) Arc<Mutex<Vec<u8>>>);

impl ImageWriter for Memory {
    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let from = to_usize(offset);
        self.0.lock().unwrap()[from..from + data.len()].copy_from_slice(data);
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

/// Plan and clean: the output's bytes, and the report.
pub(crate) fn clean(device: impl BlockRead + 'static, request: &Request<'_>) -> Result<(Vec<u8>, Report)> {
    let output = Arc::new(Mutex::new(vec![0; to_usize(device.size())]));
    let mut view = View::new(Arc::new(device));
    let plan = sanitize::plan(&mut view, request, &Silent)?;
    let writer = Box::new(Memory(Arc::clone(&output)));
    let report = sanitize::sanitize(&mut view, &plan, writer, request, &Silent)?;
    let output = output.lock().unwrap().clone();
    Ok((output, report))
}

/// What the judge of outputs says, a sentence each.
pub(crate) fn judge(output: &[u8], drop_unowned: bool) -> Vec<String> {
    let device: Arc<dyn BlockRead> = Arc::new(output.to_vec());
    let options = verify::Options { drop_unowned, content: true, ..verify::Options::default() };
    let verdict = verify::judge(&device, options).unwrap();
    verdict.findings.iter().map(ToString::to_string).collect()
}

pub(crate) fn write_at(path: &Path, offset: usize, bytes: &[u8]) {
    let mut image = fs::read(path).unwrap();
    image[offset..offset + bytes.len()].copy_from_slice(bytes);
    fs::write(path, image).unwrap();
}
