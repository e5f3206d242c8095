//! `cargo xtask docs`: the documents that come from the code.

use std::fs;

use crate::{
    paths,
    run::{Result, at},
};

/// Writes them anew.
pub(crate) fn write() -> Result<()> {
    let path = paths::root().join("docs/rules.md");
    fs::write(&path, scan::rules_markdown()).map_err(at(&path))
}

/// Fails if one is not what the code says.
pub(crate) fn check() -> Result<()> {
    let path = paths::root().join("docs/rules.md");
    let committed = fs::read_to_string(&path).map_err(at(&path))?;
    if committed == scan::rules_markdown() {
        Ok(())
    } else {
        Err("docs/rules.md is stale: run `cargo xtask docs`".to_owned())
    }
}
