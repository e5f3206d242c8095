//! Finds secrets in a buffer: anchors everywhere, patterns and checks around them only.
//!
//! The work is linear in the buffer, whatever it holds: where anchors of a rule crowd and confirm nothing, the
//! rule's pattern goes over the buffer once instead of around each of them.

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

use super::{
    Candidate, ContentRule,
    anchors::Anchors,
    pattern::{Pattern, Scratch},
    wide::Text,
};

/// Bytes that a buffer should have before its fresh ones, so that a hit is found wherever a chunk begins.
pub const LOOK_BACK: usize = ContentRule::MAX_REACH;
/// Bytes that a buffer should have behind its fresh ones.
pub const LOOK_AHEAD: usize = ContentRule::MAX_REACH + ContentRule::MAX_BEFORE;
/// A rule looks around single anchors until it has looked, in vain, at so many times the buffer's length;
const CROWD: usize = 2;
/// of a shorter buffer, at so many times this.
const SMALL: usize = 64 << 10;

/// A secret, by rule and range in the buffer. Its bytes are not here.
#[derive(Debug, Clone)]
pub struct Hit {
    /// The rule that knows it.
    pub rule: &'static ContentRule,
    /// The rule's number in the registry, or behind it: of equal hits the lower one is preferred.
    pub rank: usize,
    /// Where the secret lies in the buffer.
    pub secret: Range<usize>,
    /// Whether it is stored as UTF-16, little-endian: each of its letters has a zero behind it.
    pub wide: bool,
}

/// What all clones of a scanner share.
struct Shared {
    rules: Vec<(usize, &'static ContentRule)>,
    anchors: Anchors,
    /// A hundred patterns take their time to compile, and most are never needed.
    patterns: Vec<OnceLock<Pattern>>,
    before: usize,
}

/// What one rule has seen of the current buffer.
#[derive(Debug, Clone, Default)]
struct State {
    /// Matches begin here or later.
    floor: usize,
    /// Bytes of windows in which there was nothing.
    vain: usize,
    scratch: Option<Scratch>,
}

/// Scans buffers. Cheap to clone; each thread needs its own.
#[derive(Clone)]
pub struct Scanner {
    shared: Arc<Shared>,
    states: Vec<State>,
    /// Position and rule of the anchors in the current buffer.
    found: Vec<(usize, usize)>,
    /// Up to where anchors have been looked at.
    done: usize,
    /// Those that have not been reported.
    hits: Vec<Hit>,
    /// `None`: letters are not looked for among letters.
    wide: Option<Wide>,
}

/// Text of UTF-16, and what finds secrets in it once there is some.
#[derive(Clone, Default)]
struct Wide {
    text: Text,
    scanner: Option<Box<Scanner>>,
}

impl Scanner {
    /// A scanner for these rules. Those that the registry does not have rank behind its own.
    #[must_use]
    pub fn new(rules: &[&'static ContentRule]) -> Self {
        let others = rules.iter().copied().filter(|rule| super::rules::get(rule.id).is_none());
        let ranked = super::rules::all().chain(others).enumerate();
        Self::of(ranked.filter(|(_, rule)| rules.iter().any(|one| one.id == rule.id)).collect())
    }

    fn of(rules: Vec<(usize, &'static ContentRule)>) -> Self {
        let all = rules.iter().enumerate();
        let anchors =
            all.flat_map(|(number, (_, rule))| rule.anchors.iter().map(move |&anchor| (number, anchor)));
        let shared = Shared {
            anchors: Anchors::new(anchors),
            patterns: rules.iter().map(|_| OnceLock::new()).collect(),
            before: rules.iter().map(|(_, rule)| rule.before).max().unwrap_or(0),
            rules,
        };
        Self::sharing(Arc::new(shared), Some(Wide::default()))
    }

    fn sharing(shared: Arc<Shared>, wide: Option<Wide>) -> Self {
        let states = vec![State::default(); shared.rules.len()];
        Self { shared, states, found: Vec::new(), done: 0, hits: Vec::new(), wide }
    }

    /// The rules.
    pub fn rules(&self) -> impl Iterator<Item = &'static ContentRule> + '_ {
        self.shared.rules.iter().map(|(_, rule)| *rule)
    }

    /// Reports, in ascending order, each hit whose secret begins in `fresh`. Hits of different rules may overlap
    /// (see [`Overlaps`](super::Overlaps)).
    ///
    /// The buffer has [`LOOK_BACK`] bytes before `fresh` and [`LOOK_AHEAD`] behind it, or all that there are.
    pub fn scan(&mut self, buffer: &[u8], fresh: Range<usize>, visit: &mut dyn FnMut(Hit)) {
        self.done = fresh.start.saturating_sub(LOOK_BACK);
        self.hits.clear();
        for state in &mut self.states {
            state.floor = self.done;
        }
        self.go_on(buffer, fresh, visit);
    }

    /// The same for the bytes that follow those of the last scan: the buffer has lost its first `gone` bytes and got
    /// new ones at its end, and `fresh` begins where the last one ended. No anchor is looked at twice.
    pub(super) fn scan_next(
        &mut self,
        gone: usize,
        buffer: &[u8],
        fresh: Range<usize>,
        visit: &mut dyn FnMut(Hit),
    ) {
        self.done = self.done.saturating_sub(gone);
        for state in &mut self.states {
            state.floor = state.floor.saturating_sub(gone);
        }
        for Hit { secret, .. } in &mut self.hits {
            *secret = secret.start.saturating_sub(gone)..secret.end.saturating_sub(gone);
        }
        self.go_on(buffer, fresh, visit);
    }

    /// Adds the hits in text of UTF-16 that begin in `fresh`.
    fn look_at_wide(&mut self, buffer: &[u8], fresh: &Range<usize>) {
        let Some(Wide { text, scanner }) = &mut self.wide else { return };
        text.gather(buffer, fresh.clone());
        let letters = text.letters();
        if letters.is_empty() {
            return;
        }
        let scanner = scanner.get_or_insert_with(|| Box::new(Self::sharing(Arc::clone(&self.shared), None)));
        let hits = &mut self.hits;
        scanner.scan(letters, 0..letters.len(), &mut |hit| {
            if let Some(secret) = text.stored(&hit.secret).filter(|secret| fresh.contains(&secret.start)) {
                hits.push(Hit { secret, wide: true, ..hit });
            }
        });
    }

    /// Looks at anchors from `done` on.
    fn go_on(&mut self, buffer: &[u8], fresh: Range<usize>, visit: &mut dyn FnMut(Hit)) {
        let end = fresh.end.saturating_add(self.shared.before).min(buffer.len());
        let range = self.done.min(end)..end;
        self.done = end;
        let found = &mut self.found;
        found.clear();
        self.shared.anchors.find(buffer, range.clone(), &mut |rule, at| {
            if range.contains(&at) {
                found.push((at, rule));
            }
        });
        self.look_at_wide(buffer, &fresh);
        if self.found.is_empty() && self.hits.is_empty() {
            return;
        }
        self.found.sort_unstable();
        self.found.dedup();
        for state in &mut self.states {
            state.vain = 0;
        }
        for &(anchor, number) in &self.found {
            let (rank, rule) = self.shared.rules[number];
            let state = &mut self.states[number];
            if anchor < state.floor {
                continue;
            }
            let pattern = self.shared.patterns[number].get_or_init(|| {
                rule.compile().expect("a test compiles those of the registry, and a policy those of its own")
            });
            let scratch = state.scratch.get_or_insert_with(|| pattern.scratch());
            let secret = if state.vain / CROWD < buffer.len().max(SMALL) {
                let mut looked = 0;
                let confirmed = rule.confirm(pattern, scratch, buffer, anchor, state.floor, &mut looked);
                match &confirmed {
                    Some((_, end)) => state.floor = *end,
                    None => state.vain += looked,
                }
                confirmed.map(|(secret, _)| secret)
            } else {
                let from = anchor.saturating_sub(rule.before).max(state.floor);
                let (secret, floor) = next(rule, pattern, scratch, buffer, from, end);
                state.floor = floor;
                secret
            };
            if let Some(secret) = secret.filter(|secret| secret.start >= fresh.start) {
                self.hits.push(Hit { rule, rank, secret, wide: false });
            }
        }
        // What begins behind the fresh bytes waits for the next ones.
        self.hits.sort_unstable_by_key(|hit| (hit.secret.start, hit.rank, hit.secret.end));
        let now = self.hits.partition_point(|hit| hit.secret.start < fresh.end);
        self.hits.drain(..now).for_each(visit);
    }
}

/// The next match from `from` on that begins before `end`, if it passes the check, and where to go on. What is looked
/// at is not looked at again.
fn next(
    rule: &ContentRule,
    pattern: &Pattern,
    scratch: &mut Scratch,
    buffer: &[u8],
    from: usize,
    end: usize,
) -> (Option<Range<usize>>, usize) {
    let whole = pattern.find(scratch, buffer, from).then(|| scratch.captures.get_match()).flatten();
    let Some(whole) = whole.filter(|whole| whole.start() < end) else { return (None, end) };
    let secret = Candidate::new(buffer, &scratch.captures).filter(|candidate| (rule.check)(candidate));
    (secret.map(|candidate| candidate.range()), whole.end().max(from + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{Tier, check::github::sign};

    const fn rule(id: &'static str, anchors: &'static [&'static [u8]], pattern: &'static str) -> ContentRule {
        ContentRule {
            id,
            heading: "",
            explain: "",
            source: "",
            tier: Tier::Likely,
            anchors,
            pattern,
            before: 0,
            reach: 1000,
            check: |_| true,
        }
    }

    /// A run of letters behind a word, one with something before its anchor, and one that never passes.
    static RULES: [ContentRule; 4] = [
        rule("long", &[b"key="], "key=([a-z]{4,})"),
        ContentRule { before: 20, ..rule("behind", &[b"@host"], "[a-z]{1,20}@host") },
        ContentRule { check: |_| false, ..rule("never", &[b"key=", b"end"], "(?:key=|end)[a-z=]*") },
        ContentRule { reach: ContentRule::MAX_REACH, ..rule("far", &[b"BEGIN"], "(?s)BEGIN[^E]*END") },
    ];

    fn scanner() -> Scanner {
        Scanner::of(RULES.iter().enumerate().collect())
    }

    fn scan(buffer: &[u8], fresh: Range<usize>) -> Vec<(Range<usize>, &'static str)> {
        let mut hits = Vec::new();
        scanner().scan(buffer, fresh, &mut |hit| hits.push((hit.secret, hit.rule.id)));
        hits
    }

    #[test]
    fn agrees_with_the_plain_way() {
        for text in [
            "key=abcd",
            "key=abckey=abcd@host",
            "\0key=abcdef\0",
            "key=key=key=abcd",
            "aaaa@host@host",
            "BEGINBEGINEND",
            "",
            "key",
            "key=",
            "x@host",
            "BEGIN abc END BEGIN",
            "key=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@hosting",
        ] {
            let bytes = text.as_bytes();
            let mut plain: Vec<_> = RULES
                .iter()
                .flat_map(|rule| rule.find(bytes).into_iter().map(move |secret| (secret, rule.id)))
                .collect();
            plain.sort_by_key(|(secret, _)| secret.start);
            let mut hits = scan(bytes, 0..bytes.len());
            hits.sort_by_key(|(secret, _)| secret.start);
            assert_eq!(hits, plain, "{text}");
        }
    }

    #[test]
    fn wherever_a_buffer_is_cut() {
        let text =
            format!("\0key=abcdefgh\0\0joe@host BEGIN{}END key=zzzz{}x@host", "b".repeat(300), "y".repeat(9));
        let bytes = text.as_bytes();
        let whole = scan(bytes, 0..bytes.len());
        assert_eq!(whole.len(), 5);
        for cut in 0..=bytes.len() {
            let mut halves = scan(bytes, 0..cut);
            halves.extend(scan(bytes, cut..bytes.len()));
            assert_eq!(halves, whole, "cut at {cut}");
        }
    }

    #[test]
    fn tokens_at_the_ends_and_at_every_place_of_a_page() {
        let mut scanner = Scanner::new(&crate::content::rules::all().collect::<Vec<_>>());
        let token = sign("gho_", &"a1".repeat(15));
        let mut buffer = vec![0; 2 * 4096];
        for at in (0..45).chain(4096 - 45..4096 + 5).chain(buffer.len() - 45..=buffer.len() - 40) {
            buffer[at..at + 40].copy_from_slice(token.as_bytes());
            let mut found = Vec::new();
            scanner.scan(&buffer, 0..8192, &mut |hit| found.push((hit.secret.start, hit.secret.end)));
            assert_eq!(found, [(at, at + 40)]);
            buffer[at..at + 40].fill(0);
        }
    }

    #[test]
    fn text_of_utf_16_wherever_it_is_cut() {
        let wide = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        let text = format!("{}key=abcdefgh\r\nx = jo@host {}", "- ".repeat(40), "BEGIN and END".repeat(20));
        let narrow = scan(text.as_bytes(), 0..text.len());
        assert_eq!(narrow.len(), 22);
        for before in [&b""[..], b"\xff", b"key=zzzz\0", &[0; 4097]] {
            let buffer = [before, &wide(&text), &[0; 100]].concat();
            let place = |at: usize| before.len() + 2 * at;
            let stored = narrow.iter().map(|(secret, id)| (place(secret.start)..place(secret.end), *id));
            let mut expected: Vec<_> = scan(before, 0..before.len()).into_iter().chain(stored).collect();
            expected.sort_by_key(|(secret, _)| secret.start);
            assert_eq!(scan(&buffer, 0..buffer.len()), expected);
            for cut in (0..buffer.len()).step_by(7) {
                let mut halves = scan(&buffer, 0..cut);
                halves.extend(scan(&buffer, cut..buffer.len()));
                assert_eq!(halves, expected, "cut at {cut}");
            }
        }
    }

    /// Not timed: the amount of work is counted, in bytes that checks are shown.
    #[test]
    fn a_crowd_of_anchors_costs_no_more_than_the_buffer() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static SHOWN: AtomicUsize = AtomicUsize::new(0);
        static GREEDY: ContentRule = ContentRule {
            reach: ContentRule::MAX_REACH,
            check: |candidate| {
                SHOWN.fetch_add(candidate.whole().len(), Ordering::Relaxed);
                false
            },
            ..rule("greedy", &[b"key="], "key=[a-z=]*")
        };
        let buffer = b"key=".repeat(64 << 10);
        let mut scanner = Scanner::of(vec![(0, &GREEDY)]);
        scanner.scan(&buffer, 0..buffer.len(), &mut |_| panic!("nothing passes"));
        let shown = SHOWN.load(Ordering::Relaxed);
        assert!(shown <= (CROWD + 2) * buffer.len(), "{shown} bytes");
    }

    #[test]
    fn a_crowd_hides_no_secret() {
        let mut text = "BEGIN".repeat(100_000);
        let at = text.len();
        text.push_str("BEGIN and END");
        assert_eq!(scan(text.as_bytes(), 0..text.len()).last(), Some(&(at..at + 13, "far")));
    }
}
