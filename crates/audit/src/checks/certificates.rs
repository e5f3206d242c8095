//! Certificates and private keys of the system that are this image's own.

use block::Result;
use filesystem::FileKind;
use scan::GuestPath;

use crate::{Check, Observation, Severity, System};

pub(super) const CERTIFICATES: Check = Check {
    id: "certificates",
    heading: "Certificates and keys of the system",
    explain: "Private keys where servers have them, the key pair that Debian's ssl-cert makes when it is installed (the \
              same on every clone), certificates of Let's Encrypt, and authorities that the builder made the system \
              trust. The rules `tls-private-keys`, `letsencrypt` and `ca-certificates` take the files; certificates \
              that packages bring are left out.",
    advice: "Remove them; let the first boot make a server's key pair (`make-ssl-cert generate-default-snakeoil`), and keep \
             an authority only if every clone is to trust it.",
    run: certificates,
};

/// Directories of private keys, and how deep they are looked into.
const KEYS: &[&str] =
    &["/etc/ssl/private", "/etc/pki/tls/private", "/etc/pki/CA/private", "/etc/pki/nginx/private"];
/// Let's Encrypt's, and others' of the protocol ACME.
const ACME: &[&str] = &[
    "/etc/letsencrypt/live",
    "/etc/letsencrypt/archive",
    "/etc/letsencrypt/accounts",
    "/var/lib/acme",
    "/root/.acme.sh",
];
/// Where administrators put authorities to trust.
const ANCHORS: &[&str] = &[
    "/usr/local/share/ca-certificates",
    "/etc/pki/ca-trust/source/anchors",
    "/etc/ca-certificates/trust-source/anchors",
    "/etc/pki/trust/anchors",
];
const SNAKEOIL: &[u8] = b"ssl-cert-snakeoil.key";
/// Names that one directory's observation has.
const NAMED: usize = 3;
const MAX_DEPTH: usize = 4;

fn certificates(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    let mut seen = Vec::new();
    for directory in KEYS {
        let mut files = below(system, directory)?;
        if let Some(at) = files.iter().position(|path| path.0.ends_with(SNAKEOIL)) {
            let what = "ssl-cert made this key pair when it was installed: it is the same on every clone";
            seen.push(Observation::new(Severity::Warn, what).at(&files.remove(at)));
        }
        seen.extend(told(&files, "a private key of this system", "private keys of this system"));
    }
    for directory in ACME {
        let files = below(system, directory)?;
        seen.extend(told(
            &files,
            "a certificate or account by ACME",
            "certificates, keys and accounts by ACME",
        ));
    }
    for directory in ANCHORS {
        let mut files = Vec::new();
        for item in system.list(directory.as_bytes())? {
            let name = item.name.to_ascii_lowercase();
            let certificate =
                [".crt", ".pem", ".cer", ".der", ".p11-kit"].iter().any(|end| name.ends_with(end.as_bytes()));
            if item.kind == FileKind::File && certificate {
                files.push(item.path);
            }
        }
        seen.extend(told(
            &files,
            "an authority that the builder made the system trust",
            "authorities that the builder made the system trust",
        ));
    }
    Ok(seen)
}

/// Regular files below a directory; links to packages' certificates are none.
fn below(system: &System<'_, '_>, directory: &str) -> Result<Vec<GuestPath>> {
    let mut files = Vec::new();
    let mut todo = vec![(directory.as_bytes().to_vec(), 0)];
    while let Some((directory, depth)) = todo.pop() {
        for item in system.list(&directory)? {
            match item.kind {
                FileKind::File if item.name != b"README" && !item.name.starts_with(b".") => {
                    files.push(item.path);
                }
                FileKind::Directory if depth < MAX_DEPTH => todo.push((item.path.0, depth + 1)),
                _ => {}
            }
        }
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(files)
}

fn told(files: &[GuestPath], one: &str, many: &str) -> Option<Observation> {
    let first = files.first()?;
    let what = if files.len() == 1 {
        one.to_owned()
    } else {
        let shown: Vec<String> = files.iter().take(NAMED).map(ToString::to_string).collect();
        let more = match files.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{} {many}: {}{more}", files.len(), shown.join(", "))
    };
    Some(Observation::new(Severity::Warn, what).at(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::seen;

    #[test]
    fn what_is_the_images_own() {
        assert_eq!(
            seen(&CERTIFICATES, "/etc/ssl/certs/ca.pem\n/etc/ssl/private/\n/etc/letsencrypt/live/README"),
            [""; 0]
        );
        let tree = "/etc/ssl/private/ssl-cert-snakeoil.key\n/etc/ssl/private/www.key\n/usr/local/share/ca-certificates/own.crt\n\
                    /etc/letsencrypt/archive/a/cert1.pem\n/etc/letsencrypt/archive/a/privkey1.pem\n\
                    /etc/letsencrypt/live/a/cert.pem -> ../../archive/a/cert1.pem";
        assert_eq!(
            seen(&CERTIFICATES, tree),
            [
                "warn /etc/ssl/private/ssl-cert-snakeoil.key ssl-cert made this key pair when it was installed: it is the same on every clone",
                "warn /etc/ssl/private/www.key a private key of this system",
                "warn /etc/letsencrypt/archive/a/cert1.pem 2 certificates, keys and accounts by ACME: /etc/letsencrypt/archive/a/cert1.pem, /etc/letsencrypt/archive/a/privkey1.pem",
                "warn /usr/local/share/ca-certificates/own.crt an authority that the builder made the system trust",
            ]
        );
    }
}
