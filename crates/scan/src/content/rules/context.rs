//! Passwords and keys that nothing but their surroundings show. All of them are by context: they count in free
//! space, journals, slack, swap and deleted files, and in the live files that are known for them.

use super::TOKEN;
use crate::content::{ContentRule, Tier, check::plausible};

const CONTEXT: ContentRule = ContentRule {
    tier: Tier::Context,
    source: "diskscrub",
    check: |found| plausible::strong_password(found.secret()),
    ..TOKEN
};

/// The rules.
pub(crate) const RULES: &[ContentRule] = &[
    ContentRule {
        id: "password-assignment",
        heading: "passwords in configurations",
        explain: "A value with letters and digits or signs behind a name that ends in password.",
        anchors: &[b"assword", b"ASSWORD", b"passwd"],
        before: 3,
        pattern: r#"(?:[Pp]assword|PASSWORD|passwd)(?:["'\]]{0,2}[ \t]{0,8}(?:=>?|:=?)[ \t]{0,8}|[ \t]{1,8})(?:"(?<a>[^"\s\x00]{6,128})"|'(?<b>[^'\s\x00]{6,128})'|(?<c>[!#%-&*-~][!-~]{5,127}))"#,
        check: |found| {
            let quoted = found.group("a").or(found.group("b"));
            // Without quotes, behind a `=` or a `:`, and not an expression of a program.
            let bare = found.group("c").filter(|text| {
                found.whole().iter().any(|byte| b"=:".contains(byte))
                    && !text.iter().any(|byte| b"()[]{}<>;,\"'`$".contains(byte))
            });
            quoted.or(bare).is_some_and(plausible::strong_password)
        },
        ..CONTEXT
    },
    ContentRule {
        id: "secret-assignment",
        heading: "tokens in configurations",
        explain: "A random value of 20 characters or more behind a name that ends in token, secret or API key.",
        anchors: &[b"_TOKEN", b"_token", b"_SECRET", b"_secret", b"_KEY", b"_key", b"apiKey"],
        pattern: r#"(?:_TOKEN|_token|_SECRET|_secret|_KEY|_key|apiKey)["'\]]{0,2}\s{0,4}(?:=>?|:)\s{0,4}["']?(?<secret>[A-Za-z0-9+/_.~-]{20,200}=*)"#,
        reach: 240,
        check: |found| {
            let text = found.secret();
            plausible::random(text)
                && plausible::entropy(text) >= 3.2
                && text.iter().filter(|byte| byte.is_ascii_digit()).count() >= 2
                && text.iter().any(u8::is_ascii_alphabetic)
        },
        ..CONTEXT
    },
    ContentRule {
        id: "shell-secret",
        heading: "passwords in commands",
        explain: "A password that a command took from its line: sshpass, mysql, curl, as histories and process lists keep it.",
        anchors: &[b"sshpass -p", b"mysql ", b"curl "],
        pattern: r#"(?:sshpass -p ?|mysql [ -~]{0,80}?-p|curl [ -~]{0,160}?(?:-u|--user)[ =]?['"]?[A-Za-z0-9._@-]{1,64}:)['"]?(?<secret>[!#%+-9:=?-Z^-~]{4,128})"#,
        reach: 320,
        check: |found| plausible::password(found.secret()) && plausible::entropy(found.secret()) >= 2.0,
        ..CONTEXT
    },
    ContentRule {
        id: "cloud-config-password",
        heading: "passwords in user data of cloud-init",
        explain: "A password in clear text for the image's user, as #cloud-config sets it. Hashes and keys in user \
                  data are found by their own rules.",
        source: "cloud-init: Modules: Set Passwords",
        anchors: &[b"#cloud-config"],
        pattern: r#"#cloud-config(?:\\+[nr]|\s)[ -~\s]*?(?:\n|\\n)[ \t]*(?:- )?(?:password|plain_text_passwd|passwd):[ \t]*["']?(?<secret>[!#%+-Z^-~][!-~]{3,127})"#,
        reach: 8192,
        check: |found| plausible::password(found.secret()),
        ..CONTEXT
    },
    ContentRule {
        id: "cloud-config-user-list",
        heading: "lists of passwords in user data of cloud-init",
        explain: "The list of chpasswd in #cloud-config: a user, a colon, a password in clear text.",
        source: "cloud-init: Modules: Set Passwords",
        anchors: &[b"passwd"],
        before: 2,
        pattern: r#"chpasswd:(?:\\+[nr]|\s)[ -~\s]{0,200}?list:[ \t]*[|>]?-?(?:\\+[nr]|\s)*(?:- )?[a-z_][a-z0-9_-]{0,31}:(?<secret>[!#%+-Z^-~][!-~]{3,127})"#,
        reach: 800,
        check: |found| plausible::password(found.secret()) && !found.secret().starts_with(b"RANDOM"),
        ..CONTEXT
    },
    ContentRule {
        id: "history-with-times",
        heading: "pieces of shell histories",
        explain: "Lines of commands between lines of #, seconds since 1970: what bash writes with HISTTIMEFORMAT set. \
                  Three in a row count.",
        source: "bash(1): HISTFILE",
        anchors: &[b"\n#1"],
        pattern: r"\n#1[0-9]{9}\n(?<secret>[ -~]{1,400}\n(?:#1[0-9]{9}\n[ -~]{1,400}\n){2,})",
        reach: 2048,
        check: |_| true,
        ..CONTEXT
    },
    ContentRule {
        id: "history-of-zsh",
        heading: "pieces of histories of zsh",
        explain: "Lines of a colon, seconds since 1970, a duration and a command. Three in a row count.",
        source: "zshoptions(1): EXTENDED_HISTORY",
        anchors: &[b"\n: 1"],
        pattern: r"\n: 1[0-9]{9}:[0-9]{1,6};(?<secret>[ -~]{1,400}\n(?:: 1[0-9]{9}:[0-9]{1,6};[ -~]{1,400}\n){2,})",
        reach: 2048,
        check: |_| true,
        ..CONTEXT
    },
];
