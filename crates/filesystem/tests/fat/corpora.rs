//! Images of other projects, if they are there: never a panic or a hang, and what is sound stays so.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use block::{BlockRead, ExtentSet, Overlay, Run, to_usize};
use filesystem::{Change, Filesystem, FilesystemMut, Target, fat::Fat};

use crate::support::{live, our_tree, run, tails};

struct Disk(File, u64);

impl BlockRead for Disk {
    fn size(&self) -> u64 {
        self.1
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }
    fn run_at(&self, offset: u64) -> io::Result<Run> {
        Ok(Run { len: self.1 - offset, zero: false })
    }
}

fn corpora() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let dir = std::env::var_os("DISKSCRUB_CORPORA").map_or(beside, PathBuf::from);
    dir.join("INDEX.tsv").exists().then_some(dir)
}

fn unpack(path: &Path) -> Disk {
    let file = tempfile::NamedTempFile::new().unwrap();
    let status = Command::new("zstd")
        .args(["-d", "-q", "-f", "--sparse"])
        .arg(path)
        .arg("-o")
        .arg(file.path())
        .stderr(Stdio::null())
        .status()
        .expect("zstd cannot be run: install zstd");
    assert!(status.success(), "{}", path.display());
    let file = File::open(file.path()).unwrap();
    let size = file.metadata().unwrap().len();
    Disk(file, size)
}

/// fsck.fat is silent on what is live, all else zero.
fn check(view: &impl BlockRead, live: &ExtentSet) {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(view.size()).unwrap();
    for extent in live.iter() {
        let mut buf = vec![0; to_usize(extent.len)];
        view.read_at(extent.start, &mut buf).unwrap();
        file.as_file().write_all_at(&buf, extent.start).unwrap();
    }
    run("fsck.fat", &["-n", file.path().to_str().unwrap()]);
}

/// The whole line. What fsck.fat called clean (`oracle`) must pass.
fn sanitize(disk: Disk, clean: bool) -> block::Result<String> {
    let mut fat = Fat::open(Overlay::new(disk))?;
    live(&fat)?;
    let tree = our_tree(&fat)?;
    fat.recover()?;
    fat.scrub()?;
    if clean {
        check(fat.device(), &live(&fat)?);
    }
    assert_eq!(our_tree(&fat)?, tree, "the scrub changed a file");
    assert_eq!(fat.scrub()?, 0);
    assert_eq!(tails(&fat), []);
    let root = fat.root().expect("FAT has a root");
    let mut names = Vec::new();
    fat.entries(root, &mut |entry| {
        names.push(Target { parent: root, name: entry.name, inode: entry.inode });
        Ok(())
    })?;
    for target in &names {
        fat.change(target, &Change::Remove)?;
    }
    let live = live(&fat)?;
    if clean {
        check(fat.device(), &live);
    }
    assert_eq!(our_tree(&fat)?.len(), 0);
    let summary = fat.summary().unwrap();
    Ok(format!("{} {} {:?}, {} names", summary.features[0], summary.uuid, summary.label, tree.len()))
}

#[test]
fn images_of_other_projects() {
    let Some(dir) = corpora() else {
        println!("not run: no corpora (set DISKSCRUB_CORPORA)");
        return;
    };
    let index = std::fs::read_to_string(dir.join("INDEX.tsv")).unwrap();
    let mut seen = 0;
    for line in index.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [class, path, kind, oracle] = [0, 3, 4, 9].map(|index| fields[index]);
        if !["fat", "exfat"].contains(&class) || kind != "raw" || !dir.join(path).exists() {
            continue;
        }
        seen += 1;
        let result = sanitize(unpack(&dir.join(path)), oracle == "fsck.fat -n=0");
        println!("{path} [{oracle}]: {result:?}");
        match result {
            Ok(_) => assert_ne!(class, "exfat"),
            Err(error) => assert!(oracle != "fsck.fat -n=0", "{path}: {error}"),
        }
    }
    assert!(seen > 0);
}
