//! Passwords' hashes.

use crate::content::{
    ContentRule, Tier,
    check::{base64, crypt, plausible},
};

const CRYPT: ContentRule = ContentRule {
    id: "",
    heading: "",
    explain: "",
    source: "crypt(5) of libxcrypt",
    tier: Tier::Proven,
    anchors: &[],
    pattern: "",
    before: 0,
    reach: 256,
    check: |found| crypt::hash(found.secret()),
};

/// The rules.
pub(crate) const RULES: &[ContentRule] = &[
    ContentRule {
        id: "crypt-sha512",
        heading: "SHA-512 hashes of passwords",
        explain: "An account's password in shadow, a copy or a journal of it: can be guessed offline.",
        anchors: &[b"$6$"],
        pattern: r"\$6\$(?:rounds=[1-9][0-9]{2,8}\$)?[!-#%-9;-~]{1,16}\$[./0-9A-Za-z]{86}",
        ..CRYPT
    },
    ContentRule {
        id: "crypt-sha256",
        heading: "SHA-256 hashes of passwords",
        explain: "An account's password in shadow, a copy or a journal of it: can be guessed offline.",
        anchors: &[b"$5$"],
        pattern: r"\$5\$(?:rounds=[1-9][0-9]{2,8}\$)?[!-#%-9;-~]{1,16}\$[./0-9A-Za-z]{43}",
        ..CRYPT
    },
    ContentRule {
        id: "crypt-md5",
        heading: "MD5 hashes of passwords",
        explain: "An account's password in an old shadow, or a network device's: can be guessed offline, fast.",
        anchors: &[b"$1$"],
        pattern: r"\$1\$[!-#%-9;-~]{1,8}\$[./0-9A-Za-z]{22}",
        ..CRYPT
    },
    ContentRule {
        id: "crypt-yescrypt",
        heading: "yescrypt hashes of passwords",
        explain: "An account's password in shadow, as current distributions write it.",
        anchors: &[b"$y$", b"$gy$"],
        pattern: r"\$g?y\$[./A-Za-z0-9]{2,12}\$[./A-Za-z0-9]{1,86}\$[./A-Za-z0-9]{43}",
        ..CRYPT
    },
    ContentRule {
        id: "crypt-bcrypt",
        heading: "bcrypt hashes of passwords",
        explain: "A password of a system account, of .htpasswd or of a web application.",
        anchors: &[b"$2a$", b"$2b$", b"$2y$"],
        pattern: r"\$2[aby]\$[0-3][0-9]\$[./A-Za-z0-9]{53}",
        ..CRYPT
    },
    ContentRule {
        id: "htpasswd-apr1",
        heading: "Apache's MD5 hashes of passwords",
        explain: "A password of .htpasswd: can be guessed offline, fast.",
        source: "Apache HTTP Server: Password Formats",
        anchors: &[b"$apr1$"],
        pattern: r"\$apr1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}",
        ..CRYPT
    },
    ContentRule {
        id: "phpass",
        heading: "phpass hashes of passwords",
        explain: "A user's password of WordPress, phpBB or Drupal 6.",
        source: "Openwall: phpass",
        anchors: &[b"$P$B"],
        pattern: r"\$P\$B[./A-Za-z0-9]{30}",
        tier: Tier::Likely,
        check: |found| {
            let digest = &found.secret()[12..];
            crypt::generated(digest) && plausible::mixed(digest)
        },
        ..CRYPT
    },
    ContentRule {
        id: "argon2",
        heading: "Argon2 hashes of passwords",
        explain: "A password of a web application, in the string format of the reference implementation.",
        source: "RFC 9106; phc-winner-argon2 encoding.c",
        anchors: &[b"$argon2"],
        pattern: r"\$argon2(?:id|i|d)\$(?:v=[0-9]{1,2}\$)?m=[0-9]{1,8},t=[0-9]{1,5},p=[0-9]{1,3}\$[A-Za-z0-9+/]{11,86}\$(?<digest>[A-Za-z0-9+/]{22,86})",
        check: |found| found.group("digest").is_some_and(crypt::generated),
        ..CRYPT
    },
    ContentRule {
        id: "pbkdf2",
        heading: "PBKDF2 hashes of passwords",
        explain: "A password of Django, Werkzeug, Passlib or GRUB: iterations, salt and digest.",
        source: "Django: Password management; Werkzeug: security; Passlib: pbkdf2; GRUB: Security",
        anchors: &[b"pbkdf2"],
        before: 5,
        pattern: r"(?:pbkdf2_sha(?:1|256)\$[0-9]{3,8}\$[!-#%-~]{1,64}\$(?<a>[A-Za-z0-9+/]{27,43}=)|\$pbkdf2-sha(?:1|256|512)\$[0-9]{3,8}\$[./A-Za-z0-9]{4,86}\$(?<b>[./A-Za-z0-9]{27,86})|pbkdf2:sha(?:1|256|512)(?::[0-9]{3,8})?\$[!-#%-~]{4,32}\$(?<c>[0-9a-f]{40,128})|grub\.pbkdf2\.sha512\.[0-9]{3,8}\.[0-9A-F]{32,256}\.(?<d>[0-9A-F]{64,256}))",
        reach: 640,
        check: |found| {
            let digest = ["a", "b", "c", "d"].iter().find_map(|name| found.group(name));
            digest.is_some_and(|digest| plausible::entropy(digest) >= 3.0)
        },
        ..CRYPT
    },
    ContentRule {
        id: "scram-verifier",
        heading: "SCRAM verifiers of PostgreSQL and others",
        explain: "A database role's password, as SCRAM stores it: can be guessed offline.",
        source: "RFC 5803; PostgreSQL: pg_authid",
        anchors: &[b"SCRAM-SHA-"],
        pattern: r"SCRAM-SHA-(?:1|256|512)\$[0-9]{3,8}:[A-Za-z0-9+/]{8,}={0,2}\$(?<stored>[A-Za-z0-9+/]{27,}={0,2}):(?<server>[A-Za-z0-9+/]{27,}={0,2})",
        check: |found| {
            found.group("stored").is_some_and(crypt::generated)
                && found.group("stored") != found.group("server")
        },
        ..CRYPT
    },
    ContentRule {
        id: "ldap-sha",
        heading: "LDAP's SHA hashes of passwords",
        explain: "A password of a directory or of .htpasswd: a digest, or a digest and its salt, in base 64.",
        source: "RFC 2307; OpenLDAP: Password storage",
        anchors: &[b"{SSHA", b"{SHA}", b"{SHA2", b"{SHA3", b"{SHA5"],
        pattern: r"\{S?SHA(?:256|384|512)?\}(?<secret>[A-Za-z0-9+/]{27,100}={0,2})",
        check: |found| {
            base64::decode(found.secret())
                .is_some_and(|digest| digest.len() >= 20 && base64::distinct(&digest) >= 14)
                && !plausible::patterned(found.secret())
        },
        ..CRYPT
    },
    ContentRule {
        id: "smb-hash",
        heading: "NT hashes of passwords",
        explain: "A Windows or Samba account's password, as smbpasswd or a dump of a SAM has it: as good as the \
                  password itself.",
        source: "Samba: smbpasswd(5)",
        anchors: &[b":LCT-", b":aad3b435b51404ee"],
        pattern: r"(?:[0-9A-FX]{32}:(?<secret>[0-9A-F]{32}):\[[A-Z ]{11}\]:LCT-[0-9A-F]{8}|:aad3b435b51404eeaad3b435b51404ee:(?<other>[0-9a-f]{32}))",
        before: 79,
        check: |found| {
            // 31d6cfe0... is the hash of the empty password.
            let hash = found.group("secret").or(found.group("other")).unwrap_or_default();
            plausible::entropy(hash) >= 2.5 && !hash.eq_ignore_ascii_case(b"31d6cfe0d16ae931b73c59d7e0c089c0")
        },
        ..CRYPT
    },
    ContentRule {
        id: "shadow-des",
        heading: "DES hashes of passwords",
        explain: "An account's password in a line of shadow, by the 13 characters of the traditional crypt.",
        source: "crypt(5) of libxcrypt; shadow(5)",
        tier: Tier::Likely,
        anchors: &[b":0:99999:7:"],
        pattern: r":!?(?<secret>[./0-9A-Za-z]{13}):[0-9]{0,6}:0:99999:7:",
        before: 22,
        reach: 16,
        check: |found| crypt::des(found.secret()),
    },
];
