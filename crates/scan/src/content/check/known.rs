//! Keys, hashes and tokens that everybody has: the self tests of cryptographic libraries and programs, and the
//! examples of manuals that distributions ship. They open nothing, and are in every image.
//!
//! None of them is here: of each there is the start of a BLAKE3 digest over its first 64 bytes (of keys, in DER).

use blake3::hash;

/// Bytes that a digest covers; of less than these, all.
const COVERED: usize = 64;

/// The first eight bytes of digests, ascending.
const PUBLISHED: [u64; 21] = [
    0x0337_09a8_1e88_2264, // GRUB, legacy_password_test
    0x1167_6b9e_491a_2716, // OpenSSL, speed
    0x160e_4163_fa85_237f, // GnuTLS, self tests
    0x2b52_4a23_9a61_f6a1, // OpenSSL, speed
    0x41ab_0ce1_bbc3_0970, // libxmlsec1, examples
    0x42b4_af2d_afe5_9d26, // OpenSSL, speed
    0x4365_2cbf_0a40_7196, // GnuTLS, self tests
    0x44a6_7357_5ec2_23fa, // GnuTLS, self tests
    0x7925_2655_98e9_802d, // GnuTLS, self tests
    0x7af7_91b6_edbd_4e68, // GnuTLS, self tests
    0x7c8b_36a3_5437_5ff2, // PyJWT, README
    0x8e99_a895_9dd3_7140, // GnuTLS, self tests
    0x8f4d_de04_5c64_af2f, // GRUB, legacy_password_test
    0x9237_fff7_1ca8_712b, // BoringSSL, self test
    0x95eb_1cbf_8731_deb4, // GRUB, legacy_password_test
    0xa7f9_3427_13d2_fdd4, // GnuTLS, self tests
    0xaa97_43ec_76b7_b098, // OpenSSL, speed
    0xb4bf_2845_b48d_7c26, // OpenSSL, speed
    0xce79_2dd3_641c_dd99, // GnuTLS, self tests
    0xdf50_d76f_5592_8ac9, // GnuTLS, self tests
    0xf535_eaeb_a4a0_8adb, // GnuTLS, self tests
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
