//! `cargo xtask docs`: the documents that come from the code.

use std::fs;

use crate::{
    paths,
    run::{Result, at},
};

/// A path, and what has to be there.
type Document = (&'static str, fn() -> String);

const DOCUMENTS: [Document; 2] =
    [("docs/rules.md", scan::rules_markdown), ("docs/guidelines.md", audit::guidelines_markdown)];

/// Writes them anew.
pub(crate) fn write() -> Result<()> {
    for (path, text) in DOCUMENTS {
        let path = paths::root().join(path);
        fs::write(&path, text()).map_err(at(&path))?;
    }
    Ok(())
}

/// Fails if one is not what the code says.
pub(crate) fn check() -> Result<()> {
    for (name, text) in DOCUMENTS {
        let path = paths::root().join(name);
        if fs::read_to_string(&path).map_err(at(&path))? != text() {
            return Err(format!("{name} is stale: run `cargo xtask docs`"));
        }
    }
    Ok(())
}
