//! What can be told from chance: which words and lines of a file, and which equal bytes, say whose they are.

use std::ops::Range;

use block::to_usize;

/// The shortest word that is searched for by itself.
const WORD: usize = 16;
/// The shortest line.
const LINE: usize = 24;
/// Of longer words and lines, the first bytes are searched for.
const LONGEST: usize = 128;
/// The shortest run of equal bytes that counts if there is something random in it.
const RANDOM_RUN: usize = 40;
/// The shortest in which something random need not be a word: there, it is so many bytes with many values.
pub(super) const DULL_RUN: usize = 64;
/// The shortest that counts whatever it holds: a sector. Logs quote what stays elsewhere, such as the kernel's
/// command line.
const RUN: usize = 512;

/// The words and lines of a small file that are worth a search: every word that looks random; of a line without
/// one, the line.
pub(super) fn tokens(content: &[u8]) -> Vec<Range<usize>> {
    let mut tokens = Vec::new();
    for line in split(content, |byte| matches!(byte, b'\n' | b'\r' | 0)) {
        let before = tokens.len();
        for word in split(&content[line.clone()], separates) {
            let word = line.start + word.start..line.start + word.end;
            if random(&content[word.clone()]) {
                tokens.push(clipped(word));
            }
        }
        if tokens.len() == before {
            let text = &content[line.clone()];
            let blank = |byte: &u8| byte.is_ascii_whitespace();
            let from = text.iter().position(|byte| !blank(byte)).unwrap_or(text.len());
            let to = text.iter().rposition(|byte| !blank(byte)).map_or(from, |last| last + 1);
            let line = clipped(line.start + from..line.start + to);
            let text = &content[line.clone()];
            if line.len() >= LINE && readable(text) && variety(text) >= 12 && !is_boundary(text) {
                tokens.push(line);
            }
        }
    }
    tokens
}

fn clipped(range: Range<usize>) -> Range<usize> {
    range.start..range.end.min(range.start + LONGEST)
}

/// The non-empty parts between separators.
fn split(text: &[u8], separates: impl Fn(u8) -> bool) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, &byte) in text.iter().chain([&b'\n']).enumerate() {
        if separates(byte) || at == text.len() {
            if at > start {
                parts.push(start..at);
            }
            start = at + 1;
        }
    }
    parts
}

fn separates(byte: u8) -> bool {
    !byte.is_ascii_graphic() || b"\"'`,;:=<>()[]{}|&@".contains(&byte)
}

fn readable(text: &[u8]) -> bool {
    text.iter().all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 127))
}

/// Whether a word looks drawn by chance: capitals, small letters and digits take turns, and there are digits.
///
/// Of random words of 16 characters in base64, one in four has fewer than two digits and is not seen; of those of
/// 32 characters, one in fifty. Path names, versions, dates and names in CamelCase are none.
fn random(word: &[u8]) -> bool {
    takes_turns(word, word.len() / 6) && !is_uuid(word)
}

/// The words of which a part may look random: the whole of such a word has as many digits, turns and values, at least.
pub(super) fn maybe_random(content: &[u8]) -> Vec<Range<usize>> {
    let mut words = split(content, separates);
    words.retain(|word| takes_turns(&content[word.clone()], WORD / 6));
    words
}

/// Whether capitals, small letters and digits take turns so often, and there are digits.
fn takes_turns(word: &[u8], turns: usize) -> bool {
    let class = |byte: &u8| match byte {
        b'0'..=b'9' => 1,
        b'a'..=b'z' => 2,
        b'A'..=b'Z' => 3,
        _ => 0,
    };
    let taken = || {
        let turn = |pair: &&[u8]| {
            let (a, b) = (class(&pair[0]), class(&pair[1]));
            a != b && a != 0 && b != 0
        };
        word.windows(2).filter(turn).count()
    };
    let digits = || word.iter().filter(|byte| byte.is_ascii_digit()).count();
    word.len() >= WORD && digits() >= 2 && taken() >= turns && variety(word) >= 9
}

/// UUIDs in their usual form name partitions and filesystems, which stay.
fn is_uuid(word: &[u8]) -> bool {
    let parts: Vec<usize> = word.split(|&byte| byte == b'-').map(<[u8]>::len).collect();
    parts == [8, 4, 4, 4, 12] && word.iter().all(|byte| *byte == b'-' || byte.is_ascii_hexdigit())
}

/// Boundaries of PEM (RFC 7468) are the same around every key, and stand in every program that reads such keys.
fn is_boundary(line: &[u8]) -> bool {
    line.starts_with(b"-----BEGIN ") || line.starts_with(b"-----END ")
}

/// How many different bytes there are.
fn variety(bytes: &[u8]) -> usize {
    let mut seen = [0u64; 4];
    bytes.iter().for_each(|&byte| seen[usize::from(byte >> 6)] |= 1 << (byte & 63));
    seen.iter().map(|seen| to_usize(u64::from(seen.count_ones()))).sum()
}

/// Whether two files that share these bytes are likely to have them from one another. What lies around a part that says so
/// takes nothing away from it: files share padding, too.
pub(super) fn run(bytes: &[u8]) -> bool {
    bytes.len() >= RANDOM_RUN && (is_random(bytes) || parts(bytes, RUN).any(varied))
}

/// Pieces of so many bytes, an eighth of that apart, and the last.
fn parts(bytes: &[u8], len: usize) -> impl Iterator<Item = &[u8]> {
    bytes.windows(len).step_by(len / 8).chain(bytes.len().checked_sub(len).map(|last| &bytes[last..]))
}

/// Tables of small numbers, padding and drawn lines have few values, and mostly one.
fn varied(bytes: &[u8]) -> bool {
    let mut counts = [0usize; 256];
    bytes.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
    let values = counts.iter().filter(|&&count| count > 0).count();
    values >= 16 && counts.into_iter().max().is_some_and(|most| most <= bytes.len() / 3)
}

/// Whether there is a random word, or bytes as random as keys and ciphertext: of 64, such have 57 values on the
/// average and hardly ever fewer than 48; text and machine code have fewer than 46.
fn is_random(bytes: &[u8]) -> bool {
    split(bytes, separates).into_iter().any(|word| random(&bytes[word]))
        || parts(bytes, DULL_RUN).any(|part| variety(part) >= 46)
}

/// Whether a gram can lead to anything.
pub(super) fn gram(bytes: &[u8; 32]) -> bool {
    let first = bytes.first_chunk().expect("a gram has eight bytes and more");
    // Most have them in their first half.
    head(u64::from_le_bytes(*first)) && (variety(&bytes[..16]) >= 8 || variety(bytes) >= 8)
}

/// Whether eight bytes are worth a look wherever they stand. They must have five values: small numbers between zeros
/// are everywhere.
pub(super) fn head(bytes: u64) -> bool {
    values(bytes) >= 5
}

/// How many different bytes eight have; without a branch, for it is asked of each position of small files and spellings.
fn values(bytes: u64) -> u32 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let mut repeated = 0;
    for shift in [8, 16, 24, 32, 40, 48, 56] {
        // Zero where a byte is as the one so far before it; what is shifted in equals none.
        let differs = bytes ^ (bytes << shift);
        let equal = !(((differs & LOW) + LOW) | differs | LOW);
        repeated |= equal & (u64::MAX << shift);
    }
    8 - repeated.count_ones()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        tokens(text.as_bytes()).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn random_words_are_seen_and_names_are_not() {
        assert_eq!(
            words("export KEY='wJalrXUtnFEMI0K7MDENG' # not /usr/lib/python3/dist-packages"),
            ["wJalrXUtnFEMI0K7MDENG"]
        );
        assert_eq!(words("token: 0f3a9c1d7be24f5680aa91c2d3e4f506"), ["0f3a9c1d7be24f5680aa91c2d3e4f506"]);
        for dull in [
            "NetworkManagerDispatcher",
            "linux-6.1.0-18-cloud",
            "2026-11-21T22:11:00Z",
            "--------------------------------",
        ] {
            assert!(!random(dull.as_bytes()), "{dull}");
        }
        assert!(!random(b"0b11edf1-ca74-4f24-84a2-df61c1e86193"));
    }

    #[test]
    fn a_line_without_a_random_word_counts_as_a_whole() {
        assert_eq!(words("  sshpass -p Sesame ssh db.example  \nls\n"), ["sshpass -p Sesame ssh db.example"]);
        assert!(words("-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----\n").is_empty());
        assert!(tokens(&[200; 5000]).is_empty());
        let long = "the quick brown fox jumps over ".repeat(100);
        assert_eq!(words(&long)[0].len(), 128);
    }

    #[test]
    fn values_are_counted() {
        let mut random = [0; 4096];
        blake3::Hasher::new().finalize_xof().fill(&mut random);
        for values_of in [3, 6, 128, 255] {
            for bytes in random.as_chunks::<8>().0 {
                let bytes = bytes.map(|byte| (byte % values_of) | (byte & 128));
                assert_eq!(to_usize(values(u64::from_le_bytes(bytes)).into()), variety(&bytes), "{bytes:?}");
            }
        }
    }

    #[test]
    fn runs_of_padding_do_not_count() {
        assert!(!run(&[0; 4096]));
        assert!(!run(&b"--------".repeat(100)));
        let table: Vec<u8> = (0..1000u16).flat_map(|n| u32::from(n % 20).to_le_bytes()).collect();
        assert!(!run(&table));
        let line = b"Nov 21 22:11:00 host sshd[712]: Accepted publickey for alice from 192.0.2.7";
        assert!(!run(line));
        assert!(run(&line.repeat(7)));
        assert!(run(b"Nov 21 22:11:00 host app: key=wJalrXUtnFEMI0K7MDENG"));
        assert!(!run(b"UUID=0b11edf1-ca74-4f24-84a2-df61c1e86193 / ext4 errors=remount-ro 0 1"));
        let mut key = [0; 64];
        blake3::Hasher::new().finalize_xof().fill(&mut key);
        assert!(run(&key));
        // Whatever lies around it.
        assert!(run(&[&[0; 100], &key[..], &[0; 100]].concat()));
        assert!(run(&[&line[..43], &key[..]].concat()));
        assert!(run(&[&line.repeat(7)[..], &[0; 5000]].concat()));
    }
}
