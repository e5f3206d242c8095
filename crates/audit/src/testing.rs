//! For tests: a check, asked about a guest that is written as text.

use scan::{Guest, VolumeSource};
use tests::sketch::Tree;

use crate::{Check, Observation, System};

/// What a check sees in a tree, as `fail /path:3 what`.
pub(crate) fn seen(check: &Check, tree: &str) -> Vec<String> {
    with(tree, |system| (check.run)(system).expect("a tree in memory can be read"))
        .iter()
        .map(|seen| {
            let severity = format!("{:?}", seen.severity).to_lowercase();
            let path = seen.path.as_deref().map(|path| format!(" {path}")).unwrap_or_default();
            let line = seen.line.map(|line| format!(":{line}")).unwrap_or_default();
            format!("{severity}{path}{line} {}", seen.what)
        })
        .collect()
}

/// Asks about a tree.
pub(crate) fn with(tree: &str, ask: impl Fn(&System<'_, '_>) -> Vec<Observation>) -> Vec<Observation> {
    with_system(tree, ask)
}

/// Looks at a tree.
pub(crate) fn with_system<T>(tree: &str, ask: impl Fn(&System<'_, '_>) -> T) -> T {
    // What makes it the root.
    let tree = Tree::new(&format!("/etc/os-release = ID=debian\\nVERSION_ID=12\n{tree}"));
    let source = VolumeSource { volume: 0, filesystem: &tree, names: Vec::new() };
    let guest = Guest::open(vec![source]).expect("a tree in memory can be read");
    ask(&System::new(&guest))
}
