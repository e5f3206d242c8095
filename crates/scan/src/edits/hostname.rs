//! The name of the machine goes from the files that hold it; every other name stays. It is never told.
//!
//! Files become empty, not absent: an empty /etc/hostname is no host name (hostname(5)), so that DHCP or cloud-init
//! gives one, and the first boot does not stop to ask.

use std::collections::BTreeSet;

use super::{
    Context, Outcome, Rewrite,
    lines::{self, Fate},
};

/// Nobody's own name.
const NOBODY: [&str; 5] = ["", "localhost", "localhost.localdomain", "localhost.localnet", "(none)"];
/// Debian's address for the own name in hosts.
const OWN_ADDRESS: &[u8] = b"127.0.1.1";
/// Settings of shell-like files that hold the name.
const SETTINGS: [&str; 4] = ["HOSTNAME", "DHCP_HOSTNAME", "DHCP_FQDN", "PRETTY_HOSTNAME"];
/// What Postfix calls the machine, or takes mail for.
const POSTFIX: [&str; 4] = ["myhostname", "mydestination", "myorigin", "mydomain"];

/// The names that a file gives the machine: itself, and without its domain; in lower case.
pub(crate) fn host_names(file: &[u8], content: &[u8]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in String::from_utf8_lossy(content).lines() {
        let name = if file == b"network" {
            let Some(("HOSTNAME", name)) = line.trim().split_once('=') else { continue };
            name.trim_matches(['"', '\''])
        } else {
            line.trim()
        };
        let name = name.to_ascii_lowercase();
        if name.starts_with('#') || name.contains(char::is_whitespace) || NOBODY.contains(&name.as_str()) {
            continue;
        }
        let short = name.split('.').next().unwrap_or_default();
        if !NOBODY.contains(&short) {
            found.insert(short.to_owned());
        }
        found.insert(name);
    }
    found
}

pub(super) fn forget(file: &[u8], content: &[u8], context: &Context<'_>) -> Result<Outcome, String> {
    if content.contains(&0) {
        return Err("it is no text".to_owned());
    }
    let own = context.host_names;
    let mut outcome = Outcome::default();
    let mut changes = Vec::new();
    let new = match file {
        b"hostname" | b"HOSTNAME" => lines::rewrite(content, |text| {
            let name = String::from_utf8_lossy(text.trim_ascii()).to_ascii_lowercase();
            if name.starts_with('#') || NOBODY.contains(&name.as_str()) {
                return Fate::Stays;
            }
            changes.push("removes the name".to_owned());
            Fate::Goes
        }),
        b"hosts" => hosts(content, own, &mut changes),
        b"mailname" => lines::rewrite(content, |text| {
            if !is_own(text.trim_ascii(), own, true) {
                return Fate::Stays;
            }
            changes.push("the machine's name becomes localhost".to_owned());
            Fate::Becomes(b"localhost".to_vec())
        }),
        b"main.cf" => {
            outcome.notes.extend(postfix(content, own));
            None
        }
        _ => lines::rewrite(content, |text| match setting(text) {
            Some((key, _)) if SETTINGS.contains(&key) => {
                changes.push(format!("removes {key}"));
                Fate::Goes
            }
            _ => Fate::Stays,
        }),
    };
    outcome.rewrite = new.map(|content| Rewrite { content, changes });
    Ok(outcome)
}

/// `KEY=value` of a file that a shell could read.
pub(super) fn setting(text: &[u8]) -> Option<(&str, &str)> {
    let (key, value) = std::str::from_utf8(text).ok()?.trim().split_once('=')?;
    Some((key.strip_prefix("export ").unwrap_or(key).trim(), value.trim_matches(['"', '\'', ' '])))
}

/// Whether a name is the machine's; with `domains`, in any domain.
fn is_own(name: &[u8], own: &BTreeSet<String>, domains: bool) -> bool {
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    let short = name.split('.').next().unwrap_or_default();
    own.contains(&name) || domains && own.contains(short)
}

/// hosts(5) without the own name; lines that have no other go, but for their comments.
fn hosts(content: &[u8], own: &BTreeSet<String>, changes: &mut Vec<String>) -> Option<Vec<u8>> {
    let mut concerned = 0_usize;
    let new = lines::rewrite(content, |text| {
        let code = text.iter().position(|byte| *byte == b'#').unwrap_or(text.len());
        let words: Vec<&[u8]> =
            text[..code].split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
        let Some((address, hosts)) = words.split_first() else { return Fate::Stays };
        // `www` is no reason to lose www.example.org: another domain only beside the bare name.
        let domains = *address == OWN_ADDRESS || hosts.iter().any(|host| is_own(host, own, false));
        let goes = |host: &&[u8]| is_own(host, own, domains);
        if !hosts.iter().any(goes) {
            return Fate::Stays;
        }
        concerned += 1;
        if hosts.iter().all(goes) {
            let comment = &text[code..];
            return if comment.is_empty() { Fate::Goes } else { Fate::Becomes(comment.to_vec()) };
        }
        Fate::Becomes(without(text, code, goes))
    });
    match concerned {
        0 => {}
        1 => changes.push("removes the machine's name from 1 line".to_owned()),
        lines => changes.push(format!("removes the machine's name from {lines} lines")),
    }
    new
}

/// A line without some of the words behind its first one, each with the blanks in front of it.
fn without(text: &[u8], code: usize, goes: impl Fn(&&[u8]) -> bool) -> Vec<u8> {
    let mut new = Vec::with_capacity(text.len());
    let (mut at, mut first) = (0, true);
    while at < code {
        let start = at;
        while at < code && text[at].is_ascii_whitespace() {
            at += 1;
        }
        let word = at;
        while at < code && !text[at].is_ascii_whitespace() {
            at += 1;
        }
        if first || word == at || !goes(&&text[word..at]) {
            new.extend(&text[start..at]);
        }
        first &= word == at;
    }
    new.extend(&text[code..]);
    new
}

/// What Postfix is told about its host, which no edit can set right.
fn postfix(content: &[u8], own: &BTreeSet<String>) -> Option<String> {
    for (number, line) in (1..).zip(lines::lines(content)) {
        let Some((key, value)) = setting(line.text).filter(|(key, _)| POSTFIX.contains(key)) else {
            continue;
        };
        let mut words = value.split([',', ' ', '\t']);
        if words.any(|word| !word.is_empty() && is_own(word.as_bytes(), own, true)) {
            return Some(format!("line {number} ({key}) names the machine it was built on, and stays"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forgotten(file: &str, content: &str, own: &str) -> Option<(String, Vec<String>)> {
        let host_names = host_names(b"hostname", own.as_bytes());
        let context = Context { host_names: &host_names, ..Context::NONE };
        let new = forget(file.as_bytes(), content.as_bytes(), &context).unwrap().rewrite?;
        assert_eq!(forget(file.as_bytes(), &new.content, &context).unwrap().rewrite, None);
        Some((String::from_utf8(new.content).unwrap(), new.changes))
    }

    #[test]
    fn the_name_goes_and_others_stay() {
        for (file, before, after, change) in [
            ("hostname", "build7.example.com\n", "", "removes the name"),
            ("hostname", "# static\nBuild7", "# static\n", "removes the name"),
            ("mailname", "build7.example.com\n", "localhost\n", "the machine's name becomes localhost"),
            (
                "network",
                "NETWORKING=yes\nHOSTNAME=build7\nGATEWAY=10.0.0.1\n",
                "NETWORKING=yes\nGATEWAY=10.0.0.1\n",
                "removes HOSTNAME",
            ),
            (
                "ifcfg-eth0",
                "DEVICE=eth0\r\nDHCP_HOSTNAME=\"build7\"\r\nBOOTPROTO=dhcp",
                "DEVICE=eth0\r\nBOOTPROTO=dhcp",
                "removes DHCP_HOSTNAME",
            ),
            (
                "machine-info",
                "CHASSIS=vm\nPRETTY_HOSTNAME=\"Al's\"\n",
                "CHASSIS=vm\n",
                "removes PRETTY_HOSTNAME",
            ),
            (
                "hosts",
                "127.0.0.1\tlocalhost build7 # own\n127.0.1.1 build7.corp.example build7\n::1 localhost ip6-loopback\n\
                 10.0.0.5  BUILD7.example.com\tbuild7  db\n# build7\n10.0.0.6 build70 build7.example.org\n0.0.0.0 x\n10.0.0.7 build7 # mine",
                "127.0.0.1\tlocalhost # own\n::1 localhost ip6-loopback\n10.0.0.5  db\n# build7\n\
                 10.0.0.6 build70 build7.example.org\n0.0.0.0 x\n# mine",
                "removes the machine's name from 4 lines",
            ),
        ] {
            let (new, changes) = forgotten(file, before, "build7\n").unwrap();
            assert_eq!((new.as_str(), changes.join("; ").as_str()), (after, change), "{file}");
        }
        for (file, content, own) in [
            ("hostname", "localhost\n", ""),
            ("hostname", "", ""),
            ("hosts", "127.0.0.1 localhost\n127.0.1.1 other\n", "build7"),
            ("hosts", "127.0.0.1 localhost localhost.localdomain\n", "localhost.localdomain"),
            ("hosts", "0.0.0.0 www.example.org\n", "www"),
            ("mailname", "example.org\n", "build7"),
            ("network", "NETWORKING=yes\n#HOSTNAME=x\n", "build7"),
            ("main.cf", "myhostname = build7.example\n", "build7"),
        ] {
            assert_eq!(forgotten(file, content, own), None, "{file} {content}");
        }
    }

    #[test]
    fn postfix_is_left_and_noted() {
        let own = host_names(b"network", b"HOSTNAME=\"build7.example.com\"\n");
        let note = |content: &str| postfix(content.as_bytes(), &own);
        let told = "line 2 (mydestination) names the machine it was built on, and stays";
        assert_eq!(
            note("inet_interfaces = all\nmydestination = $x, build7.example.com, localhost").as_deref(),
            Some(told)
        );
        assert_eq!(note("#myhostname = build7\nmyhostname = mail.example.com"), None);
    }
}
