//! The damaged and odd images of e2fsprogs under edits: none makes us panic, and clean ones stay clean.

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::Instant,
};

use filesystem::{Change, FileKind, Filesystem, FilesystemMut, Result, Target, ext::Ext};

use crate::{
    image::{Lab, run, run_ok},
    text,
};

fn corpora() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let dir = env::var_os("DISKSCRUB_CORPORA").map_or(beside, PathBuf::from);
    dir.join("INDEX.tsv").exists().then_some(dir)
}

/// Every name outside `lost+found`, each with its kind.
fn names(ext: &Ext<Vec<u8>>) -> Result<Vec<(Target, FileKind)>> {
    let root = ext.root().unwrap();
    let (mut names, mut stack) = (Vec::new(), vec![root]);
    while let Some(parent) = stack.pop() {
        ext.entries(parent, &mut |entry| {
            if parent == root && entry.name == b"lost+found" {
                return Ok(());
            }
            if entry.kind == FileKind::Directory && names.len() < 2000 {
                stack.push(entry.inode);
            }
            names.push((Target { parent, name: entry.name, inode: entry.inode }, entry.kind));
            Ok(())
        })?;
    }
    Ok(names)
}

/// Edits made at most, so that a directory of 100,000 names does not take a minute.
const LIMIT: usize = 3000;

/// Gives files other content, empties some, removes every third name, then whole trees. The first
/// error is the last edit: what it leaves is not to be used.
fn edit_all(ext: &mut Ext<Vec<u8>>) -> Result<usize> {
    let mut done = 0;
    for (at, (target, kind)) in names(ext)?.into_iter().take(LIMIT).enumerate() {
        let change = match (at % 3, kind) {
            (0, _) => Change::Remove,
            (1, FileKind::File) => Change::Truncate,
            (_, FileKind::File) => Change::Overwrite(text(at * 7 % 9000)),
            _ => continue,
        };
        // A name may be gone with its tree, and some changes are refused.
        if ext.supports(&target, &change).is_ok() {
            ext.change(&target, &change)?;
            done += 1;
        }
    }
    Ok(done)
}

#[test]
fn damaged_images_are_edited_or_refused_with_a_sentence() {
    let Some(corpora) = corpora() else {
        println!("not run: no corpora (set DISKSCRUB_CORPORA)");
        return;
    };
    let lab = Lab::new();
    let mut failures = Vec::new();
    for line in fs::read_to_string(corpora.join("INDEX.tsv")).unwrap().lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        if fields[1] != "e2fsprogs" || !fields[3].ends_with(".zst") {
            continue;
        }
        let path = fields[3];
        let bytes = run_ok("zstd", &["-dcq", corpora.join(path).to_str().unwrap()]).stdout;
        let file = lab.path("edited");
        let check = |ext: &Ext<Vec<u8>>| {
            fs::write(&file, ext.device()).unwrap();
            // One image keeps e2fsck busy for ever.
            run("timeout", &["10", "e2fsck", "-fn", file.to_str().unwrap()])
        };
        let start = Instant::now();
        // What a replay leaves decides whether it was clean, not what the checker says without.
        let work = || -> Result<String> {
            let mut ext = Ext::open(bytes)?;
            ext.recover()?;
            let clean = check(&ext).status.success();
            let done = edit_all(&mut ext)?;
            let after = check(&ext);
            let said = if !clean || after.status.success() {
                format!("{done} edits, clean before: {clean}")
            } else {
                format!("SPOILT by {done} edits: {}", String::from_utf8_lossy(&after.stdout))
            };
            Ok(said)
        };
        let said = match catch_unwind(AssertUnwindSafe(work)) {
            Err(_) => "PANIC".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Ok(Ok(said)) => said,
        };
        if said.starts_with("SPOILT") || said == "PANIC" {
            failures.push(format!("{path}: {said}"));
        }
        println!("{path}\t{}\t{:?}\t{said}", fields[9].trim(), start.elapsed());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
