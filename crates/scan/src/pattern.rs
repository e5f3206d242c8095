//! One path pattern: where it can match, so that the walk goes nowhere else.

use globset::GlobBuilder;

/// A checked pattern, absolute or relative to homes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// Relative to every home, instead of to the root.
    pub(crate) home: bool,
    /// The pattern, from a leading slash on.
    pub(crate) glob: String,
}

/// No limit: the pattern has `**`.
pub(crate) const ANY_DEPTH: u32 = u32::MAX;

impl Pattern {
    /// Reads `/etc/x*` or `~/.x/**`. The error is the reason, as the end of a sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (home, glob) = match text.strip_prefix('~') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if !glob.starts_with('/') {
            return Err("it must start with / or ~/".to_owned());
        }
        if glob.ends_with('/') || glob.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
            return Err("it has an empty, . or .. component, which no path has".to_owned());
        }
        let pattern = Self { home, glob: glob.to_owned() };
        pattern.compile().map_err(|error| error.kind().to_string())?;
        Ok(pattern)
    }

    /// A pattern that matches exactly this absolute path, then `rest`.
    pub(crate) fn absolute(literal: &[u8], rest: &str) -> Option<Self> {
        let literal = std::str::from_utf8(literal).ok()?;
        let glob = format!("{}{rest}", globset::escape(literal));
        Self::parse(&glob).ok()
    }

    /// What lies below the paths that this one matches, at any depth.
    pub(crate) fn below(&self) -> Option<Self> {
        (!self.glob.ends_with("/**")).then(|| Self { home: self.home, glob: format!("{}/**", self.glob) })
    }

    /// As globset's value.
    pub(crate) fn compile(&self) -> Result<globset::Glob, globset::Error> {
        GlobBuilder::new(&self.glob)
            .literal_separator(true)
            .backslash_escape(true)
            .empty_alternates(true)
            .build()
    }

    /// For a single pattern.
    #[cfg(test)]
    pub(crate) fn matcher(&self) -> globset::GlobMatcher {
        self.compile().expect("parse has compiled it").compile_matcher()
    }

    /// The directory above the first component with a wildcard (or above the last one), without a trailing
    /// slash: `/etc` of `/etc/x*/y`. The root is empty.
    pub(crate) fn literal_prefix(&self) -> &str {
        let mut end = 0;
        for (at, _) in self.glob.match_indices('/') {
            if self.glob.get(end..at).is_some_and(|part| part.contains(['*', '?', '[', ']', '{', '}', '\\']))
            {
                break;
            }
            end = at;
        }
        self.glob.get(..end).unwrap_or_default()
    }

    /// What follows the literal prefix, from its slash on.
    pub(crate) fn rest(&self) -> &str {
        self.glob.get(self.literal_prefix().len()..).unwrap_or_default()
    }

    /// How many levels below the literal prefix it can match; never too few.
    pub(crate) fn depth(&self) -> u32 {
        let rest = self.rest();
        if rest.contains("**") {
            return ANY_DEPTH;
        }
        u32::try_from(rest.matches('/').count()).unwrap_or(ANY_DEPTH)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn knows_where_it_can_match() {
        for (text, prefix, depth) in [
            ("/etc/shadow-", "/etc", 1),
            ("/swap*", "", 1),
            ("/var/log/**", "/var/log", ANY_DEPTH),
            ("/var/lib/*/random-seed", "/var/lib", 2),
            ("~/.ssh/id_*", "/.ssh", 1),
            ("/a/{b,c/d}/e", "/a", 3),
            ("/**/x", "", ANY_DEPTH),
        ] {
            let pattern = Pattern::parse(text).unwrap();
            assert_eq!((pattern.literal_prefix(), pattern.depth()), (prefix, depth), "{text}");
        }
    }

    #[test]
    fn stars_stop_at_slashes_and_take_dots() {
        let matches =
            |glob: &str, path: &str| Pattern::parse(glob).unwrap().matcher().is_match(Path::new(path));
        assert!(matches("/tmp/*", "/tmp/.X11-unix"));
        assert!(!matches("/tmp/*", "/tmp/a/b"));
        assert!(matches("/var/log/**", "/var/log/a/b"));
        assert!(!matches("/var/log/**", "/var/log"));
        assert!(matches("/a/**/b", "/a/b"));
    }

    #[test]
    fn refuses_what_can_never_match() {
        assert_eq!(Pattern::parse("*.pem").unwrap_err(), "it must start with / or ~/");
        assert!(Pattern::parse("/a//b").is_err());
        assert!(Pattern::parse("/a/../b").is_err());
        assert!(Pattern::parse("/a/[").is_err());
    }
}
