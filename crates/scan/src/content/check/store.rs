//! Files that hold keys or passwords, by their first bytes: Java's key stores, Kerberos' key tables and ticket
//! caches. All numbers are big-endian.

/// Versions of JKS and JCEKS (`sun.security.provider.JavaKeyStore`).
const JKS_VERSION: u32 = 2;
/// Tags of entries: a private key, a secret key. 2 is a trusted certificate, which is no secret.
const JKS_PRIVATE: u32 = 1;
const JKS_SECRET: u32 = 3;
/// Entries are walked until the bytes end; a store of certificates alone has hundreds at most.
const JKS_ENTRIES: usize = 4096;

/// Whether it is a JKS or JCEKS store with a private or secret key. `bytes` may end anywhere.
pub(crate) fn java(bytes: &[u8]) -> bool {
    let mut rest = Reader(bytes);
    let (Some(magic), Some(version), Some(count)) = (rest.u32(), rest.u32(), rest.u32()) else {
        return false;
    };
    if !matches!(magic, 0xfeed_feed | 0xcece_cece) || version != JKS_VERSION || count == 0 {
        return false;
    }
    for _ in 0..JKS_ENTRIES {
        let Some(tag) = rest.u32() else { return false };
        // The alias, of printable text, and when it was made: not before 1995, not after 2100, in milliseconds.
        let Some(alias) = rest.string() else { return false };
        let Some(time) = rest.u64().filter(|time| (788_918_400_000..4_102_444_800_000).contains(time)) else {
            return false;
        };
        let _: u64 = time;
        match tag {
            _ if alias.iter().any(u8::is_ascii_control) => return false,
            JKS_PRIVATE | JKS_SECRET => return true,
            2 => {
                let kind = rest.string();
                let Some(length) =
                    kind.and_then(|_| rest.u32()).and_then(|length| usize::try_from(length).ok())
                else {
                    return false;
                };
                if rest.take(length).is_none() {
                    return false;
                }
            }
            _ => return false,
        }
    }
    false
}

/// Whether it is a key table of version 2 with at least one key (MIT krb5, "Keytab file format").
pub(crate) fn keytab(bytes: &[u8]) -> bool {
    let mut rest = Reader(bytes);
    let mut entry = || {
        let (magic, length) = (rest.u16()?, rest.u32()?);
        let components = rest.u16()?;
        let realm = rest.string()?;
        let names: Option<Vec<&[u8]>> = (0..components.min(8)).map(|_| rest.string()).collect();
        let (name_type, _time, _version) = (rest.u32()?, rest.u32()?, rest.u8()?);
        let (kind, key) = (rest.u16()?, rest.u16()?);
        Some(
            magic == 0x0502
                && (20..=4096).contains(&length)
                && (1..=8).contains(&components)
                && is_name(realm)
                && names?.iter().all(|name| is_name(name))
                && name_type <= 16
                // Encryption types of RFC 3961 and its heirs, and the lengths of their keys.
                && matches!((kind, key), (1..=3, 8) | (5 | 7 | 16, 24) | (17 | 19 | 23 | 25, 16) | (18 | 20 | 26, 32)),
        )
    };
    entry().unwrap_or(false)
}

/// Whether it is a cache of tickets of version 4, with its principal (MIT krb5, "Credential cache file format").
pub(crate) fn ticket_cache(bytes: &[u8]) -> bool {
    let mut rest = Reader(bytes);
    let mut principal = || {
        let (magic, header) = (rest.u16()?, rest.u16()?);
        rest.take(usize::from(header))?;
        let (name_type, components, realm) = (rest.u32()?, rest.u32()?, rest.u32()?);
        let realm = rest.take(usize::try_from(realm.min(256)).ok()?)?;
        Some(
            magic == 0x0504
                && header <= 64
                && name_type <= 16
                && (1..=8).contains(&components)
                && is_name(realm),
        )
    };
    principal().unwrap_or(false)
}

/// A realm or a component of a principal.
fn is_name(text: &[u8]) -> bool {
    !text.is_empty() && text.len() <= 256 && text.iter().all(u8::is_ascii_graphic)
}

/// Takes numbers off the front; `None` where the bytes end.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (part, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(part)
    }

    /// Bytes behind their length of two bytes.
    fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (part, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*part)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }
}

/// Stores that open nothing. Only tests make secrets.
#[cfg(test)]
pub(crate) mod make {
    fn text(bytes: &mut Vec<u8>, text: &str) {
        bytes.extend(u16::try_from(text.len()).expect("short").to_be_bytes());
        bytes.extend(text.as_bytes());
    }

    pub(crate) fn java(tags: &[u32]) -> Vec<u8> {
        let mut bytes = 0xfeed_feed_u32.to_be_bytes().to_vec();
        bytes.extend(2_u32.to_be_bytes());
        bytes.extend(u32::try_from(tags.len()).expect("few").to_be_bytes());
        for tag in tags {
            bytes.extend(tag.to_be_bytes());
            text(&mut bytes, "alias");
            bytes.extend(1_700_000_000_000_u64.to_be_bytes());
            if *tag == 2 {
                text(&mut bytes, "X.509");
            }
            bytes.extend(4_u32.to_be_bytes());
            bytes.extend([9; 4]);
        }
        bytes
    }

    pub(crate) fn keytab(kind: u16, length: u16) -> Vec<u8> {
        let mut entry = vec![0, 2];
        for name in ["REALM.TEST", "host", "a.test"] {
            text(&mut entry, name);
        }
        entry.extend(1_u32.to_be_bytes());
        entry.extend(1_700_000_000_u32.to_be_bytes());
        entry.push(3);
        entry.extend(kind.to_be_bytes());
        entry.extend(length.to_be_bytes());
        entry.extend((0..length).map(|n| u8::try_from(n * 7 % 251).expect("a byte")));
        let mut bytes = vec![5, 2];
        bytes.extend(u32::try_from(entry.len()).expect("short").to_be_bytes());
        bytes.extend(entry);
        bytes
    }

    pub(crate) fn ticket_cache() -> Vec<u8> {
        let mut bytes = vec![5, 4, 0, 12, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend([0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 10]);
        bytes.extend(b"REALM.TEST\0\0\0\x04user");
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_alone_are_no_secret() {
        assert!(java(&make::java(&[1])));
        assert!(java(&make::java(&[2, 2, 3])));
        assert!(!java(&make::java(&[2, 2])));
        assert!(!java(&make::java(&[])));
        assert!(!java(&make::java(&[9])));
        let store = make::java(&[1]);
        for end in 0..30 {
            assert!(!java(&store[..end]), "cut at {end}");
        }
    }

    #[test]
    fn kerberos() {
        assert!(keytab(&make::keytab(18, 32)));
        assert!(!keytab(&make::keytab(18, 16)) && !keytab(&make::keytab(99, 32)));
        assert!(ticket_cache(&make::ticket_cache()));
        for end in 0..20 {
            assert!(!keytab(&make::keytab(18, 32)[..end]) && !ticket_cache(&make::ticket_cache()[..end]));
        }
        assert!(!keytab(&[5, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
        assert!(!ticket_cache(&[5, 4, 0xff, 0xff, 0xff, 0xff]));
    }
}
