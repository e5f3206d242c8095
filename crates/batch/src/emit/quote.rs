//! Words that stay one word for a shell, and strings for JSON, which YAML takes, too.

/// The word as POSIX shells read it.
pub(super) fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The words as one line of a shell.
pub(super) fn line(words: &[String]) -> String {
    words.iter().map(|word| shell(word)).collect::<Vec<_>>().join(" ")
}

/// The text in quotes as JSON has it; every such string is one in YAML.
pub(super) fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_word_stays_one() {
        let words = ["a b", "it's", "$(x)", "", "--jobs", "é\n\"\\"];
        let line = super::line(&words.map(str::to_owned));
        let script = format!("for word in {line}; do printf '%s|' \"$word\"; done");
        let done = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8(done.stdout).unwrap(), words.map(|word| format!("{word}|")).concat());
        assert_eq!(super::json("a\"\u{1b}\n"), r#""a\"\u001b\n""#);
    }
}
