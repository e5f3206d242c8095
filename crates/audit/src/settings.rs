//! Configuration files of servers, as keys and values with their lines. Comments are left out; sections are not told
//! apart, so that a value counts wherever it stands.

use block::Result;
use scan::GuestPath;

use crate::System;

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// In lower case.
    pub(crate) key: String,
    /// Without blanks and quotes around it.
    pub(crate) value: String,
    pub(crate) path: GuestPath,
    /// From 1.
    pub(crate) line: usize,
}

impl Setting {
    /// Whether the value says yes.
    pub(crate) fn yes(&self) -> bool {
        matches!(self.value.to_lowercase().as_str(), "yes" | "true" | "on" | "1" | "y")
    }
}

/// `key = value`, of a file that may not be there.
pub(crate) fn equals(system: &System<'_, '_>, path: &GuestPath) -> Result<Vec<Setting>> {
    read(system, path, |line| line.split_once('='))
}

/// `key: value`.
pub(crate) fn colons(system: &System<'_, '_>, path: &GuestPath) -> Result<Vec<Setting>> {
    read(system, path, |line| line.split_once(':'))
}

/// `key value ...`.
pub(crate) fn words(system: &System<'_, '_>, path: &GuestPath) -> Result<Vec<Setting>> {
    read(system, path, |line| Some(line.split_once([' ', '\t']).unwrap_or((line, ""))))
}

fn read(
    system: &System<'_, '_>,
    path: &GuestPath,
    split: impl Fn(&str) -> Option<(&str, &str)>,
) -> Result<Vec<Setting>> {
    let text = system.read(&path.0)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines = (1..).zip(text.lines()).map(|(number, line)| (number, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with(['#', ';']));
    let settings = lines.filter_map(|(line, text)| {
        let (key, value) = split(text)?;
        // A comment behind the value.
        let value = value.split(" #").next().unwrap_or_default().split("\t#").next().unwrap_or_default();
        let value = value.trim().trim_matches(['"', '\'']).to_owned();
        Some(Setting { key: key.trim().to_lowercase(), value, path: path.clone(), line })
    });
    Ok(settings.collect())
}

/// The names of sections in brackets but `[global]`, with their lines.
pub(crate) fn sections(system: &System<'_, '_>, path: &GuestPath) -> Result<Vec<(String, usize)>> {
    let text = system.read(&path.0)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let sections = (1..).zip(text.lines()).filter_map(|(number, line)| {
        let name = line.trim().strip_prefix('[')?.strip_suffix(']')?;
        (name != "global").then(|| (name.to_owned(), number))
    });
    Ok(sections.collect())
}

/// The last value of a key: most programs go by it.
pub(crate) fn last<'s>(settings: &'s [Setting], key: &str) -> Option<&'s Setting> {
    settings.iter().rev().find(|setting| setting.key == key)
}

/// Whether an address is this machine's own: `127.0.0.1`, `[::1]:161`, `udp:localhost`, `loopback-only`, a path.
pub(crate) fn is_local(address: &str) -> bool {
    let address = address.trim().trim_matches(['"', '\'']);
    let address = ["udp6:", "udp:", "tcp6:", "tcp:", "-"]
        .iter()
        .fold(address, |rest, scheme| rest.strip_prefix(scheme).unwrap_or(rest));
    address.starts_with("127.")
        || address.starts_with("::1")
        || address.starts_with("[::1]")
        || address.starts_with("localhost")
        || address.starts_with("ip6-localhost")
        || address.starts_with("loopback")
        || address.starts_with(['/', '@', '%'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_system;

    #[test]
    fn keys_values_and_lines() {
        with_system("/f = # c\\nA = 'b' # c\\n;x=y\\n\\na=c=d\\nword\\n[global]\\n[s]\\n", |system| {
            let path = GuestPath(b"/f".to_vec());
            let all = equals(system, &path).unwrap();
            let shown: Vec<String> =
                all.iter().map(|s| format!("{}:{}={}", s.line, s.key, s.value)).collect();
            assert_eq!(shown, ["2:a=b", "5:a=c=d"]);
            assert_eq!(last(&all, "a").unwrap().line, 5);
            assert_eq!(words(system, &path).unwrap()[2].key, "word");
            assert_eq!(sections(system, &path).unwrap(), [("s".to_owned(), 8)]);
            assert_eq!(equals(system, &GuestPath(b"/none".to_vec())).unwrap(), []);
        });
    }

    #[test]
    fn addresses_of_this_machine() {
        for address in
            ["127.0.0.1", "[::1]:161", "udp:127.0.0.1:161", "localhost", "loopback-only", "/run/s", "-::1"]
        {
            assert!(is_local(address), "{address}");
        }
        for address in ["", "0.0.0.0", "*", "::", "10.0.0.1", "all", "161"] {
            assert!(!is_local(address), "{address}");
        }
    }
}
