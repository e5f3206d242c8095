//! Whether a password opens a hash of shadow(5): md5-crypt, sha256-crypt, sha512-crypt, bcrypt, yescrypt.
//!
//! What a hash asks for is never spent blindly: [`cost`] tells first, and what is too costly has none.

use md5::{Digest, Md5};
use sha_crypt::{PasswordVerifier, ShaCrypt};
use yescrypt::Yescrypt;

/// The alphabet of crypt(3), in the order of its values.
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Rounds of sha-crypt where the hash does not tell.
const ROUNDS: u64 = 5000;
/// The most that trying one password may cost, in rounds of SHA-512: half a second or so.
const MAX_COST: u64 = 700_000;
/// Characters of yescrypt's sum, 32 bytes: an empty one would match every password.
const YESCRYPT_SUM: usize = 43;
/// Blocks of yescrypt of 128 bytes: 32 MiB of memory.
const MAX_BLOCKS: u64 = 1 << 18;

/// What trying one password on a hash costs, in rounds of SHA-512. `None`: it is of a kind that is not tried, or asks for
/// too much.
pub(crate) fn cost(hash: &str) -> Option<u64> {
    let fields: Vec<&str> = hash.split('$').collect();
    let cost = match fields.as_slice() {
        ["", "1", _, _] => 1000,
        ["", "5" | "6", rounds, _, _] => rounds.strip_prefix("rounds=")?.parse().ok()?,
        ["", "5" | "6", _, _] => ROUNDS,
        // The base-2 logarithm of its rounds; a round takes as long as 100 of SHA-512.
        ["", "2a" | "2b" | "2x" | "2y", cost, _] => {
            1_u64.checked_shl(cost.parse().ok()?)?.checked_mul(100)?
        }
        ["", "y", parameters, _, sum] if sum.len() == YESCRYPT_SUM => {
            // As libxcrypt writes them: flavour, log2 N - 1, r - 1; other parameters are out of use.
            let [b'j', n, r] = parameters.as_bytes() else { return None };
            let blocks =
                (value(*r)? + 1).checked_mul(1_u64.checked_shl(u32::try_from(value(*n)?).ok()? + 1)?)?;
            if blocks > MAX_BLOCKS {
                return None;
            }
            blocks / 2
        }
        _ => return None,
    };
    (cost <= MAX_COST).then_some(cost)
}

/// Whether a password opens a hash that has a [`cost`].
pub(crate) fn opens(password: &str, hash: &str) -> bool {
    if cost(hash).is_none() {
        return false;
    }
    match hash.split('$').nth(1) {
        Some("1") => md5_crypt(password.as_bytes(), hash).is_some_and(|made| made == hash),
        Some("5" | "6") => ShaCrypt::SHA512.verify_password(password.as_bytes(), hash).is_ok(),
        Some("2a" | "2b" | "2x" | "2y") => bcrypt::verify(password, hash).unwrap_or(false),
        Some("y") => Yescrypt::default().verify_password(password.as_bytes(), hash).is_ok(),
        _ => false,
    }
}

/// Value of a character: those up to 47 stand alone in yescrypt's parameters.
fn value(character: u8) -> Option<u64> {
    let at = ALPHABET.iter().position(|&known| known == character)?;
    u64::try_from(at).ok().filter(|&value| value < 48)
}

/// FreeBSD's md5-crypt, as crypt(5) describes it: 1000 rounds over password, salt and the last digest.
fn md5_crypt(password: &[u8], hash: &str) -> Option<String> {
    let salt = hash.split('$').nth(2)?;
    let salt = &salt.as_bytes()[..salt.len().min(8)];
    let inner = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut first = Md5::new().chain_update(password).chain_update(b"$1$").chain_update(salt);
    for chunk in password.chunks(16) {
        first.update(&inner[..chunk.len()]);
    }
    let mut bits = password.len();
    while bits > 0 {
        first.update(if bits & 1 == 1 { &[0][..] } else { &password[..1] });
        bits >>= 1;
    }
    let mut digest = first.finalize();
    for round in 0..1000 {
        let mut next = Md5::new();
        next.update(if round % 2 == 1 { password } else { &digest[..] });
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        next.update(if round % 2 == 1 { &digest[..] } else { password });
        digest = next.finalize();
    }
    let mut made = format!("$1${}$", std::str::from_utf8(salt).ok()?);
    let mut put = |a: u8, b: u8, c: u8, count: u32| {
        let mut bits = u32::from(a) << 16 | u32::from(b) << 8 | u32::from(c);
        for _ in 0..count {
            made.push(char::from(ALPHABET[usize::try_from(bits & 63).unwrap_or_default()]));
            bits >>= 6;
        }
    };
    for [a, b, c] in [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] {
        put(digest[a], digest[b], digest[c], 4);
    }
    put(0, 0, digest[11], 2);
    Some(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with libxcrypt's crypt(3), of `password`.
    const HASHES: &[&str] = &[
        "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/",
        "$5$saltsaltsaltsalt$WsFBeg1qQ90JL3VkUTuM7xVV/5njhLngIVm6ftSnBR2",
        "$6$saltsaltsaltsalt$bcXJ8qxwY5sQ4v8MTl.0B1jeZ0z0JlA9jjmbUoCJZ.1wYXiLTU.q2ILyrDJLm890lyfuF7sWAeli0yjOyFPkf0",
        "$6$rounds=1000$roundsalt$.5mYe7AXZNNji.rZibqlffO.3YoDcHSMpZ5Cq8cnumEpfdJgb2OF7BpRYEbbKR2anPgTQaFLkwuLmK7AYQU0/0",
        "$2b$04$abcdefghijklmnopqrstuughE8Ev8uGFaUgY2cNEySvxngrb/Jzdm",
        "$2y$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu",
        "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$tnSYvahCwPBHKZUspmcxMfb0.WiB9W.zEaKlOBL35rC",
        "$y$j75$F5Jx5fExrKuPp53xLKQ..1$6Ttv8PR0mzms/.RLVEgTO2JmLY0FDC7Cfd.UUAxsEO8",
    ];

    #[test]
    fn a_password_opens_its_hash_and_no_other() {
        for hash in HASHES {
            assert!(opens("password", hash), "{hash}");
            assert!(!opens("Password", hash), "{hash}");
            assert!(!opens("", hash), "{hash}");
        }
    }

    #[test]
    fn what_costs_too_much_is_not_tried() {
        for hash in [
            "$6$rounds=999999999$salt$abc",
            "$2b$31$abc",
            "$2b$99$abc",
            "$y$jHT$salt$abc",
            "$y$j9z$salt$abc",
            "$y$jzzzzz$salt$abc",
            "$7$abc",
            "abcdefghijklm",
            "$6$salt",
            "$gy$j9T$salt$abc",
            "$",
            "",
        ] {
            assert_eq!(cost(hash), None, "{hash}");
            assert!(!opens("", hash));
        }
        assert_eq!(cost(&format!("$y$j9T$salt${}", "a".repeat(43))), Some(65_536));
        assert_eq!(cost("$6$salt$abc"), Some(5000));
        for parameters in ["jHT", "j9z", "jzzzzz", "", "j", "j9T.", "/9T"] {
            assert_eq!(cost(&format!("$y${parameters}$salt${}", "a".repeat(43))), None, "{parameters}");
        }
    }

    #[test]
    fn an_empty_sum_opens_for_nobody() {
        for hash in
            ["$y$j9T$F5Jx5fExrKuPp53xLKQ..1$", "$6$rounds=1000$salt$", "$5$salt$", "$1$salt$", "$2b$04$"]
        {
            assert!(!opens("x", hash), "{hash}");
        }
    }

    #[test]
    fn broken_hashes_open_for_nobody() {
        for start in ["$y$j9T$", "$y$j..$abc", "$y$j/.$abc", "$y$j9.$abc", "$y$j.T$abc", "$y$j9T$\u{e9}"] {
            let hash = format!("{start}${}", "a".repeat(43));
            assert!(!opens("", &hash) && !opens("x", &hash), "{hash}");
        }
        for hash in [
            "$1$$",
            "$5$$",
            "$6$\u{e9}$x",
            "$6$rounds=5000$$",
            "$2b$10$x",
            "$2b$04$\u{e9}",
            "$y$j9T$$",
            "$y$j9T$\u{e9}$x",
            "$y$j..$abc$abc",
        ] {
            assert!(!opens("", hash) && !opens("x", hash), "{hash}");
        }
    }
}
