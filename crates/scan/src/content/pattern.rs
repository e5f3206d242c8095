//! A rule's compiled pattern, made for being asked whether a match begins at a place.
//!
//! A lazy DFA answers that, in which most places fail on their first bytes; groups are found for matches only, and by
//! the slow way that always works. Before either, a table tells which bytes a match can begin with.

use std::{error::Error, ops::Range};

use regex_automata::{
    Anchored, Input, PatternID,
    hybrid::dfa::{self, DFA},
    meta::{self, Regex},
    nfa::thompson::{
        self, NFA, State, WhichCaptures,
        pikevm::{self, PikeVM},
    },
    util::{captures::Captures, syntax},
};

/// Bytes that a compiled pattern may take: much more than any of the registry.
const MAX_SIZE: usize = 8 << 20;

/// A compiled pattern. Threads share it, each with a [`Scratch`] of its own.
pub(crate) struct Pattern {
    /// The bytes that a match can begin with.
    first: [bool; 256],
    dfa: DFA,
    groups: PikeVM,
    source: &'static str,
    /// For whoever searches many bytes for one match.
    whole: std::sync::OnceLock<Regex>,
}

/// What a search needs to remember.
#[derive(Debug, Clone)]
pub(crate) struct Scratch {
    dfa: dfa::Cache,
    groups: Option<pikevm::Cache>,
    /// The groups of the last match.
    pub(crate) captures: Captures,
}

impl Pattern {
    /// Fails with why it is no regular expression over bytes.
    pub(crate) fn new(source: &'static str) -> Result<Self, String> {
        let nfa = NFA::compiler()
            .configure(limits())
            .syntax(syntax())
            .build(source)
            .map_err(|error| reason(&error))?;
        let first = first_bytes(&nfa);
        let dfa = DFA::builder()
            .configure(DFA::config().skip_cache_capacity_check(true))
            .build_from_nfa(nfa.clone())
            .map_err(|error| error.to_string())?;
        let groups = PikeVM::new_from_nfa(nfa).map_err(|error| error.to_string())?;
        Ok(Self { first, dfa, groups, source, whole: std::sync::OnceLock::new() })
    }

    pub(crate) fn scratch(&self) -> Scratch {
        Scratch { dfa: self.dfa.create_cache(), groups: None, captures: self.groups.create_captures() }
    }

    /// Whether it matches the empty text.
    pub(crate) fn takes_nothing(&self) -> bool {
        self.at(&mut self.scratch(), &[], 0..0)
    }

    /// Whether a match could begin with this byte.
    pub(crate) fn begins_with(&self, byte: u8) -> bool {
        self.first[usize::from(byte)]
    }

    /// Finds the match that begins at the start of `range` and ends in it; its groups are in the scratch.
    pub(crate) fn at(&self, scratch: &mut Scratch, buffer: &[u8], range: Range<usize>) -> bool {
        let input = Input::new(buffer).range(range.clone()).anchored(Anchored::Yes);
        // A DFA that gives up knows nothing.
        let end = match self.dfa.try_search_fwd(&mut scratch.dfa, &input) {
            Ok(None) => return false,
            Ok(Some(half)) => half.offset(),
            Err(_) => range.end,
        };
        let groups = scratch.groups.get_or_insert_with(|| self.groups.create_cache());
        self.groups.captures(groups, input.range(range.start..end), &mut scratch.captures);
        scratch.captures.is_match()
    }

    /// Finds the first match from `from` on, in time that is linear in the buffer; its groups are in the scratch.
    pub(crate) fn find(&self, scratch: &mut Scratch, buffer: &[u8], from: usize) -> bool {
        let whole = self.whole.get_or_init(|| compile(self.source).expect("its pattern has been compiled"));
        let found = whole.search(&Input::new(buffer).range(from..));
        found.is_some_and(|found| self.at(scratch, buffer, found.start()..buffer.len()))
    }
}

pub(crate) fn limits() -> thompson::Config {
    thompson::Config::new()
        .utf8(false)
        .which_captures(WhichCaptures::All)
        .shrink(false)
        .nfa_size_limit(Some(MAX_SIZE))
}

pub(crate) fn syntax() -> syntax::Config {
    syntax::Config::new().unicode(false).utf8(false)
}

/// A regular expression over bytes, for whole searches. Fails with why it is none.
pub(crate) fn compile(source: &str) -> Result<Regex, String> {
    let config = meta::Config::new().utf8_empty(false).nfa_size_limit(Some(MAX_SIZE));
    Regex::builder().configure(config).syntax(syntax()).build(source).map_err(|error| reason(&error))
}

/// Why something is no regular expression, as the end of a sentence. Errors in it are drawn, in several lines, by the
/// innermost error; the last of them says what it is.
fn reason(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let text = innermost.to_string();
    let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// The bytes on ways out of the start. An empty match, which no rule has, would begin nowhere.
fn first_bytes(nfa: &NFA) -> [bool; 256] {
    let mut first = [false; 256];
    let start = nfa.start_pattern(PatternID::ZERO).unwrap_or_else(|| nfa.start_anchored());
    let (mut seen, mut ahead) = (vec![false; nfa.states().len()], vec![start]);
    let mut range = |from: u8, to: u8| (from..=to).for_each(|byte| first[usize::from(byte)] = true);
    while let Some(id) = ahead.pop() {
        if std::mem::replace(&mut seen[id.as_usize()], true) {
            continue;
        }
        match nfa.state(id) {
            State::ByteRange { trans } => range(trans.start, trans.end),
            State::Sparse(sparse) => {
                sparse.transitions.iter().for_each(|trans| range(trans.start, trans.end));
            }
            State::Dense(_) => range(0, u8::MAX),
            State::Look { next, .. } | State::Capture { next, .. } => ahead.push(*next),
            State::Union { alternates } => ahead.extend(alternates.iter()),
            State::BinaryUnion { alt1, alt2 } => ahead.extend([*alt1, *alt2]),
            State::Fail | State::Match { .. } => {}
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(source: &'static str) -> Pattern {
        Pattern::new(source).unwrap()
    }

    #[test]
    fn only_at_the_place() {
        let pattern = pattern("(?<head>[ab]+?)c(x?)");
        let mut scratch = pattern.scratch();
        let text = b"zabcx ac";
        assert!(!pattern.at(&mut scratch, text, 0..8));
        assert!(pattern.at(&mut scratch, text, 1..8));
        assert_eq!(scratch.captures.get_group_by_name("head").unwrap().range(), 1..3);
        assert_eq!(scratch.captures.get_group(2).unwrap().range(), 4..5);
        assert!(pattern.at(&mut scratch, text, 1..4) && scratch.captures.get_group(2).unwrap().is_empty());
        assert!(!pattern.at(&mut scratch, text, 1..3) && !pattern.at(&mut scratch, text, 8..8));
        assert!(
            pattern.find(&mut scratch, text, 2) && scratch.captures.get_match().unwrap().range() == (2..5)
        );
        assert!(
            pattern.find(&mut scratch, text, 4) && scratch.captures.get_match().unwrap().range() == (6..8)
        );
        assert!(!pattern.find(&mut scratch, text, 7));
    }

    #[test]
    fn what_a_match_can_begin_with() {
        let letters = |source| -> String {
            let pattern = pattern(source);
            (0..=u8::MAX).filter(|&byte| pattern.begins_with(byte)).map(char::from).collect()
        };
        assert_eq!(letters("(?:key|(?i)pass)[0-9]"), "Pkp");
        assert_eq!(letters("x?[a-c]{0,2}-"), "-abcx");
        assert_eq!(letters("^a"), "a");
        assert_eq!(letters("(?s).").chars().count(), 256);
        assert!(Pattern::new("(").is_err());
    }
}
