//! Private keys, by their armour or their encoding.

use crate::content::{
    ContentRule, Tier,
    check::{self, base64, bech32, der, jwt, known, pem, pgp, plausible},
};

/// What stands between two lines of an armoured body: white space, escaped or not, and what quotes, comments and
/// joins lines in source code, logs and mails.
macro_rules! gap {
    () => {
        r##"(?:\\+[nrt]|[\s"'+,>#*|\\]){1,96}"##
    };
}

/// Lines of header before a body (RFC 1421, RFC 9580), each with its gap. Encryption has a group.
macro_rules! headers {
    () => {
        concat!(
            "(?:(?:(?<encrypted>Proc-Type: 4,ENCRYPTED)|[A-Z][A-Za-z0-9-]{2,30}: [^\\n\\\\\"]{1,120})",
            gap!(),
            "){0,6}"
        )
    };
}

/// An armoured body.
macro_rules! body {
    () => {
        concat!("(?<secret>[A-Za-z0-9+/=]{8,}(?:", gap!(), "[A-Za-z0-9+/=]+)*)")
    };
}

/// The rules.
pub(crate) const RULES: &[ContentRule] = &[
    ContentRule {
        id: "pem-private-key",
        heading: "private keys in PEM",
        explain: "The private key of a TLS server, an authority, an SSH host or a user: PKCS#1, PKCS#8, SEC1, DSA or \
                  OpenSSH, encrypted or not, in a file, in JSON, YAML, a log or source code. The body must decode to \
                  the first fields of such a key; a key whose end is lost still counts, from one line on.",
        source: "RFC 7468, RFC 1421, RFC 5958, RFC 8017, RFC 5915, OpenSSH PROTOCOL.key",
        tier: Tier::Proven,
        anchors: &[b"PRIVATE KEY"],
        pattern: concat!(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,2}PRIVATE KEY-----", gap!(), headers!(), body!()),
        before: 48,
        reach: ContentRule::MAX_REACH,
        check: pem::armoured,
    },
    ContentRule {
        id: "pgp-private-key",
        heading: "armoured secret keys of OpenPGP",
        explain: "A key that signs and decrypts, as gpg --export-secret-keys writes it. The body must start with the \
                  packet of a secret key, and its checksum, where the block is whole, must be right.",
        source: "RFC 9580, RFC 4880",
        tier: Tier::Proven,
        anchors: &[b"PRIVATE KEY"],
        pattern: concat!(r"-----BEGIN PGP PRIVATE KEY BLOCK-----", gap!(), headers!(), body!()),
        before: 48,
        reach: ContentRule::MAX_REACH,
        check: |found| pgp::private_key(found.secret()),
    },
    ContentRule {
        id: "ssh2-private-key",
        heading: "private keys of SSH.COM",
        explain: "A user's or host's key in the format of the commercial SSH2, encrypted or not. The body must start \
                  with that format's magic number.",
        source: "OpenSSH ssh-keygen.c (SSH_COM_PRIVATE_KEY_MAGIC)",
        tier: Tier::Proven,
        anchors: &[b"PRIVATE KEY"],
        pattern: concat!(
            r"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----",
            gap!(),
            r"(?:[A-Z][A-Za-z0-9-]{2,30}: [^\n\\]{1,200}",
            gap!(),
            "){0,6}",
            body!()
        ),
        before: 48,
        reach: ContentRule::MAX_REACH,
        check: |found| {
            let digits = pem::digits(found.secret());
            base64::decode(&digits)
                .is_some_and(|key| key.len() >= 48 && key.starts_with(&[0x3f, 0x6f, 0xf9, 0xeb]))
        },
    },
    ContentRule {
        id: "ssh1-private-key",
        heading: "private keys of SSH 1",
        explain: "A user's or host's key of protocol 1, by the line that opens the file and the fields behind it.",
        source: "OpenSSH 7 authfile.c",
        tier: Tier::Proven,
        anchors: &[b"PRIVATE KEY"],
        pattern: r"SSH PRIVATE KEY FILE FORMAT 1\.1\n\x00[\x00-\x06]\x00{4}(?<secret>\x00\x00[\x01-\x40](?s-u:.){40,512})",
        before: 4,
        reach: 1024,
        check: |found| base64::distinct(found.secret()) >= 24,
    },
    ContentRule {
        id: "openssh-key-body",
        heading: "pieces of OpenSSH's private keys",
        explain: "The body of a key of OpenSSH without the line that announces it, as the second half of a block \
                  boundary has it, or in YAML and JSON. It must decode to the header of such a key.",
        source: "OpenSSH PROTOCOL.key",
        tier: Tier::Proven,
        anchors: &[b"b3BlbnNzaC1rZXktdjE"],
        pattern: concat!(r"(?<secret>b3BlbnNzaC1rZXktdjE[A-Za-z0-9+/=]+(?:", gap!(), "[A-Za-z0-9+/=]+)*)"),
        before: 0,
        reach: 8192,
        check: pem::armoured,
    },
    ContentRule {
        id: "openssh-key-binary",
        heading: "OpenSSH's private keys, decoded",
        explain: "A key of OpenSSH as memory, swap or a store holds it, without base 64. The fields behind the magic \
                  must be those of a key.",
        source: "OpenSSH PROTOCOL.key",
        tier: Tier::Proven,
        anchors: &[b"openssh-key-v1\0"],
        pattern: r"openssh-key-v1\x00(?s-u:.){40,1024}",
        before: 0,
        reach: 1100,
        check: |found| check::openssh::private_key(found.secret()) && base64::distinct(found.secret()) >= 40,
    },
    ContentRule {
        id: "pem-in-base64",
        heading: "private keys in PEM, encoded once more",
        explain: "A key in PEM within base 64, as Kubernetes' secrets and kubeconfig's client-key-data hold it. What \
                  it decodes to must be a private key's armour.",
        source: "Kubernetes: kubeconfig (v1), Secret",
        tier: Tier::Proven,
        // `-----BEGIN ` in base 64.
        anchors: &[b"LS0tLS1CRUdJTi"],
        pattern: r"LS0tLS1CRUdJTi[A-Za-z0-9+/]{80,}={0,2}",
        before: 0,
        reach: ContentRule::MAX_REACH,
        check: |found| {
            base64::decode(found.secret()).is_some_and(|text| {
                let head = &text[..text.len().min(64)];
                plausible::contains(head, b"private key") && base64::distinct(&text) >= 30
            })
        },
    },
    ContentRule {
        id: "age-secret-key",
        heading: "identities of age",
        explain: "A key that decrypts files of age and SOPS. Its checksum must be right.",
        source: "age specification (C2SP), BIP 173",
        tier: Tier::Proven,
        anchors: &[b"AGE-SECRET-KEY-1"],
        pattern: r"AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}",
        before: 0,
        reach: 80,
        check: |found| bech32::valid(found.secret()),
    },
    ContentRule {
        id: "putty-private-key",
        heading: "PuTTY's private keys",
        explain: "A user's key in a .ppk file, encrypted or not: the private lines behind its header.",
        source: "PuTTY manual, appendix C: PPK file format",
        tier: Tier::Proven,
        anchors: &[b"PuTTY-User-Key-File-"],
        pattern: r"PuTTY-User-Key-File-[123]: [a-z0-9-]{3,40}\r?\n[ -~\r\n]*?Private-Lines: [0-9]{1,3}\r?\n(?<secret>[A-Za-z0-9+/]{16,}[A-Za-z0-9+/=\r\n]*)",
        before: 0,
        reach: 8192,
        check: |found| base64::distinct(&pem::digits(found.secret())) >= 14,
    },
    ContentRule {
        id: "jwk-private-key",
        heading: "private JSON Web Keys",
        explain: "A key that signs tokens or decrypts, in JSON: beside its type stands the private member, d or k, \
                  of at least 20 bytes.",
        source: "RFC 7517, RFC 7518",
        tier: Tier::Proven,
        anchors: &[b"\"kty\"", b"\"d\":"],
        pattern: r#"(?:"kty"[^{}]*?"[dk]"\s*:\s*"(?<secret>[A-Za-z0-9_-]{27,})"|"d":\s*"(?<first>[A-Za-z0-9_-]{27,})"[^{}]*"kty")"#,
        before: 0,
        reach: 8192,
        check: |found| jwt::private_jwk(found.whole()),
    },
    ContentRule {
        id: "minisign-secret-key",
        heading: "secret keys of minisign",
        explain: "A key that signs releases. Its length is fixed, and its first bytes name the algorithms.",
        source: "minisign manual: Secret key format",
        tier: Tier::Proven,
        anchors: &[b"RWRTY0Iy"],
        pattern: r"RWRTY0Iy[A-Za-z0-9+/]{203}=",
        before: 0,
        reach: 220,
        check: |found| plausible::entropy(found.secret()) >= 4.0,
    },
    ContentRule {
        id: "dnssec-private-key",
        heading: "private keys of DNSSEC",
        explain: "A key that signs a zone or its updates, as dnssec-keygen writes it.",
        source: "BIND 9: dst_parse.c; PowerDNS: DNSSEC keys",
        tier: Tier::Proven,
        anchors: &[b"Private-key-format: v1."],
        pattern: r"Private-key-format: v1\.[0-9]\r?\nAlgorithm: [ -~\r\n]*?(?:PrivateKey|PrivateExponent|Private_value\(x\)|Key): (?<secret>[A-Za-z0-9+/=]{20,})",
        before: 0,
        reach: 4096,
        check: |found| plausible::entropy(found.secret()) >= 3.5,
    },
    ContentRule {
        id: "gnupg-private-key",
        heading: "private keys of gpg-agent",
        explain: "A file of ~/.gnupg/private-keys-v1.d, protected by a passphrase or not: a canonical S-expression.",
        source: "GnuPG agent/keyformat.txt",
        tier: Tier::Proven,
        anchors: &[b"private-key"],
        pattern: r"(?:\((?:11:|21:protected-)private-key\(3:(?:rsa|ecc|dsa|elg)\((?:1:[a-z]|5:curve)[0-9]{1,4}:(?<secret>(?s-u:.){40,600})|Key: \((?:protected-)?private-key \((?:rsa|ecc|dsa|elg) \((?<text>[ -~\s]{64,}))",
        before: 14,
        reach: 2048,
        check: |found| {
            let part = found.group("text").or(found.group("secret")).unwrap_or_default();
            base64::distinct(part) >= 20
        },
    },
    ContentRule {
        id: "der-private-key",
        heading: "RSA, DSA and elliptic keys in DER",
        explain: "A private key without armour, PKCS#1, SEC1 or DSA, alone or within PKCS#8: a file .der or .key, or \
                  a program's memory. Version, lengths and the first number must be those of a key.",
        source: "RFC 8017, RFC 5915, RFC 5958",
        tier: Tier::Proven,
        // Version 0 and an INTEGER with a length of two bytes, or of one (1024 bits); version 1 and an OCTET STRING
        // for P-256, P-384, P-521; Ed25519 and X25519 in PKCS#8.
        anchors: &[b"\x01\x00\x02\x82", b"\x01\x00\x02\x81", b"\x02\x01\x01\x04", b"\x04\x22\x04\x20"],
        pattern: r"\x30(?:\x82[\x01-\x20](?s-u:.)|\x81[\x80-\xff]|[\x20-\x7f])\x02\x01(?:\x00\x02(?:\x82[\x00-\x08](?s-u:.)|\x81[\x80-\xff])\x00?(?s-u:.){64,512}|\x01\x04[\x20\x30\x42](?s-u:.){32,66}[\xa0\xa1][\x03-\x84]|\x00\x30\x05\x06\x03\x2b\x65[\x6e\x70]\x04\x22\x04\x20(?s-u:.){32})",
        before: 16,
        reach: 640,
        check: |found| {
            let key = found.secret();
            der::private_key(key) && base64::distinct(key) >= 30 && !known::published(key)
        },
    },
    ContentRule {
        id: "der-encrypted-key",
        heading: "encrypted private keys in DER",
        explain: "A PKCS#8 key under a passphrase, without armour: the scheme of PKCS#5 or PKCS#12 and the encrypted \
                  octets.",
        source: "RFC 5958, RFC 8018, RFC 7292",
        tier: Tier::Proven,
        // SEQUENCE { SEQUENCE { OID PBES2 | pbeWith..., behind the outer length of two bytes.
        anchors: &[
            b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d\x30",
            b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x03\x30",
        ],
        pattern: r"\x30\x82[\x00-\x20](?s-u:.)\x30(?:[\x10-\x7f]|\x81[\x80-\xff])\x06[\x09\x0a]\x2a\x86\x48\x86\xf7\x0d\x01(?:\x05\x0d|\x0c\x01\x03)\x30(?s-u:.){48,1024}",
        before: 12,
        reach: 1200,
        check: |found| der::encrypted_pkcs8(found.secret()) && base64::distinct(found.secret()) >= 60,
    },
    ContentRule {
        id: "pkcs12-store",
        heading: "PKCS#12 stores",
        explain: "A .p12 or .pfx file: a private key and its certificates under a password. A store of certificates \
                  alone does not count, where that can be told.",
        source: "RFC 7292",
        tier: Tier::Proven,
        anchors: &[b"\x02\x01\x03\x30"],
        pattern: r"\x30\x82[\x01-\x3f](?s-u:.)\x02\x01\x03\x30\x82[\x01-\x3f](?s-u:.)\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07[\x01\x02](?s-u:.){64,}",
        before: 4,
        reach: ContentRule::MAX_REACH,
        check: |found| der::pkcs12(found.secret()),
    },
];
