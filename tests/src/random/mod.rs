//! Disks of all kinds with trees of all shapes, made by a kernel: from the same seed always the same ones, times and
//! generations apart.

mod attributes;
pub mod disk;
mod edits;
pub mod fat;
mod table;
mod tools;
pub mod tree;

/// SplitMix64 (Steele, Lea, Flood 2014): numbers that look random, and are the same in every run.
#[derive(Debug, Clone)]
pub struct Numbers(u64);

impl Numbers {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of 0 .. `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.any() % limit.max(1)
    }

    /// True in so many cases of a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of several.
    pub fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[block::to_usize(self.below(block::to_u64(of.len())))]
    }

    /// Lines of which none is like another, in this tree or in any other.
    pub fn text(&mut self, word: &str, len: usize) -> Vec<u8> {
        let mut text = Vec::with_capacity(len);
        while text.len() < len {
            text.extend_from_slice(format!("{word} {:016x}{:016x}\n", self.any(), self.any()).as_bytes());
        }
        text.truncate(len);
        text
    }

    /// A name that no other has that was made here: `word` in it if it fits, otherwise whatever a filesystem takes.
    pub fn name(&mut self, word: &str) -> Vec<u8> {
        let unique = format!("{word}{:x}", self.any() >> 24).into_bytes();
        let around = |before: &[u8], behind: &[u8]| [before, &unique, behind].concat();
        match self.below(16) {
            // As long as a name can be.
            0 => {
                let mut name = around(b"", &vec![b'l'; 255]);
                name.truncate(255);
                name
            }
            1 => around(b"", &vec![b'm'; block::to_usize(self.below(200))]),
            // No UTF-8.
            2 => around(b"\xff\xfe", b"\xc3"),
            // Controls, escape sequences, a line feed.
            3 => around(b"\x01\x1b[31m\n", b"\x7f\t"),
            4 => around(b"-rf --", b""),
            5 => around(b" ", b"  "),
            // Letters of two and four bytes, one that turns the direction of writing, composed and decomposed.
            6 => around("Ä\u{202e}\u{1f600}".as_bytes(), "e\u{301}ﬁ".as_bytes()),
            7 => around(b"...", b"."),
            8 => around(b"\\x41\\", b"$(id)`;'\"*?[a]{b}"),
            9 => around(b".", b""),
            _ => unique,
        }
    }
}
