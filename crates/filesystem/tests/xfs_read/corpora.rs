//! XFS images of other projects: each is read in full, or refused with a sentence.

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use block::ExtentSet;
use filesystem::{Filesystem, Result, xfs::Xfs};

use super::tree;

/// Where the corpora lie, if they are here.
fn corpora() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let here = env::var_os("DISKSCRUB_CORPORA").map_or(beside, PathBuf::from);
    here.join("INDEX.tsv").exists().then_some(here)
}

fn read_all(bytes: Vec<u8>) -> Result<String> {
    let xfs = Xfs::open(bytes)?;
    if xfs.summary().unwrap().dirty {
        return Ok("dirty".to_owned());
    }
    let mut claims = Vec::new();
    xfs.claims(&mut |extent, _| {
        claims.push(extent);
        Ok(())
    })?;
    let claimed = ExtentSet::disjoint(claims).expect("claims are disjoint");
    let agree = if claimed == xfs.allocated()? { "agrees" } else { "differs" };
    let tree = tree::ours(&xfs)?;
    let mut tails = 0;
    xfs.tails(&mut |_, _| {
        tails += 1;
        Ok(())
    })?;
    Ok(format!("{} names, {agree}, {tails} tails", tree.len()))
}

#[test]
fn every_image_is_read_or_refused_with_a_sentence() {
    let Some(corpora) = corpora() else {
        println!("not run: no corpora (set DISKSCRUB_CORPORA)");
        return;
    };
    let index = fs::read_to_string(corpora.join("INDEX.tsv")).unwrap();
    let mut failures = Vec::new();
    for line in index.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        if fields[0] != "xfs" || !fields[3].ends_with(".zst") {
            continue;
        }
        let (path, clean) = (fields[3], fields[9].trim().ends_with("=0"));
        let output =
            Command::new("zstd").args(["-dcq"]).arg(corpora.join(path)).output().expect("zstd is there");
        let start = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| read_all(output.stdout)));
        let said = match result {
            Err(_) => {
                failures.push(format!("{path}: panicked"));
                "PANIC".to_owned()
            }
            Ok(Ok(said)) => {
                if clean && said.contains("differs") {
                    failures.push(format!("{path}: xfs_repair calls it clean, but {said}"));
                }
                said
            }
            Ok(Err(error)) => {
                if clean && matches!(error, filesystem::Error::Corrupt(_)) {
                    failures.push(format!("{path}: xfs_repair calls it clean, but {error}"));
                }
                error.to_string()
            }
        };
        println!("{path}\t{}\t{:?}\t{said}", fields[9].trim(), start.elapsed());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
