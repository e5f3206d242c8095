//! Whether every match of a regular expression holds one of some texts: what an anchor of a content rule has to be.
//!
//! Exact, but for `^`, `$` and the like, which count as always true: the expression's automaton and that of the texts are
//! walked together, and a match that is reached before any text is a match without one. What takes too long to walk
//! counts as not held, so that a rule which passes misses nothing.

use std::collections::HashSet;

use aho_corasick::{Anchored, automaton::Automaton, dfa::DFA};
use block::to_u64;
use regex_automata::{
    nfa::thompson::{NFA, State, Transition},
    util::primitives::StateID,
};

/// Pairs of states that are looked at.
const MAX_PAIRS: usize = 1 << 20;

/// Whether every match holds one of the anchors. The error is that of an expression that is none.
pub(crate) fn holds(pattern: &str, anchors: &[&[u8]]) -> Result<bool, String> {
    let nfa = NFA::compiler()
        .configure(super::pattern::limits())
        .syntax(super::pattern::syntax())
        .build(pattern)
        .map_err(|error| error.to_string())?;
    let texts = DFA::new(anchors).map_err(|error| error.to_string())?;
    let start = texts.start_state(Anchored::No).map_err(|error| error.to_string())?;
    let seen =
        Walk { nfa: &nfa, texts: &texts, bytes: bytes(anchors), seen: HashSet::new(), todo: Vec::new() };
    Ok(seen.holds(start))
}

/// Every byte of the anchors, and one that is in none of them: all others do the same.
fn bytes(anchors: &[&[u8]]) -> Vec<u8> {
    let mut bytes: Vec<u8> = anchors.concat();
    bytes.sort_unstable();
    bytes.dedup();
    bytes
}

struct Walk<'w> {
    nfa: &'w NFA,
    texts: &'w DFA,
    bytes: Vec<u8>,
    /// Pairs of a state of the expression and one of the texts.
    seen: HashSet<(StateID, u64)>,
    todo: Vec<(StateID, aho_corasick::automaton::StateID)>,
}

impl Walk<'_> {
    fn holds(mut self, start: aho_corasick::automaton::StateID) -> bool {
        self.reach(self.nfa.start_anchored(), start);
        while let Some((state, text)) = self.todo.pop() {
            if self.seen.len() > MAX_PAIRS {
                return false;
            }
            match self.nfa.state(state) {
                State::Match { .. } => return false,
                State::Fail => {}
                State::Look { next, .. } | State::Capture { next, .. } => self.reach(*next, text),
                State::Union { alternates } => alternates.iter().for_each(|next| self.reach(*next, text)),
                State::BinaryUnion { alt1, alt2 } => {
                    self.reach(*alt1, text);
                    self.reach(*alt2, text);
                }
                State::ByteRange { trans } => self.step(trans, text),
                State::Sparse(all) => all.transitions.iter().for_each(|trans| self.step(trans, text)),
                State::Dense(all) => {
                    for (byte, next) in (0..=u8::MAX).zip(&all.transitions) {
                        if *next != StateID::ZERO {
                            self.step(&Transition { start: byte, end: byte, next: *next }, text);
                        }
                    }
                }
            }
        }
        true
    }

    fn reach(&mut self, state: StateID, text: aho_corasick::automaton::StateID) {
        if self.seen.insert((state, to_u64(text.as_usize()))) {
            self.todo.push((state, text));
        }
    }

    /// Follows the bytes of a transition, unless an anchor ends with one of them.
    fn step(&mut self, trans: &Transition, text: aho_corasick::automaton::StateID) {
        let in_range = |byte: &u8| (trans.start..=trans.end).contains(byte);
        let other = (trans.start..=trans.end).find(|byte| self.bytes.binary_search(byte).is_err());
        let taken: Vec<u8> = self.bytes.iter().copied().filter(in_range).chain(other).collect();
        for byte in taken {
            let next = self.texts.next_state(Anchored::No, text, byte);
            if !self.texts.is_match(next) {
                self.reach(trans.next, next);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_match_has_to_hold_one() {
        for (pattern, anchors, expected) in [
            ("bstore_(?:live|test)_([0-9A-Za-z]{24})", &["bstore_live_", "bstore_test_"][..], true),
            ("bstore_(?:live|test)_([0-9A-Za-z]{24})", &["bstore_live_"], false),
            ("bstore_[a-z]+", &["bstore_"], true),
            ("bstore_[a-z]+", &["bestore_"], false),
            ("(?i)token", &["token"], false),
            ("(?:token=)?[a-z]+", &["token="], false),
            ("(?:token=){1,3}[a-z]+", &["token="], true),
            ("(?:token=)+[a-z]+", &["token="], true),
            ("[ab]{2}c", &["aac", "abc", "bac", "bbc"], true),
            ("[ab]{2}c", &["aac", "abc", "bac"], false),
            ("(?:abc.*|xyz.*)", &["abc", "xyz"], true),
            ("ab(?:c[0-9]+|d[0-9]+)", &["abc", "abd"], true),
            ("ab(?:c[0-9]+|[a-z]+)", &["abc"], false),
            (r"\x01\x00[\x02\x03]", &["\u{1}\0\u{2}", "\u{1}\0\u{3}"], true),
            ("x[0-9]*tail", &["tail"], true),
            (".{1000}key", &["key"], true),
            ("^key$", &["key"], true),
            ("", &["x"], false),
        ] {
            let anchors: Vec<&[u8]> = anchors.iter().map(|anchor| anchor.as_bytes()).collect();
            assert_eq!(holds(pattern, &anchors), Ok(expected), "{pattern}");
        }
        assert!(holds("(", &[b"abc"]).is_err());
    }

    #[test]
    fn what_takes_too_long_is_not_proven() {
        let long = format!("(?s-u:.){{16000}}{}", "abc");
        assert!(holds(&long, &[b"abc"]).is_ok());
    }
}
