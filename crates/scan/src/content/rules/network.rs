//! Keys of networks, and credentials of protocols in their own files.

use super::TOKEN;
use crate::content::{
    ContentRule, Tier,
    check::{base64, plausible, secret},
};

/// The rules.
pub(crate) const RULES: &[ContentRule] = &[
    ContentRule {
        id: "wireguard-key",
        heading: "private keys of WireGuard",
        explain: "An interface's key, in wg-quick's, systemd's or NetworkManager's file: 32 bytes with the bits that \
                  Curve25519 fixes.",
        source: "wg(8); systemd.netdev(5); RFC 7748",
        tier: Tier::Proven,
        anchors: &[b"PrivateKey", b"private-key"],
        pattern: r#"(?:PrivateKey|private-key)["']?\s*[=:]\s*["']?(?<secret>[A-Za-z0-9+/]{43}=)"#,
        reach: 96,
        check: |found| secret::curve25519(found.secret()),
        ..TOKEN
    },
    ContentRule {
        id: "wireguard-preshared-key",
        heading: "preshared keys of WireGuard",
        explain: "The second secret of a tunnel: 32 bytes behind their name.",
        source: "wg(8); systemd.netdev(5)",
        anchors: &[b"haredKey"],
        before: 4,
        pattern: r#"Pre[sS]haredKey["']?\s*[=:]\s*["']?(?<secret>[A-Za-z0-9+/]{43}=)"#,
        reach: 96,
        check: |found| base64::decodes_to(found.secret(), 32),
        ..TOKEN
    },
    ContentRule {
        id: "openvpn-static-key",
        heading: "static keys of OpenVPN",
        explain: "A key for tls-auth, tls-crypt or a static tunnel, in hexadecimal behind its header, or a client's \
                  in base 64.",
        source: "OpenVPN: --secret, --tls-crypt-v2",
        tier: Tier::Proven,
        anchors: &[b"-BEGIN OpenVPN "],
        pattern: r"-BEGIN OpenVPN (?:Static key V1|tls-crypt-v2 (?:client|server) key)-----(?:\\+[nrt]|\s)+(?<secret>[0-9A-Za-z+/]{32,}(?:(?:\\+[nrt]|\s)+[0-9A-Za-z+/=]+)*)",
        reach: 2048,
        check: |found| plausible::entropy(found.secret()) >= 3.0,
        ..TOKEN
    },
    ContentRule {
        id: "wifi-key",
        heading: "keys of wireless networks",
        explain: "A pre-shared key of 64 hexadecimal digits, or a pass phrase, in wpa_supplicant's, hostapd's, iwd's \
                  or NetworkManager's file.",
        source: "wpa_supplicant.conf(5); hostapd.conf; nm-settings-keyfile(5); iwd.network(5)",
        tier: Tier::Context,
        anchors: &[b"psk=", b"assphrase=", b"haredKey"],
        before: 7,
        pattern: r#"(?:psk=|wpa_passphrase=|PreSharedKey=|Passphrase=)(?:"(?<secret>[ -!#-~]{8,63})"|(?<hex>[0-9a-fA-F]{64})|(?<plain>[!#-~]{8,63})\n)"#,
        reach: 96,
        check: |found| {
            found.group("hex").is_some_and(|key| plausible::entropy(key) >= 3.0)
                || ["secret", "plain"]
                    .iter()
                    .find_map(|name| found.group(name))
                    .is_some_and(plausible::password)
        },
    },
    ContentRule {
        id: "url-password",
        heading: "passwords in addresses",
        explain: "User and password before the host of an address: of a database, a repository, a proxy.",
        source: "RFC 3986, 3.2.1",
        tier: Tier::Context,
        anchors: &[b"://"],
        pattern: r"://[A-Za-z0-9._%+~-]{0,64}:(?<secret>[!#%&()*+,.;=?^_~|A-Za-z0-9$-]{3,128})@(?<host>[A-Za-z0-9.-]{1,128}|\[[0-9a-fA-F:.]{2,40}\])",
        reach: 340,
        check: |found| {
            plausible::password(found.secret())
                && !found.group("host").is_some_and(|host| {
                    plausible::contains(host, b"example")
                        || host.eq_ignore_ascii_case(b"host")
                        || host.eq_ignore_ascii_case(b"server")
                })
        },
        ..TOKEN
    },
    ContentRule {
        id: "netrc-password",
        heading: "passwords in .netrc",
        explain: "A user's password for a host, as curl, git and ftp read it.",
        source: "netrc(5)",
        tier: Tier::Context,
        anchors: &[b"machine"],
        pattern: r"machine[ \t]+[!-~]{1,255}\s+login\s+[!-~]{1,255}\s+password\s+(?<secret>[!-~]{4,255})",
        reach: 800,
        check: |found| plausible::password(found.secret()),
        ..TOKEN
    },
    ContentRule {
        id: "pgpass-password",
        heading: "passwords in .pgpass",
        explain: "A database role's password, behind host, port, database and role.",
        source: "PostgreSQL: The Password File",
        tier: Tier::Context,
        anchors: &[b":5432:"],
        pattern: r"[A-Za-z0-9*][A-Za-z0-9_.*-]{0,63}:5432:[A-Za-z0-9_*.-]{1,63}:[A-Za-z0-9_*.-]{1,63}:(?<secret>[!-9;-~]{4,100})",
        before: 64,
        check: |found| plausible::password(found.secret()),
        ..TOKEN
    },
];
