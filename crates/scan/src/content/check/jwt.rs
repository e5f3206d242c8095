//! JSON Web Tokens (RFC 7519), signed (RFC 7515), and JSON Web Keys (RFC 7517).

use super::{base64, known, plausible::contains};

/// What the examples of the RFCs and of jwt.io say; everybody has those tokens.
const EXAMPLES: [&[u8]; 4] = [b"\"sub\":\"1234567890\"", b"\"iss\":\"joe\"", b"John Doe", b"\"example\""];

/// Whether the header is JSON that names an algorithm, the payload is JSON, and neither is a textbook's.
pub(crate) fn token(text: &[u8]) -> bool {
    let mut parts = text.split(|&byte| byte == b'.').map(base64::decode);
    let (Some(Some(header)), Some(Some(payload)), Some(Some(signature))) =
        (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    object(&header)
        && contains(&header, b"\"alg\"")
        && !contains(&header, b"\"none\"")
        && payload.starts_with(b"{")
        && printable(&payload)
        && base64::distinct(&signature) >= signature.len().min(20) / 2
        // Its end: many tokens begin alike.
        && !known::published(&text[text.len().saturating_sub(64)..])
        && !EXAMPLES.iter().any(|example| contains(&payload, example))
}

/// Whether text in base 64 decodes to a JSON object.
pub(crate) fn is_object(text: &[u8]) -> bool {
    base64::decode(text).is_some_and(|bytes| bytes.starts_with(b"{\"") && printable(&bytes))
}

/// Whether a JSON Web Key holds a private member of at least 20 bytes: `d` (RFC 7518, 6.2.2, 6.3.2), or `k` (6.4).
pub(crate) fn private_jwk(text: &[u8]) -> bool {
    [&b"\"d\""[..], b"\"k\""].iter().any(|name| {
        text.windows(name.len()).enumerate().filter(|(_, window)| window == name).any(|(at, _)| {
            let rest = text[at + name.len()..].trim_ascii_start();
            let value = rest
                .strip_prefix(b":")
                .map(<[u8]>::trim_ascii_start)
                .and_then(|rest| rest.strip_prefix(b"\""));
            let digits =
                value.map_or(0, |value| value.iter().take_while(|&&byte| base64::is_digit(byte)).count());
            value.is_some_and(|value| digits >= 27 && base64::distinct(&value[..digits]) >= 14)
        })
    })
}

fn object(text: &[u8]) -> bool {
    text.starts_with(b"{") && text.trim_ascii_end().ends_with(b"}") && printable(text)
}

/// UTF-8 without controls but white space.
fn printable(text: &[u8]) -> bool {
    // A payload may end within a character, if its last group was incomplete.
    let valid = match std::str::from_utf8(text) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    valid && text.iter().all(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace())
}

/// A token with this header and payload. Only tests make secrets.
#[cfg(test)]
pub(crate) fn make(header: &str, payload: &str) -> String {
    let url = |bytes: &[u8]| base64::encode(bytes).replace('+', "-").replace('/', "_").replace('=', "");
    let signature: Vec<u8> = (0..32_u8).map(|n| n.wrapping_mul(77).wrapping_add(5)).collect();
    format!("{}.{}.{}", url(header.as_bytes()), url(payload.as_bytes()), url(&signature))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        assert!(token(make(r#"{"alg":"HS256","typ":"JWT"}"#, r#"{"sub":"u7","exp":1}"#).as_bytes()));
        for (header, payload) in [
            (r#"{"typ":"JWT"}"#, r#"{"sub":"u7"}"#),
            (r#"{"alg":"none"}"#, r#"{"sub":"u7"}"#),
            (r#"{"alg":"HS256""#, r#"{"sub":"u7"}"#),
            (r#"{"alg":"HS256"}"#, "no object"),
            (r#"{"alg":"HS256"}"#, r#"{"sub":"1234567890","name":"John Doe"}"#),
        ] {
            assert!(!token(make(header, payload).as_bytes()), "{header}.{payload}");
        }
        assert!(!token(b"") && !token(b"..") && !token(b"eyJ.eyJ.x"));
    }

    #[test]
    fn keys() {
        let secret = "q7Zt0Rk2Vn9Xw4Lp8Sd3Yb6Mf1Hc5Jg-_aTeUiOo";
        assert!(private_jwk(format!(r#"{{"kty":"EC","d":"{secret}","x":"1"}}"#).as_bytes()));
        assert!(private_jwk(format!(r#"{{"kty": "oct", "k" : "{secret}"}}"#).as_bytes()));
        assert!(!private_jwk(format!(r#"{{"kty":"EC","x":"{secret}"}}"#).as_bytes()));
        assert!(!private_jwk(br#"{"kty":"RSA","d":"..."}"#) && !private_jwk(br#""d""#) && !private_jwk(b""));
    }
}
