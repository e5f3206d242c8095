//! The identifiers of LVM2: 32 letters and digits, in groups of 6-4-4-4-4-4-6 where people read them.

use std::fmt;

/// Of a physical volume, a volume group or a logical volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id([u8; 32]);

/// Where the groups end, but for the last.
const HYPHENS: [usize; 6] = [6, 10, 14, 18, 22, 26];

impl Id {
    /// As the label has it; `None` if a byte is neither letter nor digit.
    pub(super) fn from_raw(raw: [u8; 32]) -> Option<Self> {
        // lvm2 allows these two as well (lib/uuid/uuid.c).
        let legal = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'!' | b'#');
        raw.iter().all(legal).then_some(Self(raw))
    }

    /// As the metadata has it.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let raw: Vec<u8> = text.bytes().filter(|&byte| byte != b'-').collect();
        let id = Self::from_raw(raw.try_into().ok()?)?;
        (id.to_string() == text).then_some(id)
    }

    /// Without hyphens.
    pub(super) fn raw(&self) -> String {
        self.0.iter().map(|&byte| char::from(byte)).collect()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, &byte) in self.0.iter().enumerate() {
            if HYPHENS.contains(&at) {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(byte))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_one() {
        let text = "uglJRy-uVdr-4sbc-YpGA-FbCf-glos-wt56Jy";
        let id = Id::from_raw(*b"uglJRyuVdr4sbcYpGAFbCfgloswt56Jy").unwrap();
        assert_eq!(Id::from_text(text), Some(id));
        assert_eq!(id.to_string(), text);
        assert_eq!(Id::from_text("uglJRyuVdr4sbcYpGAFbCfgloswt56Jy"), None);
        assert_eq!(Id::from_raw([0; 32]), None);
    }
}
