//! The checksum of every LVM2 structure: CRC-32 of the usual polynomial, with a start value of its own and without
//! the final inversion (lvm2, `lib/misc/crc.c` and `INITIAL_CRC`).

const INITIAL: u32 = 0xf597_a6cf;

/// The checksum of pieces that follow each other.
pub(super) fn checksum<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(!INITIAL);
    pieces.into_iter().for_each(|piece| hasher.update(piece));
    !hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_what_the_lvm2_tools_write() {
        // The label header of a physical volume that pvcreate(8) made, from its CRC's end on.
        let mut sector = [0; 492];
        sector[..12].copy_from_slice(b"\x20\0\0\0LVM2 001");
        sector[12..44].copy_from_slice(b"g6HH7xR6GENn6ePP3vmIvhTndOwxgnea");
        sector[47] = 4;
        sector[54] = 0x10;
        sector[85] = 0x10;
        sector[93] = 0xf0;
        sector[94] = 0x0f;
        sector[116] = 2;
        sector[120] = 1;
        assert_eq!(checksum([&sector[..]]), 0x534c_d0a9);
        assert_eq!(checksum([&sector[..100], &sector[100..]]), 0x534c_d0a9);
    }
}
