//! What libFuzzer's bytes mean: a good image, patches of its structures, and free bytes behind them.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | the base's [id](crate::disk::Base::id); of an unknown one: its place among the bases |
//! | 4 | options: what the target does with the image |
//! | 16 each | [`Patch`]es |
//! | rest | behind a patch [`END`], for those targets that make something of it |
//!
//! Any bytes mean something, and most small changes to them are small changes of the image.

use block::to_usize;

/// Bytes before the patches.
pub const HEAD: usize = 8;
/// Bytes of a patch.
pub const PATCH: usize = 16;
/// The first byte of a patch that ends them.
pub const END: u8 = 0xff;

/// One change.
#[derive(Debug, Clone, Copy)]
pub struct Patch {
    /// What is done: see [`crate::patch::apply`].
    pub what: u8,
    /// Bytes of the field: 1, 2, 4 or 8.
    pub width: usize,
    /// Which part of the base, modulo their number.
    pub part: u16,
    /// Offset in the part, modulo its length.
    pub at: u16,
    /// A length, or a second offset.
    pub more: u16,
    /// What is put there.
    pub value: u64,
}

/// A whole input.
#[derive(Debug)]
pub struct Input<'a> {
    /// Which base.
    pub base: u32,
    /// What the target does.
    pub options: u32,
    /// Changes, in their order.
    pub patches: Vec<Patch>,
    /// What follows.
    pub rest: &'a [u8],
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

fn short(bytes: &[u8]) -> u16 {
    u16::from_le_bytes([bytes[0], bytes[1]])
}

impl<'a> Input<'a> {
    /// `None` if there is not even a head.
    #[must_use]
    pub fn parse(data: &'a [u8]) -> Option<Self> {
        let (head, mut rest) = data.split_at_checked(HEAD)?;
        let mut patches = Vec::new();
        while let Some((patch, behind)) = rest.split_at_checked(PATCH) {
            if patch[0] == END {
                break;
            }
            patches.push(Patch {
                what: patch[0],
                width: 1 << (patch[1] % 4),
                part: short(&patch[2..]),
                at: short(&patch[4..]),
                more: short(&patch[6..]),
                value: number(&patch[8..16]),
            });
            rest = behind;
        }
        let rest = if rest.first() == Some(&END) { &rest[1..] } else { &[] };
        let low = |bytes: &[u8]| u32::try_from(number(bytes)).expect("four bytes");
        Some(Self { base: low(&head[..4]), options: low(&head[4..]), patches, rest })
    }

    /// A bit of the options.
    #[must_use]
    pub fn option(&self, bit: u32) -> bool {
        self.options >> bit & 1 == 1
    }
}

/// Which of `count` a number means.
#[must_use]
pub fn index(number: u64, count: usize) -> usize {
    to_usize(number % block::to_u64(count.max(1)))
}
