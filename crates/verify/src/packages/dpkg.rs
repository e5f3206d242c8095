//! dpkg's database: the sums of what packages ship (deb-md5sums(5)), and of their configuration files (dpkg's status,
//! field Conffiles).

use filesystem::{Error, FileKind, Result};
use scan::Guest;

use super::{
    Listed, Visit,
    read::{Budget, Sum, hex, lines},
};

const INFO: &[u8] = b"/var/lib/dpkg/info";
const STATUS: &[u8] = b"/var/lib/dpkg/status";
const LIST: &[u8] = b".md5sums";

/// Whether the guest has it.
pub(super) fn is_there(guest: &Guest<'_>) -> Result<bool> {
    Ok(guest.resolve(INFO)?.is_some_and(|node| node.kind == FileKind::Directory))
}

/// Visits all that is listed with a sum. Returns how many lists are damaged.
pub(super) fn visit(guest: &Guest<'_>, budget: &mut Budget, visit: &mut Visit<'_>) -> Result<u64> {
    let mut damaged = 0;
    let mut read = |outcome: Result<()>| match outcome {
        Err(error @ Error::Io(_)) => Err(error),
        outcome => {
            damaged += u64::from(outcome.is_err());
            Ok(())
        }
    };
    let info = guest.resolve(INFO)?.filter(|node| node.kind == FileKind::Directory);
    if let Some((info, filesystem)) = info.and_then(|node| Some((node.inode, guest.filesystem(node.volume)?)))
    {
        let mut lists = Vec::new();
        filesystem.entries(info, &mut |entry| {
            if entry.kind == FileKind::File && entry.name.ends_with(LIST) {
                lists.push(entry);
            }
            Ok(())
        })?;
        let mut absolute = Vec::new();
        for list in lists {
            let name = &list.name[..list.name.len() - LIST.len()];
            // `libc6:amd64.md5sums`.
            let package = name.split(|&byte| byte == b':').next().unwrap_or(name);
            read(lines(filesystem, list.inode, budget, &mut |line| {
                let Some((sum, path)) = shipped(line) else { return Ok(()) };
                absolute.clear();
                absolute.push(b'/');
                absolute.extend_from_slice(path);
                visit(Listed { package, path: &absolute, sum, configuration: false })
            }))?;
        }
    }
    let status = guest.resolve(STATUS)?.filter(|node| node.kind == FileKind::File);
    if let Some((status, filesystem)) =
        status.and_then(|node| Some((node.inode, guest.filesystem(node.volume)?)))
    {
        let (mut package, mut conffiles) = (Vec::new(), false);
        read(lines(filesystem, status, budget, &mut |line| {
            if conffiles && let Some((sum, path)) = conffile(line) {
                return visit(Listed { package: &package, path, sum, configuration: true });
            }
            // A field goes on in lines that start with a blank (deb822(5)).
            if !line.starts_with(b" ") {
                conffiles = line == b"Conffiles:";
                if let Some(name) = line.strip_prefix(b"Package: ") {
                    package = name.to_vec();
                }
            }
            Ok(())
        }))?;
    }
    Ok(damaged)
}

/// `d41d8cd98f00b204e9800998ecf8427e  usr/bin/env`: the path is relative to the root.
fn shipped(line: &[u8]) -> Option<(Sum, &[u8])> {
    let (digits, rest) = line.split_at_checked(32)?;
    let path = rest.strip_prefix(b"  ").filter(|path| !path.is_empty())?;
    Some((Sum::Md5(hex(digits)?), path))
}

/// ` /etc/issue d41d8cd98f00b204e9800998ecf8427e`, perhaps with `obsolete` behind it. The path may have blanks.
fn conffile(line: &[u8]) -> Option<(Sum, &[u8])> {
    let mut rest = line.strip_prefix(b" ").filter(|rest| rest.starts_with(b"/"))?;
    for flag in [&b" obsolete"[..], b" remove-on-upgrade"] {
        rest = rest.strip_suffix(flag).unwrap_or(rest);
    }
    let (path, digits) = rest.split_at_checked(rest.len().checked_sub(32)?)?;
    Some((Sum::Md5(hex(digits)?), path.strip_suffix(b" ")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "00112233445566778899aabbccddeeff";

    #[test]
    fn lines_of_both_kinds() {
        let sum = Sum::Md5(hex(SUM.as_bytes()).unwrap());
        let owned = |found: Option<(Sum, &[u8])>| {
            found.map(|(sum, path)| (sum, String::from_utf8(path.to_vec()).unwrap()))
        };
        let a_b = Some((sum, "a b".to_owned()));
        assert_eq!(owned(shipped(format!("{SUM}  a b").as_bytes())), a_b);
        for line in ["", "0011  a", "x", &format!("{SUM} a"), &format!("{SUM}  "), &SUM.replace('0', "g")] {
            assert_eq!(owned(shipped(line.as_bytes())), None, "{line}");
        }
        let etc = Some((sum, "/etc/a b".to_owned()));
        for line in [format!(" /etc/a b {SUM}"), format!(" /etc/a b {SUM} obsolete")] {
            assert_eq!(owned(conffile(line.as_bytes())), etc);
        }
        for line in [" /etc/a newconffile", " /etc/a", " ", &format!("/etc/a {SUM}"), &format!(" a {SUM}")] {
            assert_eq!(owned(conffile(line.as_bytes())), None, "{line}");
        }
    }
}
