//! No password opens an account or a group any more; all else of them stays.
//!
//! The mark is `*` where a password, or none, was enough, and `!` where `passwd -l` had put `!` in front of a hash.
//! No password matches either (crypt(5)), and `passwd -S` says L of both. `*` and not `!`, because an sshd without PAM
//! (Alpine's) takes `!` for an account that must not come in by its key either: the new owner's key has to work.

use super::{
    Context, Outcome, Rewrite,
    lines::{self, Fate},
    names,
};

/// Columns of passwd(5), shadow(5), group(5) and gshadow(5). The second one has the password.
const PASSWD: usize = 7;
const SHADOW: usize = 9;
const GROUP: usize = 4;
const PASSWORD: usize = 1;

/// No password matches.
const NONE: &[u8] = b"*";
/// The same, and `passwd -l` was here.
const LOCKED: &[u8] = b"!";
/// The password is in shadow, or gshadow.
const ELSEWHERE: &[u8] = b"x";

/// What is no hash behind any `!` and `*`: words of shadow-utils, systemd-sysusers, cloud-init and Solaris, and what
/// crypt(3) returns when it fails.
const WORDS: [&[u8]; 10] =
    [b"", b"x", b"locked", b"unprovisioned", b"LK*", b"NP*", b"NP", b"NONE*", b"0", b"1"];

/// Whether a field holds neither a hash nor nothing.
fn opens_nothing(field: &[u8]) -> bool {
    let start = field.iter().position(|byte| !b"!*".contains(byte)).unwrap_or(field.len());
    !field.is_empty() && WORDS.contains(&&field[start..])
}

/// What takes the place of a hash, locked or not.
fn mark(field: &[u8]) -> &'static [u8] {
    if field.starts_with(LOCKED) { LOCKED } else { NONE }
}

pub(super) fn lock(file: &[u8], content: &[u8], context: &Context<'_>) -> Result<Outcome, String> {
    let columns = match file {
        b"passwd" => PASSWD,
        b"shadow" => SHADOW,
        b"group" | b"gshadow" => GROUP,
        _ => return Err("it is no file of accounts".to_owned()),
    };
    lines::check(content, columns)?;
    let of_groups = columns == GROUP;
    let (mut locked, mut closed) = (Vec::new(), Vec::new());
    let new = lines::rewrite(content, |text| {
        let comment = text.starts_with(b"#");
        let (row, account) = match lines::row(text) {
            Some(row) => (row, true),
            // An account in a comment is none, but its hash is one; so is what an account of NIS's gets instead of its own.
            None if comment || text.starts_with(b"+") => (text.split(|&byte| byte == b':').collect(), false),
            None => return Fate::Stays,
        };
        let [name, field, ..] = *row.as_slice() else { return Fate::Stays };
        let kept = !of_groups && context.keep.iter().any(|keep| keep.as_bytes() == name);
        // Without a password, a group has only its members: that is no way in.
        let open = field.is_empty() && !of_groups && account;
        let hash = !field.is_empty() && !opens_nothing(field) && (!comment || row.len() == columns);
        if kept || !(open || hash) {
            return Fate::Stays;
        }
        (if open { &mut closed } else { &mut locked }).push(name.to_vec());
        let shadowed = matches!(file, b"passwd" | b"group") && context.beside.contains(name);
        let instead = match file {
            b"gshadow" => LOCKED,
            _ if shadowed && !field.starts_with(LOCKED) => ELSEWHERE,
            _ => mark(field),
        };
        lines::with(&row, PASSWORD, instead)
    });
    let what = if of_groups { "locks group " } else { "locks " };
    let mut changes = Vec::new();
    if !locked.is_empty() {
        changes.push(format!("{what}{}", names(&locked)));
    }
    if !closed.is_empty() {
        changes.push(format!("{what}{}: no password was needed", names(&closed)));
    }
    Ok(Outcome { rewrite: new.map(|content| Rewrite { content, changes }), notes: Vec::new() })
}

/// Accounts, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passwords {
    /// Those with a hash, behind `!` too.
    pub hashes: Vec<String>,
    /// Those that need no password.
    pub none: Vec<String>,
}

/// The accounts of a passwd or shadow that `lock` would change.
#[must_use]
pub fn passwords(content: &[u8]) -> Passwords {
    let mut found = Passwords::default();
    for row in lines::lines(content).filter_map(|line| lines::row(line.text)) {
        let [name, field, _, ..] = *row.as_slice() else { continue };
        let name = String::from_utf8_lossy(name).into_owned();
        if field.is_empty() {
            found.none.push(name);
        } else if !opens_nothing(field) {
            found.hashes.push(name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The new content and what changed; twice, the second time without a change.
    fn locked(file: &str, content: &str, beside: &[&str], keep: &[&str]) -> Option<(String, Vec<String>)> {
        let beside: BTreeSet<Vec<u8>> = beside.iter().map(|name| name.as_bytes().to_vec()).collect();
        let keep: BTreeSet<String> = keep.iter().map(|&name| name.to_owned()).collect();
        let context = Context { beside: &beside, keep: &keep, ..Context::NONE };
        let new = lock(file.as_bytes(), content.as_bytes(), &context).unwrap().rewrite?;
        assert_eq!(lock(file.as_bytes(), &new.content, &context).unwrap(), Outcome::default());
        Some((String::from_utf8(new.content).unwrap(), new.changes))
    }

    #[test]
    fn every_kind_of_password_goes() {
        for (field, instead) in [
            ("$6$fake$fakefakefake/.", "*"),
            ("$y$j9T$fake$fake", "*"),
            ("$2b$05$fake", "*"),
            ("$1$fake$fake", "*"),
            ("_J9..fakeFakeFakeFake", "*"),
            ("FakeDesHash1.", "*"),
            ("what is this", "*"),
            ("", "*"),
            ("!$6$fake$fake", "!"),
            ("!!$6$fake$fake", "!"),
            ("*$6$fake$fake", "*"),
            ("!unprovisione", "!"),
        ] {
            let (new, _) = locked("shadow", &format!("al:{field}:19000:0:99999:7:::\n"), &[], &[]).unwrap();
            assert_eq!(new, format!("al:{instead}:19000:0:99999:7:::\n"), "{field}");
        }
        for field in
            ["!", "*", "!!", "!*", "*!", "x", "!locked", "!unprovisioned", "*LK*", "*NP*", "NP", "*0", "*1"]
        {
            assert_eq!(locked("shadow", &format!("al:{field}:19000::::::\n"), &[], &[]), None, "{field}");
        }
    }

    #[test]
    fn other_bytes_stay() {
        let before = "root:$6$f$f:19000:0:99999:7:::\r\n\n# a comment: $6$x\n#old:$6$f$f:1:0:99999:7:::\n+nis:$6$f$f::::::\n\
                      bin:*:18000:0:99999:7:::\nal:$y$f:19001:1:90:7:30:20000:\nguest:::::::: \néd:!:::::::\nlast:$5$f:1::::::";
        let after = "root:*:19000:0:99999:7:::\r\n\n# a comment: $6$x\n#old:*:1:0:99999:7:::\n+nis:*::::::\n\
                     bin:*:18000:0:99999:7:::\nal:*:19001:1:90:7:30:20000:\nguest:*::::::: \néd:!:::::::\nlast:*:1::::::";
        let (new, changes) = locked("shadow", before, &[], &[]).unwrap();
        assert_eq!(new, after);
        assert_eq!(changes, ["locks root, #old, +nis, al, last", "locks guest: no password was needed"]);
    }

    #[test]
    fn kept_accounts_keep_theirs() {
        let (new, changes) = locked("shadow", "root:$6$f:1\nal:$6$f:1\nb::1\n", &[], &["al", "b"]).unwrap();
        assert_eq!((new.as_str(), changes), ("root:*:1\nal:$6$f:1\nb::1\n", vec!["locks root".to_owned()]));
    }

    #[test]
    fn passwd_and_groups() {
        let (new, _) = locked(
            "passwd",
            "root:$1$f:0:0::/root:/bin/sh\nal::1:1:::\nb:x:2:2:::\nc:fakehash:3:3:::\nd:!$1$f:4:4:::\n+::::::\n",
            &["root", "al"],
            &[],
        )
        .unwrap();
        assert_eq!(
            new,
            "root:x:0:0::/root:/bin/sh\nal:x:1:1:::\nb:x:2:2:::\nc:*:3:3:::\nd:!:4:4:::\n+::::::\n"
        );
        let (new, changes) =
            locked("gshadow", "wheel:$6$f:al:al,b\nadm:::al\nsudo:!::\nold:!$6$f::\n", &[], &["wheel"])
                .unwrap();
        assert_eq!(new, "wheel:!:al:al,b\nadm:::al\nsudo:!::\nold:!::\n");
        assert_eq!(changes, ["locks group wheel, old"]);
        let (new, _) = locked("group", "wheel:$6$f:10:al\nadm::4:\nx:fake:5:\n", &["wheel"], &[]).unwrap();
        assert_eq!(new, "wheel:x:10:al\nadm::4:\nx:*:5:\n");
    }

    #[test]
    fn what_is_no_such_file_is_refused_whole() {
        let (beside, keep) = (BTreeSet::new(), BTreeSet::new());
        let context = Context { beside: &beside, keep: &keep, ..Context::NONE };
        for (content, line) in [
            ("root:$6$f:1::::::\nal\n", 2),
            (":$6$f:1::::::\n", 1),
            ("root:$6$f:1:2:3:4:5:6:7:8\n", 1),
            ("r\0o\0o\0t\0:\0", 1),
        ] {
            let error = lock(b"shadow", content.as_bytes(), &context).unwrap_err();
            assert_eq!(error, format!("line {line} is not one of such a file"));
        }
        assert!(lock(b"shadow", b"", &context).unwrap().rewrite.is_none());
        // Whatever the bytes are: no panic, and what comes out is fixed by a second run.
        for byte in 0..=255_u8 {
            let content = [b"al:".as_slice(), &[byte, byte], b"\n:", &[byte], b":\r\n"].concat();
            for file in [b"passwd".as_slice(), b"shadow", b"group", b"gshadow"] {
                if let Ok(Outcome { rewrite: Some(new), .. }) = lock(file, &content, &context) {
                    assert_eq!(lock(file, &new.content, &context).unwrap().rewrite, None);
                }
            }
        }
    }

    #[test]
    fn counts_what_it_would_change() {
        let found = passwords(b"root:$6$f:1\nbin:*:1\nal:!$6$f:1\nguest::1\n+x\n");
        assert_eq!((found.hashes, found.none), (vec!["root".into(), "al".into()], vec!["guest".into()]));
    }
}
