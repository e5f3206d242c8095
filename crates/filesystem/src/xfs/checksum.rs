//! The checksums of version 5 metadata: a CRC-32C over a whole structure, its own four bytes taken as zero.
//!
//! It lies little-endian in structures that are otherwise big-endian (`xfs_cksum.h`). Version 4 has none.

use block::{Object, Result, field::Le32};

/// What the checksum at `field` has to be.
pub(crate) fn crc(data: &[u8], field: Le32) -> u32 {
    let crc = crc32c::crc32c(&data[..field.0]);
    crc32c::crc32c_append(crc32c::crc32c_append(crc, &[0; 4]), &data[field.0 + 4..])
}

/// Redoes the checksum at `field`.
pub(crate) fn seal(data: &mut [u8], field: Le32) {
    let crc = crc(data, field);
    field.set(data, crc);
}

/// `Corrupt` if the checksum at `field` is not right.
pub(crate) fn check(data: &[u8], field: Le32, object: Object) -> Result<()> {
    let (found, expected) = (field.get(data), crc(data, field));
    if found == expected {
        return Ok(());
    }
    Err(object.corrupt("checksum", format!("{found:#010x}"), format!("{expected:#010x}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_counts_as_zero() {
        let mut data = b"1234567890123456".to_vec();
        seal(&mut data, Le32(4));
        check(&data, Le32(4), Object::the("test")).unwrap();
        let mut zeroed = data.clone();
        Le32(4).set(&mut zeroed, 0);
        assert_eq!(Le32(4).get(&data), crc32c::crc32c(&zeroed));
        data[9] ^= 1;
        assert!(check(&data, Le32(4), Object::the("test")).is_err());
    }
}
