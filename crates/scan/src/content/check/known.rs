//! Keys, hashes and tokens that everybody has: the self tests of cryptographic libraries and programs, and the
//! examples of manuals that distributions ship. They open nothing, and are in every image.
//!
//! None of them is here: of each there is the start of a BLAKE3 digest over its first 40 bytes (of keys, in DER).

use blake3::hash;

/// Bytes that a digest covers; of less than these, all.
const COVERED: usize = 40;

/// The first eight bytes of digests, ascending.
const PUBLISHED: [u64; 25] = [
    0x0337_09a8_1e88_2264, // GRUB, legacy_password_test
    0x0653_a0a2_7cc8_9860, // GnuTLS, self tests
    0x0a96_7024_3ccd_4387, // GnuTLS, self tests
    0x1551_5887_4114_c613, // OpenSSL, speed
    0x1d61_81fd_435e_c08c, // IO::Socket::SSL, examples
    0x27f0_0a3b_1077_7f9a, // OpenSSL, speed
    0x2919_3221_5918_234a, // GnuTLS, self tests
    0x2984_eb50_6700_03ed, // GnuTLS, self tests
    0x326d_5f40_cbaf_adb2, // OpenSSL, speed
    0x3d2d_01fe_9cbb_a06f, // PyJWT, README
    0x56f3_a606_f0ef_e2a8, // OpenSSL, speed
    0x845b_774f_71ee_9267, // OpenSSL, speed
    0x8f4d_de04_5c64_af2f, // GRUB, legacy_password_test
    0x92c9_ce3c_3922_b805, // BoringSSL, self test
    0x95eb_1cbf_8731_deb4, // GRUB, legacy_password_test
    0xa0ec_7bc3_505c_e25e, // GnuTLS, self tests
    0xa9ef_7cb1_9127_38d9, // GnuTLS, self tests
    0xaece_0740_9778_1b48, // GnuTLS, self tests
    0xc267_b1e8_67d3_febc, // GnuTLS, self tests
    0xd3ea_eb2e_d9f8_a560, // GnuTLS, self tests
    0xdc61_dee4_1733_b084, // libxmlsec1, examples
    0xe26d_bc88_ace8_a152, // GnuTLS, self tests
    0xe2eb_5adc_c299_0bd2, // OVMF, snake oil
    0xe545_2f2d_4fc8_3389, // GnuTLS, self tests
    0xede7_a906_a058_54f8, // GnuTLS, self tests
];

/// Whether it begins as one of them does.
pub(crate) fn published(secret: &[u8]) -> bool {
    let digest = hash(&secret[..secret.len().min(COVERED)]);
    let start = digest.as_bytes().first_chunk().expect("a digest has 32 bytes");
    PUBLISHED.binary_search(&u64::from_be_bytes(*start)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn can_be_searched() {
        assert!(PUBLISHED.is_sorted());
        assert!(!published(b"") && !published(&[7; 100]));
    }
}
