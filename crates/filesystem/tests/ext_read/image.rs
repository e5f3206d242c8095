//! Images made by the real tools, and their checker.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Runs a tool; a missing one fails the test with a clear sentence.
pub(crate) fn run(tool: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(tool);
    command.args(arguments).env("MKE2FS_SKIP_PROGRESS", "1").env("LC_ALL", "C");
    match command.output() {
        Ok(output) => output,
        Err(error) => panic!("this test needs the program {tool} (Debian: e2fsprogs): {error}"),
    }
}

/// Runs a tool that has to succeed.
pub(crate) fn run_ok(tool: &str, arguments: &[&str]) -> Output {
    let output = run(tool, arguments);
    assert!(
        output.status.success(),
        "{tool} {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// A temporary directory with a source tree and images.
pub(crate) struct Lab {
    pub(crate) dir: tempfile::TempDir,
}

/// What every free byte of a new image holds.
pub(crate) const RESIDUE: &[u8; 16] = b"PREFILL-residue!";

impl Lab {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A tree with files of many sizes, links, a hole, long names and a large directory.
    pub(crate) fn tree(&self) -> PathBuf {
        let root = self.path("tree");
        if root.exists() {
            return root;
        }
        fs::create_dir_all(root.join("a/b/c")).unwrap();
        for size in [0usize, 1, 40, 60, 61, 100, 1023, 1024, 1025, 4096, 5000, 70_000, 300_001] {
            let content: Vec<u8> =
                (0..size).map(|at| u8::try_from((at * 7 + size) % 251).unwrap() + 1).collect();
            fs::write(root.join(format!("a/file-{size}")), content).unwrap();
        }
        fs::write(root.join("a/b").join("n".repeat(255)), "long name").unwrap();
        symlink("file-1", root.join("a/short")).unwrap();
        symlink("x".repeat(59), root.join("a/link59")).unwrap();
        symlink("y".repeat(60), root.join("a/link60")).unwrap();
        symlink("z/".repeat(400), root.join("a/link800")).unwrap();
        fs::hard_link(root.join("a/file-5000"), root.join("a/b/hard")).unwrap();
        fs::create_dir(root.join("many")).unwrap();
        for number in 0..300 {
            fs::write(root.join(format!("many/{number:04}-{}", "e".repeat(number % 40))), number.to_string())
                .unwrap();
        }
        let hole = fs::File::create(root.join("a/hole")).unwrap();
        // It ends with its data on a block boundary: mke2fs 1.47.0 gets other sizes wrong with inline_data.
        std::os::unix::fs::FileExt::write_all_at(&hole, &[7; 4096], 147_456).unwrap();
        root
    }

    /// A new image of `kib` KiB on a medium full of residue, with the tree in it.
    pub(crate) fn image(&self, name: &str, kib: usize, options: &[&str]) -> PathBuf {
        let path = self.path(name);
        let tree = self.tree();
        fs::write(&path, RESIDUE.repeat(kib * 64)).unwrap();
        let mut arguments = vec!["-q", "-F", "-E", "nodiscard", "-d", tree.to_str().unwrap()];
        arguments.extend(options);
        arguments.push(path.to_str().unwrap());
        run_ok("mke2fs", &arguments);
        if options.iter().any(|option| option.contains("quota")) {
            // mke2fs 1.47.0 counts before it copies the tree.
            run("e2fsck", &["-fy", path.to_str().unwrap()]);
        }
        path
    }
}

/// `e2fsck -fn` finds nothing to say.
pub(crate) fn assert_clean(path: &Path, what: &str) {
    let output = run("e2fsck", &["-fn", path.to_str().unwrap()]);
    assert!(
        output.status.success(),
        "{what}: e2fsck -fn: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
