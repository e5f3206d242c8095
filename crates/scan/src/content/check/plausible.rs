//! Whether a string looks like what a random generator made. Never says what the string is.
//!
//! A token that a person wrote for a manual has words, runs or few different characters; one that a server made
//! has none of them but by chance. The chance of a loss by each test is below one in a thousand for the shortest
//! token (16 characters) that a rule passes to it, and stated where it is larger.

/// Words that people put into examples. In lower case; none is shorter than four characters, because a random
/// token of 40 holds a given word of three once in two thousand times.
const PLACEHOLDERS: &[&[u8]] = &[
    b"example",
    b"sample",
    b"dummy",
    b"placeholder",
    b"changeme",
    b"change_me",
    b"change-me",
    b"redacted",
    b"your_",
    b"your-",
    b"yourtoken",
    b"yourkey",
    b"yoursecret",
    b"yourpassword",
    b"foobar",
    b"insert",
    b"replace",
    b"fake",
    b"test",
    b"deadbeef",
    b"qwerty",
    b"asdf",
    b"password",
    b"secret",
    b"notreal",
    b"xxxx",
    b"****",
    b"....",
    b"1234567",
    b"abcdef",
    b"0123456",
    b"87654321",
    b"fedcba",
];

/// Shannon's entropy of the bytes as they are spread, in bits a byte.
pub(crate) fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for &byte in bytes {
        counts[usize::from(byte)] = counts[usize::from(byte)].saturating_add(1);
    }
    let total: f64 = counts.iter().map(|&count| f64::from(count)).sum();
    counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| f64::from(count) / total)
        .map(|share| -share * share.log2())
        .sum()
}

/// Whether it has a word that people put into examples, in any case.
pub(crate) fn placeholder(secret: &[u8]) -> bool {
    PLACEHOLDERS.iter().any(|word| contains(secret, word))
}

/// Whether `word`, in lower case, is in `text`, in any case.
pub(crate) fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}

/// Whether one character repeats five times, or five or more ascend or descend by one (`45678`, `edcba`).
pub(crate) fn patterned(secret: &[u8]) -> bool {
    // A random token over 62 characters has such a run of five once in about 60 000 places.
    [0, 1, 255].iter().any(|&step| {
        let mut run = 1;
        secret.windows(2).any(|pair| {
            run = if pair[1].wrapping_sub(pair[0]) == step { run + 1 } else { 1 };
            run >= 5
        })
    })
}

/// Whether it may come from a generator: nothing that a person would write, and at least 3 bits a character.
pub(crate) fn random(secret: &[u8]) -> bool {
    entropy(secret) >= 3.0 && !placeholder(secret) && !patterned(secret)
}

/// As [`random`], behind the last `_`, `-`, `.` or `=` of the first 12 bytes: a token without its prefix, whose own
/// words (`k_test_`) do not count.
pub(crate) fn token(secret: &[u8]) -> bool {
    random(body(secret))
}

/// A token with digits and letters of both cases, as 24 characters or more of base 62 have (but for one in a
/// thousand); a word of a program has not.
pub(crate) fn mixed_token(secret: &[u8]) -> bool {
    let body = body(secret);
    random(body) && mixed(body)
}

/// Digits, capitals and small letters: at least one of each.
pub(crate) fn mixed(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_digit)
        && text.iter().any(u8::is_ascii_uppercase)
        && text.iter().any(u8::is_ascii_lowercase)
}

fn body(secret: &[u8]) -> &[u8] {
    let head = secret.len().min(12).min(secret.len() / 3);
    let start = secret[..head].iter().rposition(|byte| b"_-.=".contains(byte)).map_or(0, |at| at + 1);
    &secret[start..]
}

/// A password, chosen by a person or not: neither a variable, a template, a mask nor a word that stands for one.
pub(crate) fn password(secret: &[u8]) -> bool {
    const STANDS_FOR: &[&[u8]] = &[
        b"password",
        b"passwd",
        b"pass",
        b"secret",
        b"null",
        b"none",
        b"true",
        b"false",
        b"undefined",
        b"string",
        b"token",
        b"required",
        b"optional",
        b"empty",
        b"default",
        b"value",
        b"prompt",
        b"ask",
        b"yes",
        b"no",
        b"user",
        b"username",
        b"nil",
        b"todo",
        b"hidden",
        b"unset",
        b"key",
        b"pwd",
        b"pw",
    ];
    const NOT_HERE: &[&[u8]] =
        &[b"example", b"changeme", b"placeholder", b"redacted", b"your", b"xxxx", b"****", b"..."];
    let first = secret.first().copied().unwrap_or(b'$');
    !b"$<{%*([&@".contains(&first)
        && secret.len() >= 4
        && entropy(secret) >= 1.5
        && !STANDS_FOR.iter().any(|word| secret.eq_ignore_ascii_case(word))
        && !NOT_HERE.iter().any(|word| contains(secret, word))
        && !secret.contains(&b'(')
        && !secret
            .windows(2)
            .any(|two| two == b"${" || two == b"{{" || two == b"%s" || two == b"->" || two == b"::")
}

/// As [`password`], and not a word: a digit and a letter, or a sign among them. For places where words abound.
pub(crate) fn strong_password(secret: &[u8]) -> bool {
    let letter = secret.iter().any(u8::is_ascii_alphabetic);
    let other = secret.iter().any(|byte| byte.is_ascii_digit() || b"!#^&+?~".contains(byte));
    password(secret) && secret.len() >= 6 && letter && other && entropy(secret) >= 2.5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_counts_bits() {
        assert!(entropy(b"aaaa").abs() < 1e-9);
        assert!((entropy(b"abab") - 1.0).abs() < 1e-9);
        assert!((entropy(b"abcdefgh") - 3.0).abs() < 1e-9);
        assert!(entropy(b"").abs() < 1e-9);
    }

    #[test]
    fn people_write_patterns() {
        assert!(random(b"q7Zt0Rk2Vn9Xw4Lp8Sd3"));
        assert!(!random(b"q7Zt0Rk2VEXAMPLE8Sd3"));
        assert!(!random(b"aaaabbbbccccddddaaaa"));
        assert!(patterned(b"x45678y") && patterned(b"zEDCBAz") && patterned(b"q.....q"));
        assert!(!patterned(b"a1b2c3d4"));
        assert!(!patterned(b""));
    }

    #[test]
    fn the_prefix_of_a_token_does_not_count() {
        assert!(token(b"sk_test_q7Zt0Rk2Vn9Xw4Lp8Sd3"));
        assert!(!token(b"sk_live_test0Rk2Vn9Xw4Lp8Sd3"));
    }

    #[test]
    fn a_password_is_no_variable() {
        assert!(password(b"hunter2"));
        for word in [
            &b"$PASS"[..],
            b"${p}",
            b"<password>",
            b"changeme",
            b"None",
            b"{{ x }}",
            b"abc",
            b"",
            b"getpass()",
        ] {
            assert!(!password(word), "{}", String::from_utf8_lossy(word));
        }
        assert!(strong_password(b"Winter2024"));
        assert!(!strong_password(b"something"));
    }
}
