//! Text in UTF-16, as Windows, .NET and PowerShell store it: letters with a zero behind each, at even or odd offsets.
//!
//! Runs of it are gathered as their letters alone, so that rules see what they know. One word of 32 bytes is looked at
//! to see whether there is any, so nothing else costs much; a run of 20 letters is always seen.

use std::ops::Range;

/// Of so many bytes the first eight are looked at.
const STRIDE: usize = 32;
/// Where there is no such text, pieces of this size are passed over.
const PAGE: usize = 4096;
/// Bytes behind the fresh ones that are looked at: what begins in these may be seen in those.
const BEHIND: usize = 2 * STRIDE;
/// Letters of the shortest run that is gathered: less than any secret with what tells of it.
const SHORTEST: usize = 12;
/// Stands between runs. No pattern goes on over it, or what it finds is dropped.
const BETWEEN: &[u8] = b"\0\n\0";

/// Letters that follow each other.
#[derive(Debug, Clone)]
struct Run {
    /// Of its first letter among all.
    start: usize,
    /// Of its first letter in the buffer.
    stored: usize,
    len: usize,
}

/// The text of a buffer.
#[derive(Debug, Clone, Default)]
pub(super) struct Text {
    letters: Vec<u8>,
    runs: Vec<Run>,
}

impl Text {
    /// Gathers the runs that lie in `fresh`, with what belongs to them before and behind. At most half the buffer's
    /// size is held.
    pub(super) fn gather(&mut self, buffer: &[u8], fresh: Range<usize>) {
        self.letters.clear();
        self.runs.clear();
        let end = fresh.end.saturating_add(BEHIND).min(buffer.len());
        let mut at = fresh.start;
        while at < end {
            let page = &buffer[at..(at + PAGE).min(end)];
            let mut next = at + page.len();
            // Without a branch for each word: most pages have none.
            let blocks = page.as_chunks::<STRIDE>().0;
            if blocks.iter().fold(false, |any, block| any | first(word(block)).is_some()) {
                for (number, block) in blocks.iter().enumerate() {
                    if let Some(odd) = first(word(block)) {
                        let run = around(buffer, at + number * STRIDE + odd);
                        next = next.max(self.add(buffer, run));
                    }
                }
            }
            at = next;
        }
    }

    /// Adds a run, unless the last one has it. Returns where the last one ends.
    fn add(&mut self, buffer: &[u8], run: Range<usize>) -> usize {
        let last = self.runs.last().map_or(0, |last| last.stored + 2 * last.len);
        let len = run.len() / 2;
        if run.start < last || len < SHORTEST {
            return last;
        }
        if !self.runs.is_empty() {
            self.letters.extend_from_slice(BETWEEN);
        }
        self.runs.push(Run { start: self.letters.len(), stored: run.start, len });
        self.letters.extend(buffer[run.clone()].iter().step_by(2));
        run.end
    }

    /// All letters.
    pub(super) fn letters(&self) -> &[u8] {
        &self.letters
    }

    /// Where in the buffer these letters are stored; `None` if they are not of one run.
    pub(super) fn stored(&self, letters: &Range<usize>) -> Option<Range<usize>> {
        let run = &self.runs[self.runs.partition_point(|run| run.start <= letters.start).checked_sub(1)?];
        let place = |letter: usize| run.stored + 2 * (letter - run.start);
        (letters.end <= run.start + run.len).then(|| place(letters.start)..place(letters.end))
    }
}

/// The letters of text, without the zeros.
pub(super) fn narrow(stored: &[u8]) -> Vec<u8> {
    stored.iter().step_by(2).copied().collect()
}

fn word(block: &[u8; STRIDE]) -> u64 {
    block.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// The offset in the word of its first letter, if it is such text: 0 or 1.
fn first(word: u64) -> Option<usize> {
    // Four letters of ASCII, from the backspace on, each with a zero behind it.
    let letters = |word: u64| {
        let known = word & 0xff80_ff80_ff80_ff80 == 0;
        let least = (word & 0x007f_007f_007f_007f) + 0x0078_0078_0078_0078;
        known & (least & 0x0080_0080_0080_0080 == 0x0080_0080_0080_0080)
    };
    match (letters(word), letters(word.rotate_right(8))) {
        (true, _) => Some(0),
        (_, true) => Some(1),
        _ => None,
    }
}

/// The run around the letter at `at`, in the buffer.
fn around(buffer: &[u8], at: usize) -> Range<usize> {
    let letter = |at: usize| buffer.get(at).is_some_and(|&byte| byte != 0) && buffer.get(at + 1) == Some(&0);
    let (mut start, mut end) = (at, at);
    while let Some(before) = start.checked_sub(2).filter(|&before| letter(before)) {
        start = before;
    }
    while letter(end) {
        end += 2;
    }
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn gathered(buffer: &[u8], fresh: Range<usize>) -> Text {
        let mut text = Text::default();
        text.gather(buffer, fresh);
        text
    }

    #[test]
    fn twenty_letters_are_seen_anywhere() {
        let secret = wide("abcdefghij0123456789");
        for at in 0..2 * STRIDE {
            for noise in [0, 0xff] {
                let mut buffer = vec![noise; 3 * PAGE];
                let at = PAGE - STRIDE + at;
                buffer[at..at + 40].copy_from_slice(&secret);
                let text = gathered(&buffer, 0..buffer.len());
                assert_eq!(text.letters(), b"abcdefghij0123456789", "{at}");
                assert_eq!(text.stored(&(2..5)), Some(at + 4..at + 10));
                assert_eq!(
                    gathered(&buffer, 0..at + 1).letters(),
                    text.letters(),
                    "begins in the fresh bytes"
                );
                assert!(gathered(&buffer, 0..at - BEHIND).letters().is_empty());
            }
        }
    }

    #[test]
    fn runs_stay_apart() {
        let buffer =
            [wide(&"a".repeat(40)), vec![0; 2], wide(&"b".repeat(40)), vec![9; 5], wide(&"c".repeat(9000))];
        let buffer = buffer.concat();
        let text = gathered(&buffer, 0..buffer.len());
        assert_eq!(text.letters().len(), 9080 + 2 * BETWEEN.len());
        let c = 80 + 2 * BETWEEN.len();
        assert_eq!(text.stored(&(0..40)), Some(0..80));
        assert_eq!(text.stored(&(43..83)), Some(82..162));
        assert_eq!(text.stored(&(c..c + 9000)), Some(167..18_167));
        for crossing in [30..41, 40..44, 42..50, 80..84] {
            assert_eq!(text.stored(&crossing), None, "{crossing:?}");
        }
        // From its middle it is the same run.
        assert_eq!(gathered(&buffer, 5000..5100).letters(), &text.letters()[c..]);
    }

    #[test]
    fn nothing_else_is_text() {
        let numbers: Vec<u8> = (0..4096_u32).flat_map(|n| (n % 200).to_le_bytes()).collect();
        for other in
            [numbers, vec![0; 8192], b"plain text, and more of it ".repeat(99), vec![0xff; 100], Vec::new()]
        {
            assert!(gathered(&other, 0..other.len()).letters().is_empty());
        }
        assert!(gathered(&wide(&"\u{1}".repeat(99)), 0..198).letters().is_empty());
        assert!(gathered(&wide(&"\u{4e2d}".repeat(99)), 0..198).letters().is_empty());
        assert_eq!(narrow(&wide("abc")), b"abc");
    }
}
