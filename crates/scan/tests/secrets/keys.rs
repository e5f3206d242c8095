//! Files of keys: those with a private one must be hit, those with a public one alone must not.

use super::{Score, archive, hits};

/// Scores by file. `secret` says whether a file holds a private key, `None` that it does not count.
fn files(name: &str, secret: fn(&str) -> Option<bool>) -> Option<Score> {
    let mut score = Score::default();
    for (path, bytes) in archive(name)? {
        let hits = hits(&bytes, false);
        match secret(&path) {
            Some(true) => score.count(!hits.is_empty(), &path),
            Some(false) => hits.iter().for_each(|hit| score.false_hit(hit.rule.id, &path)),
            None => {}
        }
    }
    Some(score)
}

#[test]
fn cryptography() {
    let score = files("cryptography-vectors/keys.shared.tar.zst", |path| {
        let name = path.rsplit('/').next().unwrap();
        // openssl(1) sees certificates alone in stores without a password that are named so.
        let certificates = name.starts_with("no-cert-name-") && name.ends_with("-no-pwd.p12");
        let public = ["pub", "spki", "param", "README", "truststore"];
        // Their key may not be there (encrypted stores), or their first field is broken on purpose.
        let unclear = ["no-key", "no-cert-name", "wrong-version", "invalid-version", "wrong-tag"];
        if !certificates && unclear.iter().any(|word| name.contains(word)) {
            return None;
        }
        Some(name.contains("private_key") || !certificates && !public.iter().any(|word| name.contains(word)))
    });
    if let Some(score) = score {
        score.print("cryptography: keys in PEM, DER, OpenSSH, PKCS#12", 95, 100);
    }
}

#[test]
fn openssh() {
    let score = files("openssh/regress-keys.shared.tar.zst", |path| {
        let name = path.rsplit('/').next().unwrap();
        // Programs, scripts and make files hold what they are written with.
        if name.ends_with(".c") || name.ends_with(".sh") || name == "Makefile" {
            return None;
        }
        Some(!name.contains('.') || name.ends_with(".prv"))
    });
    if let Some(score) = score {
        score.print("openssh: keys of the regression tests", 100, 100);
    }
}
