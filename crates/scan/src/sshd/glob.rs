//! Files of the guest that a pattern of `Include` names, as glob(3) finds them: sorted, hidden names only if asked for.

use block::Result;
use globset::GlobBuilder;

use crate::Guest;

/// Names that one pattern can stand for; more is no configuration.
const MAX_NAMES: usize = 256;

/// The paths that a pattern, absolute, matches in the tree of one mount; `None` if they are too many.
pub(super) fn expand(guest: &Guest<'_>, mount: usize, pattern: &str) -> Result<Option<Vec<Vec<u8>>>> {
    let mut paths = vec![Vec::new()];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let mut longer = Vec::new();
        for path in paths {
            if part.contains(['*', '?', '[']) {
                for name in names(guest, mount, &path, part)? {
                    longer.push([path.as_slice(), b"/", &name].concat());
                }
            } else {
                longer.push([path.as_slice(), b"/", unescaped(part).as_bytes()].concat());
            }
            if longer.len() > MAX_NAMES {
                return Ok(None);
            }
        }
        paths = longer;
    }
    paths.sort_unstable();
    Ok(Some(paths))
}

/// The names in a directory that one component matches.
fn names(guest: &Guest<'_>, mount: usize, directory: &[u8], part: &str) -> Result<Vec<Vec<u8>>> {
    // glob(3) knows no braces.
    let part = part.replace('{', "\\{").replace('}', "\\}");
    let Ok(glob) = GlobBuilder::new(&part).backslash_escape(true).build() else { return Ok(Vec::new()) };
    let matcher = glob.compile_matcher();
    let Some(node) = guest.resolve_in(mount, directory, true)? else { return Ok(Vec::new()) };
    let names = guest.list(&node)?.into_iter().map(|entry| entry.name);
    Ok(names
        .filter(|name| part.starts_with('.') || !name.starts_with(b"."))
        .filter(|name| std::str::from_utf8(name).is_ok_and(|name| matcher.is_match(name)))
        .collect())
}

fn unescaped(part: &str) -> String {
    let mut text = String::new();
    let mut chars = part.chars();
    while let Some(c) = chars.next() {
        text.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    text
}
