//! Text from an image as people may see it: nothing that steers a terminal, and nothing that hides.

use std::borrow::Cow;

/// Characters that a reader does not see, or that change what is seen around them.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
            | '\u{e0000}'..='\u{e007f}')
}

/// The text with control characters, overrides of the writing direction and the like as `\u{1b}`.
///
/// What comes out has no line break, can be shown on a terminal, and is legal in XML 1.0.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, is_hidden, |out, c| out.extend(c.escape_default()))
}

/// A name from an image as a report has it: the same with quotes and backslashes escaped, too, so that it can be read back.
#[must_use]
pub fn printable(name: &str) -> String {
    visible(&name.escape_debug().to_string()).into_owned()
}

/// The text with each hidden character as `escape` appends it.
pub fn escaped(text: &str, hidden: fn(char) -> bool, escape: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if !text.chars().any(hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if hidden(c) {
            escape(&mut out, c);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stays_hidden() {
        assert_eq!(visible("caf\u{e9} \\ 'plain'"), "café \\ 'plain'");
        let hostile = "a\0\n\u{1b}[31m\u{9b}\u{202e}\u{2066}\u{feff}\u{fffe}b";
        let seen = visible(hostile);
        assert_eq!(seen, "a\\u{0}\\n\\u{1b}[31m\\u{9b}\\u{202e}\\u{2066}\\u{feff}\\u{fffe}b");
        assert_eq!(visible(&seen), seen, "twice is once");
    }

    #[test]
    fn names_can_be_read_back() {
        assert_eq!(
            printable("a\\\"\u{ad}\u{e0041}\n'\u{fffe}é"),
            "a\\\\\\\"\\u{ad}\\u{e0041}\\n\\'\\u{fffe}é"
        );
    }
}
