//! Files of accounts: each field of a password with a hash must be hit, and nothing else.

use super::{Score, archive, hits, overlap};

/// The field of the password in each line that has a hash: `$id$...$...`, or 13 characters of DES.
fn hashes(text: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let fields: Vec<&[u8]> = line.split(|&byte| byte == b':').collect();
        if fields.len() >= 4 {
            let hash = fields[1].strip_prefix(b"!").unwrap_or(fields[1]);
            let modular = hash.starts_with(b"$") && hash.iter().filter(|&&byte| byte == b'$').count() >= 3;
            let des = hash.len() == 13
                && hash.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"./".contains(&byte));
            if modular || des {
                let at = start + fields[0].len() + 1;
                found.push(at..at + fields[1].len());
            }
        }
        start += line.len();
    }
    found
}

#[test]
fn shadow() {
    let Some(files) = archive("shadow/etc-shadow.shared.tar.zst") else { return };
    let mut score = Score::default();
    for (path, bytes) in files {
        let labels = hashes(&bytes);
        let hits = hits(&bytes, false);
        for label in &labels {
            score.count(hits.iter().any(|hit| overlap(&hit.secret, label)), &path);
        }
        for hit in hits.iter().filter(|hit| !labels.iter().any(|label| overlap(&hit.secret, label))) {
            score.false_hit(hit.rule.id, &path);
        }
    }
    score.print("shadow: /etc/shadow, gshadow and passwd of its tests", 95, 100);
}

/// Histories that bash wrote with times.
#[test]
fn plaso() {
    let Some(files) = archive("plaso/shell-history.shared.tar.zst") else { return };
    let mut score = Score::default();
    for (path, bytes) in files {
        score.count(hits(&bytes, true).iter().any(|hit| hit.rule.id == "history-with-times"), &path);
    }
    score.print("plaso: shell histories (by context)", 100, 100);
}
