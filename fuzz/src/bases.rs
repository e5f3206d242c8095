//! The good images of a target: made by `bases.sh`, and those of the corpora that are put beside them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    disk::Base,
    parts::{self, Shape},
};

/// Where the images are: `DISKSCRUB_FUZZ_BASES`, or `bases` beside this crate's manifest, where they are made if
/// need be.
fn directory() -> PathBuf {
    if let Some(directory) = env::var_os("DISKSCRUB_FUZZ_BASES") {
        return directory.into();
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = here.join("bases");
    if !directory.join("complete").exists() {
        let made = Command::new("bash").arg(here.join("bases.sh")).arg(&directory).status();
        assert!(made.is_ok_and(|status| status.success()), "bases.sh makes the images that are patched");
    }
    directory
}

/// Reads all images of a target, in the order of their names.
#[must_use]
pub fn load(target: &str, shape: Shape) -> Vec<&'static Base> {
    let directory = directory();
    let mut paths = Vec::new();
    for place in [directory.join(target), directory.join("corpora").join(target)] {
        let entries = fs::read_dir(place).into_iter().flatten().filter_map(Result::ok);
        paths.extend(entries.map(|entry| entry.path()));
    }
    paths.sort();
    let bases: Vec<&'static Base> = paths
        .iter()
        .map(|path| {
            let base = Base::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            // Read for as long as the process lives.
            let bare: &'static Base = Box::leak(Box::new(base));
            let parts = parts::find(bare, shape);
            let whole: &'static Base = Box::leak(Box::new(bare.with(parts)));
            whole
        })
        .collect();
    assert!(!bases.is_empty(), "there is no image for {target} in {}", directory.display());
    bases
}
