//! apk's database: one file, a line for each field: `P:` the package, `F:` a directory, `R:` a file in it, `Z:` the
//! file's SHA-1 in base 64 behind `Q1` (Alpine's wiki, Apk spec).

use base64ct::{Base64, Encoding};
use filesystem::{Error, FileKind, Result};
use scan::{Guest, Node};

use super::{
    Listed, Visit,
    read::{Budget, Sum, lines},
};

/// Alpine moved it with the merge of /lib and /usr/lib.
const INSTALLED: [&[u8]; 2] = [b"/lib/apk/db/installed", b"/usr/lib/apk/db/installed"];

fn find(guest: &Guest<'_>) -> Result<Option<Node>> {
    for path in INSTALLED {
        if let Some(node) = guest.resolve(path)?.filter(|node| node.kind == FileKind::File) {
            return Ok(Some(node));
        }
    }
    Ok(None)
}

/// Whether the guest has it.
pub(super) fn is_there(guest: &Guest<'_>) -> Result<bool> {
    Ok(find(guest)?.is_some())
}

/// Visits all that is listed with a sum. Returns how many lists are damaged.
pub(super) fn visit(guest: &Guest<'_>, budget: &mut Budget, visit: &mut Visit<'_>) -> Result<u64> {
    let Some(node) = find(guest)? else { return Ok(0) };
    let Some(filesystem) = guest.filesystem(node.volume) else { return Ok(0) };
    let mut at = At::default();
    match lines(filesystem, node.inode, budget, &mut |line| at.line(line, visit)) {
        Err(error @ Error::Io(_)) => Err(error),
        outcome => Ok(u64::from(outcome.is_err())),
    }
}

/// What the last lines were about.
#[derive(Default)]
struct At {
    package: Vec<u8>,
    directory: Vec<u8>,
    file: Option<Vec<u8>>,
}

impl At {
    fn line(&mut self, line: &[u8], visit: &mut Visit<'_>) -> Result<()> {
        let Some((field, value)) = line.split_at_checked(2) else {
            // An empty line ends a package.
            *self = Self::default();
            return Ok(());
        };
        match field {
            b"P:" => *self = Self { package: value.to_vec(), ..Self::default() },
            b"F:" => (self.directory, self.file) = (value.to_vec(), None),
            b"R:" => self.file = Some(value.to_vec()),
            b"Z:" => {
                if let (Some(file), Some(sum)) = (self.file.take(), sum(value)) {
                    let mut path = vec![b'/'];
                    if !self.directory.is_empty() {
                        path.extend_from_slice(&self.directory);
                        path.push(b'/');
                    }
                    path.extend(file);
                    // What apk protects from its own upgrades, unless its administrator says otherwise.
                    let configuration = path.starts_with(b"/etc/");
                    visit(Listed { package: &self.package, path: &path, sum, configuration })?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn sum(value: &[u8]) -> Option<Sum> {
    let mut bytes = [0; 20];
    let decoded = Base64::decode(value.strip_prefix(b"Q1")?, &mut bytes).ok()?;
    (decoded.len() == 20).then_some(())?;
    Some(Sum::Sha1(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_packages() {
        // SHA-1 of nothing.
        let empty = "Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=";
        let text = format!(
            "P:one\nV:1\nF:\nR:init\nZ:{empty}\nF:etc\nM:0:0:755\nR:a\na:0:0:600\nZ:{empty}\nZ:{empty}\n\
             R:b\nR:c\nZ:Q1!\n\nR:lost\nP:two\nF:usr/bin\nR:d\nZ:{empty}\n"
        );
        let mut found = Vec::new();
        let mut at = At::default();
        for line in text.lines() {
            at.line(line.as_bytes(), &mut |listed| {
                assert!(matches!(listed.sum, Sum::Sha1([0xda, 0x39, .., 0x09])));
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                found.push((text(listed.package), text(listed.path), listed.configuration));
                Ok(())
            })
            .unwrap();
        }
        let of = |package: &str, path: &str, etc| (package.to_owned(), path.to_owned(), etc);
        assert_eq!(
            found,
            [of("one", "/init", false), of("one", "/etc/a", true), of("two", "/usr/bin/d", false)]
        );
    }
}
