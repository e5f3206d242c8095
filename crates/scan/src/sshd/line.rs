//! One line of sshd_config as sshd reads it (servconf.c, misc.c): a keyword, and words with their place in the line.

/// What separates words, and what is trimmed at both ends of a line.
const BLANKS: &[u8] = b" \t\r\n";

/// A line that says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directive {
    /// As in the file.
    pub(crate) spelled: String,
    /// In lower case: sshd does not tell cases apart.
    pub(crate) keyword: String,
    /// What follows, up to a comment.
    pub(crate) words: Vec<Word>,
    /// A quote is never closed. New versions refuse such a line, old ones knew no single quotes.
    pub(crate) unclosed: bool,
}

/// A word behind the keyword.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// Without quotes and escapes.
    pub(crate) value: String,
    /// Where it stands in the line, with them.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Reads a line without its end. `None` for a blank line or a comment; the error is the end of a sentence on the line.
pub(crate) fn directive(text: &[u8]) -> Result<Option<Directive>, &'static str> {
    if text.contains(&0) {
        return Err("is no text");
    }
    let end = text.iter().rposition(|byte| !BLANKS.contains(byte) && *byte != b'\x0c').map_or(0, |at| at + 1);
    let text = &text[..end];
    let mut at = skip(text, 0);
    if at == end || text[at] == b'#' {
        return Ok(None);
    }
    let quoted = text[at] == b'"';
    at += usize::from(quoted);
    let stop =
        |byte: &u8| if quoted { *byte == b'"' } else { BLANKS.contains(byte) || b"=\"".contains(byte) };
    let length = text[at..].iter().position(stop).unwrap_or(end - at);
    let keyword = &text[at..at + length];
    if keyword.is_empty() || !keyword.iter().all(u8::is_ascii_alphanumeric) {
        return Err("is none that sshd knows");
    }
    at += length;
    if quoted {
        at += 1;
    } else if text.get(at) == Some(&b'"') {
        return Err("is none that sshd knows");
    } else {
        // One `=` is a blank, too.
        at = skip(text, at);
        at += usize::from(text.get(at) == Some(&b'='));
    }
    at = skip(text, at.min(end));
    if at == end {
        return Err("has a keyword and nothing behind it");
    }
    let spelled = String::from_utf8_lossy(keyword).into_owned();
    let (words, unclosed) = words(text, at);
    Ok(Some(Directive { keyword: spelled.to_ascii_lowercase(), spelled, words, unclosed }))
}

fn skip(text: &[u8], from: usize) -> usize {
    text[from..].iter().position(|byte| !BLANKS.contains(byte)).map_or(text.len(), |blanks| from + blanks)
}

/// The words from a place on (argv_split), and whether a quote is left open.
fn words(text: &[u8], from: usize) -> (Vec<Word>, bool) {
    let mut words = Vec::new();
    let mut at = from;
    loop {
        while matches!(text.get(at), Some(b' ' | b'\t')) {
            at += 1;
        }
        if matches!(text.get(at), None | Some(b'#')) {
            return (words, false);
        }
        let start = at;
        let (mut value, mut quote) = (Vec::new(), None);
        while let Some(&byte) = text.get(at) {
            match (byte, quote) {
                (b'\\', _) => {
                    let escaped = match text.get(at + 1) {
                        Some(b' ') => quote.is_none(),
                        Some(next) => b"'\"\\".contains(next),
                        None => false,
                    };
                    at += usize::from(escaped);
                    value.push(text[at]);
                }
                (b' ' | b'\t', None) => break,
                (b'"' | b'\'', None) => quote = Some(byte),
                (_, Some(open)) if open == byte => quote = None,
                _ => value.push(byte),
            }
            at += 1;
        }
        words.push(Word { value: String::from_utf8_lossy(&value).into_owned(), start, end: at });
        if quote.is_some() {
            return (words, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<(String, Vec<String>)> {
        let found = directive(line.as_bytes()).unwrap()?;
        for word in &found.words {
            assert!(word.start < word.end && word.end <= line.len());
        }
        Some((found.keyword, found.words.into_iter().map(|word| word.value).collect()))
    }

    #[test]
    fn reads_what_sshd_reads() {
        for (line, keyword, values) in [
            ("PermitRootLogin yes", "permitrootlogin", &["yes"][..]),
            ("\t permitrootlogin\tYES \t\r", "permitrootlogin", &["YES"]),
            ("PermitRootLogin=yes", "permitrootlogin", &["yes"]),
            ("PermitRootLogin = yes", "permitrootlogin", &["yes"]),
            ("PermitRootLogin= yes", "permitrootlogin", &["yes"]),
            ("\"PermitRootLogin\" yes", "permitrootlogin", &["yes"]),
            ("PermitRootLogin \"yes\" # why", "permitrootlogin", &["yes"]),
            ("PermitRootLogin 'y'e\"s\"", "permitrootlogin", &["yes"]),
            ("PermitRootLogin yes#no", "permitrootlogin", &["yes#no"]),
            ("UseDNS no\x0c", "usedns", &["no"]),
            ("Match User \"a b\",c Group d\\ e", "match", &["User", "a b,c", "Group", "d e"]),
            ("Banner \\x\\", "banner", &["\\x\\"]),
        ] {
            let expected = (keyword.to_owned(), values.iter().map(|&value| value.to_owned()).collect());
            assert_eq!(read(line), Some(expected), "{line}");
        }
        for line in ["", " \t\r", "#PermitRootLogin yes", "  # x"] {
            assert_eq!(read(line), None, "{line}");
        }
        assert!(directive(b"Banner /etc/it's").unwrap().unwrap().unclosed);
    }

    #[test]
    fn refuses_what_sshd_refuses() {
        for line in [
            "PermitRootLogin",
            "PermitRootLogin = ",
            "<<<<<<< HEAD",
            "\u{feff}Port 22",
            "\"Port 22",
            "Por\0t 22",
        ] {
            assert!(directive(line.as_bytes()).is_err(), "{line}");
        }
        // Whatever the bytes: no panic.
        for a in 0..=255_u8 {
            for b in [b' ', b'"', b'\\', b'=', b'#', b'\'', a] {
                let _ = directive(&[b'x', a, b, a, b]);
                let _ = directive(&[a, b, a]);
            }
        }
    }
}
