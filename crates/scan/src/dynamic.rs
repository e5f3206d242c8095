//! Places that only the guest's own configuration tells: sshd_config and fstab.

use crate::{Also, Guest, pattern::Pattern, sshd::Configurations};

/// The patterns that the guest's configuration adds to a rule.
pub(crate) fn patterns(guest: &Guest<'_>, also: Also, sshd: &Configurations) -> Vec<Pattern> {
    let texts: Vec<String> = match also {
        Also::FstabSwap => guest.swap_files().iter().map(|path| globset::escape(path)).collect(),
        Also::AuthorizedKeysFile => {
            let names: Vec<&str> = guest.users().iter().map(|user| user.name.as_str()).collect();
            sshd.values(&["authorizedkeysfile"]).flat_map(|value| keys_files(value, &names)).collect()
        }
        Also::HostKey => sshd
            .values(&["hostkey", "hostcertificate"])
            .filter(|path| path.starts_with('/'))
            .flat_map(|path| {
                let key = globset::escape(path);
                [format!("{key}.pub"), format!("{key}-cert.pub"), key]
            })
            .collect(),
        Also::SshdConfig => {
            return sshd.files().filter_map(|path| Pattern::absolute(&path.0, "")).collect();
        }
    };
    // What is no pattern (an odd path in a configuration) names no file.
    texts.iter().filter_map(|text| Pattern::parse(text).ok()).collect()
}

/// A value of AuthorizedKeysFile as patterns. `%h` is the home. The user is anybody where a directory is there
/// for keys only, and one of `users` elsewhere: `/etc/ssh/%u` must not take sshd_config.
fn keys_files(value: &str, users: &[&str]) -> Vec<String> {
    if value.eq_ignore_ascii_case("none") {
        return Vec::new();
    }
    let (home, rest) = match value.strip_prefix("%h/") {
        Some(rest) => ("~/", rest),
        None if value.starts_with('/') => ("", value),
        None => ("~/", value),
    };
    let before = rest.split_once('%').map_or(rest, |(before, _)| before);
    let anybody = ["*"];
    let users = if anybody_in_keys(before) { anybody.as_slice() } else { users };
    let mut globs = Vec::new();
    for user in users {
        let mut glob = home.to_owned();
        let mut chars = rest.chars();
        while let Some(c) = chars.next() {
            match (c, if c == '%' { chars.next() } else { None }) {
                ('%', Some('%')) => glob.push('%'),
                ('%', Some('u' | 'U')) if *user == "*" => glob.push('*'),
                ('%', Some('u' | 'U')) => glob.push_str(&globset::escape(user)),
                // A token that sshd_config(5) does not allow here: sshd refuses it too.
                ('%', _) => return Vec::new(),
                (c, _) => glob.push_str(&globset::escape(c.encode_utf8(&mut [0; 4]))),
            }
        }
        if !globs.contains(&glob) {
            globs.push(glob);
        }
    }
    globs
}

/// Whether the directory in front of the user's name is there for keys.
fn anybody_in_keys(before: &str) -> bool {
    before.rsplit('/').nth(1).is_some_and(|directory| directory.contains("key"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_authorized_keys_file() {
        for (value, patterns) in [
            (".ssh/authorized_keys", &["~/.ssh/authorized_keys"][..]),
            ("%h/.ssh/keys", &["~/.ssh/keys"]),
            ("/etc/ssh/authorized_keys/%u", &["/etc/ssh/authorized_keys/*"]),
            ("/etc/ssh/keys%%/%U.pub", &["/etc/ssh/keys%/root.pub", "/etc/ssh/keys%/al.pub"]),
            ("/etc/ssh/%u", &["/etc/ssh/root", "/etc/ssh/al"]),
            ("none", &[]),
        ] {
            assert_eq!(keys_files(value, &["root", "al"]), patterns, "{value}");
        }
    }
}
