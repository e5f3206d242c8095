//! Words for people, and escapes: nothing that an image names can leave its place in a report.

use std::{borrow::Cow, fmt::Write};

pub(crate) use block::visible;
use block::{escaped, is_hidden};

/// [`visible`] for a text of several lines.
#[must_use]
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && is_hidden(c), |out, c| out.extend(c.escape_default()))
}

/// The same text of JSON, whose strings have such characters as `\u009b`: it says the same to who parses it, and can be
/// shown to who does not. Its own line breaks stay.
#[must_use]
pub fn visible_json(json: &str) -> Cow<'_, str> {
    let escape = |out: &mut String, c: char| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    };
    escaped(json, |c| c != '\n' && is_hidden(c), escape)
}

/// The text as content of an element or as a quoted attribute, in XML and in HTML.
pub fn markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// The path as a relative URI reference (RFC 3986): everything but unreserved characters and slashes is
/// percent-encoded, and no leading slash or dot segment can lead out of its base.
pub(crate) fn relative_uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        if !out.is_empty() {
            out.push('/');
        }
        match segment {
            // These would be resolved, however they are encoded; no intact filesystem has such a name.
            "." => percent(&mut out, r"\x2e"),
            ".." => percent(&mut out, r"\x2e\x2e"),
            _ => percent(&mut out, segment),
        }
    }
    out
}

fn percent(out: &mut String, segment: &str) {
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// The path of a file of this machine as a URI reference: `disk.raw`, `../a%20b.raw`, `file:///srv/disk.raw`.
pub(crate) fn file_uri(path: &str) -> String {
    let mut out = String::from(if path.starts_with('/') { "file://" } else { "" });
    for (index, segment) in path.split('/').enumerate() {
        if index > 0 {
            out.push('/');
        }
        percent(&mut out, segment);
    }
    out
}

/// `1023 B`, `12.3 KiB`, `4.0 GiB`: rounded down.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let Some(power) = (1..=6).rev().find(|power| bytes >> (10 * power) > 0) else {
        return format!("{bytes} B");
    };
    let tenths = u128::from(bytes) * 10 / (1u128 << (10 * power));
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[power - 1])
}

/// `1 file`, `2 files`.
#[must_use]
pub fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Appends a line to a string.
macro_rules! line {
    ($text:expr, $($arg:tt)*) => {{
        use std::fmt::Write as _;
        // Writing to a string cannot fail.
        let _ = writeln!($text, $($arg)*);
    }};
}
pub(crate) use line;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_the_same_and_shows_nothing() {
        let text = "\u{1b}\u{7f}\u{9b}\u{202e}\u{e0001}\n\"\\é";
        let json = serde_json::to_string_pretty(&[text]).unwrap();
        let shown = visible_json(&json);
        assert!(!shown.chars().any(|c| c != '\n' && is_hidden(c)), "{shown}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&shown).unwrap(), [text]);
        assert!(matches!(visible_json("{\n \"a\": 1\n}"), Cow::Borrowed(_)));
    }

    #[test]
    fn sizes_are_rounded_down() {
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(u64::MAX), "15.9 EiB");
        assert_eq!(count(1, "file"), "1 file");
        assert_eq!(count(0, "file"), "0 files");
    }

    #[test]
    fn markup_has_no_way_out() {
        assert_eq!(markup("</td><script>&'\"\u{1b}"), "&lt;/td&gt;&lt;script&gt;&amp;&#39;&quot;\\u{1b}");
    }

    #[test]
    fn paths_stay_below_their_base() {
        assert_eq!(relative_uri("/etc/a b/é%"), "etc/a%20b/%C3%A9%25");
        assert_eq!(relative_uri("//host/../x:y?#"), "host/%5Cx2e%5Cx2e/x%3Ay%3F%23");
        assert_eq!(relative_uri("javascript:alert(1)"), "javascript%3Aalert%281%29");
        assert_eq!(file_uri("/srv/a b.raw"), "file:///srv/a%20b.raw");
        assert_eq!(file_uri("../disk.raw"), "../disk.raw");
        assert_eq!(file_uri("c:disk"), "c%3Adisk");
    }
}
