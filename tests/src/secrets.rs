//! Planted secrets, and the search for them in the raw bytes of an image.

use memchr::memmem::Finder;

/// A string that somebody planted in an image.
pub struct Secret {
    token: String,
    /// It has to be gone from the clean image; otherwise it has to be there.
    pub goes: bool,
    /// Where it was planted.
    pub place: String,
}

/// Reads lines of `token <tab> go|stay <tab> place`; `#` starts a comment.
pub fn parse(text: &str) -> Result<Vec<Secret>, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut fields = line.split('\t');
            match (fields.next(), fields.next(), fields.next()) {
                (Some(token), Some(verdict @ ("go" | "stay")), Some(place)) => {
                    Ok(Secret { token: token.to_owned(), goes: verdict == "go", place: place.to_owned() })
                }
                _ => Err(format!("`{line}` is not a token, `go` or `stay`, and a place")),
            }
        })
        .collect()
}

/// Those of the secrets that occur in `bytes`.
pub fn found<'s>(secrets: &'s [Secret], bytes: &[u8]) -> Vec<&'s Secret> {
    // Most of an image is zero: only what is not is searched, each stretch as a whole.
    let stretches: Vec<&[u8]> =
        bytes.chunk_by(|a, b| *a != 0 || *b != 0).filter(|stretch| stretch.len() > 1).collect();
    secrets
        .iter()
        .filter(|secret| {
            let finder = Finder::new(&secret.token);
            stretches.iter().any(|stretch| finder.find(stretch).is_some())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_there() {
        let secrets = parse("# a comment\nabc\tgo\ta file\ndef\tstay\ta name\nghi\tgo\tswap\n").unwrap();
        let found = found(&secrets, b"\0\0\0xabcx\0\0\0\0def");
        let places: Vec<_> = found.iter().map(|secret| (secret.goes, &*secret.place)).collect();
        assert_eq!(places, [(true, "a file"), (false, "a name")]);
        assert!(parse("abc\tmaybe\tx").is_err());
    }
}
