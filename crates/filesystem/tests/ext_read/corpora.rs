//! The damaged and odd images of e2fsprogs: each is read in full, or refused with a sentence.

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::Instant,
};

use filesystem::{Filesystem, Result, ext::Ext};

use super::{image, tree};

/// Where the corpora lie, if they are here.
fn corpora() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let here = env::var_os("DISKSCRUB_CORPORA").map(PathBuf::from).unwrap_or(beside);
    for ancestor in [here.clone(), PathBuf::from("/work/shared/corpora")] {
        if ancestor.join("INDEX.tsv").exists() {
            return Some(ancestor);
        }
    }
    None
}

fn read_all(bytes: Vec<u8>) -> Result<usize> {
    let ext = Ext::open(bytes)?;
    ext.summary();
    ext.claims(&mut |_, _| Ok(()))?;
    ext.allocated()?;
    Ok(tree::ours(&ext)?.len())
}

#[test]
fn every_image_is_read_or_refused_with_a_sentence() {
    let Some(corpora) = corpora() else {
        println!("not run: no corpora (set DISKSCRUB_CORPORA)");
        return;
    };
    let index = fs::read_to_string(corpora.join("INDEX.tsv")).unwrap();
    let mut failures = Vec::new();
    let mut count = 0;
    for line in index.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        if fields[1] != "e2fsprogs" || !fields[3].ends_with(".zst") {
            continue;
        }
        let (path, clean) = (fields[3], fields[9].trim() == "e2fsck -fn=0");
        let file = corpora.join(path);
        let bytes = image::run_ok("zstd", &["-dcq", file.to_str().unwrap()]).stdout;
        let start = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| read_all(bytes)));
        count += 1;
        let said = match result {
            Err(_) => {
                failures.push(format!("{path}: panicked"));
                "PANIC".to_owned()
            }
            Ok(Ok(names)) => format!("{names} names"),
            Ok(Err(error)) => {
                if clean {
                    failures.push(format!("{path}: e2fsck calls it clean, but {error}"));
                }
                error.to_string()
            }
        };
        println!("{path}\t{}\t{:?}\t{said}", fields[9].trim(), start.elapsed());
    }
    println!("{count} images");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
