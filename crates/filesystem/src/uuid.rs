//! UUIDs as text.

use block::is_zero;

/// As blkid(8) prints it; empty if there is none, that is, if all bytes are zero.
pub(crate) fn text(uuid: &[u8; 16]) -> String {
    if is_zero(uuid) {
        return String::new();
    }
    let hex: String = uuid.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_have_hyphens() {
        let uuid = std::array::from_fn(|at| u8::try_from(at * 17).unwrap());
        assert_eq!(text(&uuid), "00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(text(&[0; 16]), "");
    }
}
