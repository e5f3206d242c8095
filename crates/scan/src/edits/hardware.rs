//! The hardware addresses of a machine's cards go from the configuration of its network: another machine has others.
//!
//! What an address was the only sign of then fits the ordinary names of wired cards (`en*`, `eth*`), so that the first
//! card comes up as before. Two such networks in one file cannot be told apart: they stay, and are noted.

use super::{
    Outcome, Rewrite,
    hostname::setting,
    lines::{self, Fate},
};

/// Names of wired cards: of udev and of the kernel.
const CARDS: &str = "en* eth*";
/// The same for netplan, which takes one pattern.
const CARDS_NETPLAN: &str = "\"e*\"";
/// How a file of ifcfg is called, in front of the card.
const IFCFG: &[u8] = b"ifcfg-";
/// Addresses that a card is known by, and that it gets.
const KNOWN_BY: &str = "HWADDR";
const GETS: [&str; 2] = ["MACADDR", "LLADDR"];
/// Keys of `[Match]` in systemd.network(5) and systemd.link(5) that tell a card from others.
const ADDRESSES: [&str; 2] = ["MACAddress", "PermanentMACAddress"];
/// Sections that are about the machine's own cards. In others, a lease or a bridge's table, the address is somebody else's.
const OWN: [&[u8]; 5] = [MATCH, b"[Link]", b"[NetDev]", b"[Peer]", b"[SR-IOV]"];
const MATCH: &[u8] = b"[Match]";
const SIGNS: [&str; 8] =
    ["Name", "OriginalName", "Path", "Driver", "Type", "Kind", "Property", "WLANInterfaceType"];

pub(super) fn forget(file: &[u8], content: &[u8]) -> Result<Outcome, String> {
    if content.contains(&0) {
        return Err("it is no text".to_owned());
    }
    let ends = |end: &[u8]| file.ends_with(end);
    let mut outcome = Outcome::default();
    let mut changes = Vec::new();
    let new = if let Some(card) = file.strip_prefix(IFCFG) {
        ifcfg(card, content, &mut changes)
    } else if ends(b".yaml") {
        netplan(content, &mut changes, &mut outcome.notes)
    } else if ends(b".network") || ends(b".link") || ends(b".netdev") {
        networkd(content, ends(b".link"), &mut changes)?
    } else {
        lines::rewrite(content, |text| {
            if text.trim_ascii().split(u8::is_ascii_whitespace).next() != Some(b"hwaddress") {
                return Fate::Stays;
            }
            changes.push("removes hwaddress".to_owned());
            Fate::Goes
        })
    };
    changes.dedup();
    outcome.rewrite = new.map(|content| Rewrite { content, changes });
    Ok(outcome)
}

/// ifcfg files of Red Hat and SUSE.
fn ifcfg(card: &[u8], content: &[u8], changes: &mut Vec<String>) -> Option<Vec<u8>> {
    let all: Vec<_> = lines::lines(content).filter_map(|line| setting(line.text)).collect();
    let has = |key| all.iter().any(|(known, _)| *known == key);
    let device = has("DEVICE");
    // Bonds, bridges and teams are named by their UUID in other files.
    let alone = all.iter().all(|(key, value)| *key != "TYPE" || value.eq_ignore_ascii_case("ethernet"));
    let card = std::str::from_utf8(card).ok().filter(|card| {
        let wired = ["eth", "en", "em", "p"].iter().any(|prefix| card.starts_with(prefix));
        wired
            && card.len() < 16
            && card.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && card.ends_with(|last: char| last.is_ascii_digit())
    });
    let mut named = device;
    lines::rewrite(content, |text| {
        let Some((key, _)) = setting(text) else { return Fate::Stays };
        match (key, card) {
            // Without it, the card's name has to say which one it is.
            (KNOWN_BY, Some(card)) if !named => {
                named = true;
                changes.push(format!("{KNOWN_BY} becomes DEVICE={card}"));
                Fate::Becomes(format!("DEVICE={card}").into_bytes())
            }
            (KNOWN_BY, _) => {
                changes.push(format!("removes {KNOWN_BY}"));
                Fate::Goes
            }
            ("UUID", _) if alone => {
                changes.push("removes UUID".to_owned());
                Fate::Goes
            }
            (key, _) if GETS.contains(&key) => {
                changes.push(format!("removes {key}"));
                Fate::Goes
            }
            _ => Fate::Stays,
        }
    })
}

/// Files of systemd-networkd and udev.
fn networkd(content: &[u8], link: bool, changes: &mut Vec<String>) -> Result<Option<Vec<u8>>, String> {
    let key_of = |text: &[u8]| -> Option<String> {
        let text = std::str::from_utf8(text).ok()?.trim();
        (!text.starts_with(['#', ';'])).then(|| text.split_once('=').map(|(key, _)| key.trim().to_owned()))?
    };
    let (mut section, mut signs, mut continued) = (Vec::new(), false, false);
    for (number, line) in (1..).zip(lines::lines(content)) {
        let text = line.text.trim_ascii();
        let key = key_of(text);
        let ours = key.as_deref().is_some_and(|key| ADDRESSES.contains(&key));
        if ours && (continued || text.ends_with(b"\\")) {
            return Err(format!("line {number} goes on in the next one"));
        }
        continued = text.ends_with(b"\\");
        if text.starts_with(b"[") {
            section = text.to_vec();
        }
        signs |= section == MATCH && key.is_some_and(|key| SIGNS.contains(&key.as_str()));
    }
    section.clear();
    Ok(lines::rewrite(content, |text| {
        let trimmed = text.trim_ascii();
        if trimmed.starts_with(b"[") {
            section = trimmed.to_vec();
        }
        let ours = OWN.contains(&section.as_slice());
        let Some(key) = key_of(text).filter(|key| ours && ADDRESSES.contains(&key.as_str())) else {
            return Fate::Stays;
        };
        if section != MATCH || signs {
            changes.push(format!("removes {key}"));
            return Fate::Goes;
        }
        signs = true;
        let name = if link { "OriginalName" } else { "Name" };
        changes.push(format!("{key} becomes {name}={CARDS}"));
        Fate::Becomes(format!("{name}={CARDS}").into_bytes())
    }))
}

/// A line of YAML in block style.
struct Node<'a> {
    indent: usize,
    /// Without blanks at both ends; a comment in it stays.
    text: &'a str,
}

impl Node<'_> {
    fn is(&self, key: &str) -> bool {
        let rest = self.text.strip_prefix(key).and_then(|rest| rest.strip_prefix(':'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    }
}

/// What is to become of a line of netplan.
enum Deed {
    Goes,
    Becomes(String),
}

/// Files of netplan, line by line; what is written otherwise is noted.
fn netplan(content: &[u8], changes: &mut Vec<String>, notes: &mut Vec<String>) -> Option<Vec<u8>> {
    let nodes: Vec<Node<'_>> = lines::lines(content)
        .map(|line| {
            let text = std::str::from_utf8(line.text).unwrap_or_default();
            let trimmed = text.trim_matches([' ', '\t', '\r']);
            let code = if trimmed.starts_with('#') { "" } else { trimmed };
            Node { indent: text.len() - text.trim_start_matches(' ').len(), text: code }
        })
        .collect();
    let mut deeds: Vec<Option<Deed>> = nodes.iter().map(|_| None).collect();
    let (mut odd, mut only) = (Vec::new(), Vec::new());
    for (at, node) in nodes.iter().enumerate() {
        if !node.text.contains("macaddress") {
            continue;
        }
        match netplan_place(&nodes, at) {
            Some(Place::Other) => {
                deeds[at] = Some(Deed::Goes);
                changes.push("removes macaddress".to_owned());
            }
            Some(Place::OnlyMatch) => only.push(at),
            None => odd.push(at),
        }
    }
    match only.as_slice() {
        [at] => {
            let indent = " ".repeat(nodes[*at].indent);
            deeds[*at] = Some(Deed::Becomes(format!("{indent}name: {CARDS_NETPLAN}")));
            changes.push(format!("macaddress becomes name: {CARDS_NETPLAN}"));
        }
        _ => odd.extend(only),
    }
    odd.sort_unstable();
    notes.extend(odd.into_iter().map(|at| {
        format!(
            "line {} has a hardware address that cannot be left out by itself, and stays",
            at.saturating_add(1)
        )
    }));
    let mut deeds = deeds.into_iter();
    lines::rewrite(content, |_| match deeds.next().flatten() {
        None => Fate::Stays,
        Some(Deed::Goes) => Fate::Goes,
        Some(Deed::Becomes(text)) => Fate::Becomes(text.into_bytes()),
    })
}

/// Where an address stands.
enum Place {
    /// It is all that a `match` has.
    OnlyMatch,
    /// Beside other keys: the line can go.
    Other,
}

/// `None` if that cannot be told.
fn netplan_place(nodes: &[Node<'_>], at: usize) -> Option<Place> {
    let node = &nodes[at];
    let value = node.text.strip_prefix("macaddress: ")?.trim();
    // A block, an alias or an anchor goes on elsewhere.
    if value.is_empty() || value.starts_with(['&', '*', '|', '>', '{', '[', '!']) {
        return None;
    }
    let above =
        |of: usize| nodes[..of].iter().rposition(|one| !one.text.is_empty() && one.indent < nodes[of].indent);
    let parent = above(at)?;
    if nodes[parent].text.contains(['&', '*', '{', '<']) || nodes[parent].text.starts_with('-') {
        return None;
    }
    let below =
        nodes[parent + 1..].iter().take_while(|one| one.text.is_empty() || one.indent > nodes[parent].indent);
    let siblings = below.filter(|one| !one.text.is_empty() && one.indent == node.indent).count();
    if siblings > 1 {
        return Some(Place::Other);
    }
    let wired = above(parent).and_then(above).is_some_and(|section| nodes[section].is("ethernets"));
    (nodes[parent].is("match") && wired).then_some(Place::OnlyMatch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forgotten(file: &str, content: &str) -> (String, String, Vec<String>) {
        let outcome = forget(file.as_bytes(), content.as_bytes()).unwrap();
        let Some(new) = outcome.rewrite else { return (content.to_owned(), String::new(), outcome.notes) };
        let again = forget(file.as_bytes(), &new.content).unwrap();
        assert_eq!((again.rewrite, &again.notes), (None, &outcome.notes));
        (String::from_utf8(new.content).unwrap(), new.changes.join("; "), outcome.notes)
    }

    #[test]
    fn addresses_go_and_the_first_card_is_still_found() {
        for (file, before, after, changes) in [
            (
                "ifcfg-eth0",
                "DEVICE=eth0\nHWADDR=52:54:00:12:34:56\nUUID=\"5fb0\"\nTYPE=Ethernet\nBOOTPROTO=dhcp\nMACADDR=52:54:00:0:0:1\n",
                "DEVICE=eth0\nTYPE=Ethernet\nBOOTPROTO=dhcp\n",
                "removes HWADDR; removes UUID; removes MACADDR",
            ),
            (
                "ifcfg-eth0",
                "HWADDR=52:54:00:12:34:56\r\nBOOTPROTO=dhcp\r\n",
                "DEVICE=eth0\r\nBOOTPROTO=dhcp\r\n",
                "HWADDR becomes DEVICE=eth0",
            ),
            (
                "ifcfg-Wired_1",
                "HWADDR=52:54:00:12:34:56\nBOOTPROTO=dhcp\n",
                "BOOTPROTO=dhcp\n",
                "removes HWADDR",
            ),
            (
                "ifcfg-bond0",
                "DEVICE=bond0\nTYPE=Bond\nUUID=5fb0\n",
                "DEVICE=bond0\nTYPE=Bond\nUUID=5fb0\n",
                "",
            ),
            (
                "10-lan.network",
                "[Match]\nMACAddress=52:54:00:12:34:56\n\n[Network]\nDHCP=yes\n",
                "[Match]\nName=en* eth*\n\n[Network]\nDHCP=yes\n",
                "MACAddress becomes Name=en* eth*",
            ),
            (
                "10-lan.link",
                "[Match]\nPermanentMACAddress = 52:54:00:12:34:56\nMACAddress=52:54:00:12:34:56\n[Link]\nName=lan0\nMACAddress=02:00:00:0:0:1\n",
                "[Match]\nOriginalName=en* eth*\n[Link]\nName=lan0\n",
                "PermanentMACAddress becomes OriginalName=en* eth*; removes MACAddress",
            ),
            (
                "a.network",
                "[Match]\nMACAddress=52:54:00:12:34:56\nName=ens*\n#MACAddress=1\n",
                "[Match]\nName=ens*\n#MACAddress=1\n",
                "removes MACAddress",
            ),
            (
                "lan.network",
                "[Match]\nName=en*\n[Link]\nMACAddress=02:00:00:0:0:1\n[DHCPServerStaticLease]\nMACAddress=52:54:00:12:34:57\nAddress=10.0.0.9\n",
                "[Match]\nName=en*\n[Link]\n[DHCPServerStaticLease]\nMACAddress=52:54:00:12:34:57\nAddress=10.0.0.9\n",
                "removes MACAddress",
            ),
            (
                "br.netdev",
                "[NetDev]\nName=br0\nKind=bridge\nMACAddress=52:54:00:12:34:56",
                "[NetDev]\nName=br0\nKind=bridge\n",
                "removes MACAddress",
            ),
            (
                "interfaces",
                "auto eth0\niface eth0 inet dhcp\n\thwaddress ether 52:54:00:12:34:56\n",
                "auto eth0\niface eth0 inet dhcp\n",
                "removes hwaddress",
            ),
            (
                "50-cloud-init.yaml",
                "network:\n  version: 2\n  ethernets:\n    eth0:\n      dhcp4: true\n      match:\n        macaddress: \"52:54:00:12:34:56\"\n      set-name: eth0\n",
                "network:\n  version: 2\n  ethernets:\n    eth0:\n      dhcp4: true\n      match:\n        name: \"e*\"\n      set-name: eth0\n",
                "macaddress becomes name: \"e*\"",
            ),
            (
                "a.yaml",
                "network:\n  ethernets:\n    lan: # card\n      macaddress: 52:54:00:12:34:56\n      match:\n        # that one\n        name: ens3\n        macaddress: 52:54:00:12:34:56 # old\n      dhcp4: true\n",
                "network:\n  ethernets:\n    lan: # card\n      match:\n        # that one\n        name: ens3\n      dhcp4: true\n",
                "removes macaddress",
            ),
        ] {
            assert_eq!(forgotten(file, before), (after.to_owned(), changes.to_owned(), Vec::new()), "{file}");
        }
    }

    #[test]
    fn what_cannot_be_told_stays_and_is_noted() {
        let both = "ethernets:\n  a:\n    match:\n      macaddress: 52:54:00:12:34:56\n  b:\n    match:\n      macaddress: 52:54:00:12:34:57\n";
        for (content, lines) in [
            (format!("network:\n  {}", both.replace('\n', "\n  ")), &[5, 8][..]),
            ("network: {ethernets: {a: {match: {macaddress: \"52:54:00:12:34:56\"}}}}\n".to_owned(), &[1]),
            (
                "network:\n  ethernets:\n    a:\n      match: {macaddress: '52:54:00:12:34:56'}\n".to_owned(),
                &[4],
            ),
            ("network:\n  ethernets:\n    a:\n      match:\n        macaddress: *mac\n".to_owned(), &[5]),
            (
                "network:\n  wifis:\n    a:\n      match:\n        macaddress: 52:54:00:12:34:56\n"
                    .to_owned(),
                &[5],
            ),
            ("network:\n  bridges:\n    a:\n      macaddress: 52:54:00:12:34:56\n".to_owned(), &[4]),
            ("network:\n# macaddress: 1\n".to_owned(), &[]),
        ] {
            let (after, changes, notes) = forgotten("a.yaml", &content);
            assert_eq!((after, changes.as_str()), (content, ""));
            let expected: Vec<String> = lines
                .iter()
                .map(|line| {
                    format!("line {line} has a hardware address that cannot be left out by itself, and stays")
                })
                .collect();
            assert_eq!(notes, expected);
        }
        let error = forget(b"a.network", b"[Match]\nMACAddress=52:54:00:12:34:56 \\\n 52:54:00:12:34:57\n");
        assert_eq!(error.unwrap_err(), "line 2 goes on in the next one");
    }
}
