//! What dead bytes are overwritten with: one pass or more of zeros or of random bytes.

use std::{fmt, io, str::FromStr};

use rand::{Rng, SeedableRng, rngs::ChaCha12Rng};
use serde::{Deserialize, Serialize};

use block::to_usize;

/// More passes than anybody has asked for.
const PASSES_MAX: usize = 64;
/// Bytes of the generator's words.
const WORD: u64 = 4;

/// What one pass writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Zeros.
    Zero,
    /// Bytes of a cryptographic generator.
    Random,
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zero => "zero",
            Self::Random => "random",
        })
    }
}

/// The passes in their order, at least one. Written with commas: `random,zero`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Passes(Vec<Pass>);

impl Passes {
    /// The passes.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Pass> + '_ {
        self.0.iter().copied()
    }

    /// What is left behind: what the last pass wrote.
    #[must_use]
    pub fn last(&self) -> Pass {
        *self.0.last().expect("there is at least one")
    }

    /// The number of the last pass.
    pub(crate) fn last_number(&self) -> u64 {
        block::to_u64(self.0.len() - 1)
    }
}

impl FromStr for Passes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pass = |word: &str| match word {
            "zero" => Ok(Pass::Zero),
            "random" => Ok(Pass::Random),
            _ => Err(format!("{word:?} is neither zero nor random")),
        };
        let passes: Vec<Pass> = text.split(',').map(pass).collect::<Result<_, _>>()?;
        match passes.len() {
            ..=PASSES_MAX => Ok(Self(passes)),
            many => Err(format!("{many} passes are more than {PASSES_MAX}")),
        }
    }
}

impl TryFrom<String> for Passes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Passes> for String {
    fn from(passes: Passes) -> Self {
        passes.to_string()
    }
}

impl fmt::Display for Passes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, pass) in self.0.iter().enumerate() {
            write!(f, "{}{pass}", if number == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// How a disk is to be overwritten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// What is written.
    pub passes: Passes,
    /// Whether the storage of dead bytes is given back afterwards.
    pub discard: bool,
    /// What random passes come from, so that a run that is resumed writes the same.
    pub seed: [u8; 32],
}

impl Orders {
    /// With a seed of the system's randomness.
    pub fn new(passes: Passes, discard: bool) -> io::Result<Self> {
        let mut seed = [0; 32];
        let mut filled = 0;
        while filled < seed.len() {
            filled += rustix::rand::getrandom(&mut seed[filled..], rustix::rand::GetRandomFlags::empty())?;
        }
        Ok(Self { passes, discard, seed })
    }

    /// What the pass of this number writes.
    pub(crate) fn stream(&self, pass: Pass, number: u64) -> Stream {
        match pass {
            Pass::Zero => Stream(None),
            Pass::Random => Stream(Some((self.seed, number))),
        }
    }

    /// What the last pass leaves.
    pub(crate) fn left(&self) -> Stream {
        self.stream(self.passes.last(), self.passes.last_number())
    }
}

/// The bytes of a pass, by their offset on the disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream(Option<([u8; 32], u64)>);

impl Stream {
    /// Whether they are all zero.
    pub(crate) fn is_zero(self) -> bool {
        self.0.is_none()
    }

    /// The bytes from `offset` on.
    pub(crate) fn fill(self, offset: u64, buf: &mut [u8]) {
        let Some((seed, number)) = self.0 else { return buf.fill(0) };
        let mut generator = ChaCha12Rng::from_seed(seed);
        generator.set_stream(number);
        generator.set_word_pos(u128::from(offset / WORD));
        let within = to_usize(offset % WORD);
        let (head, rest) = buf.split_at_mut(((to_usize(WORD) - within) % to_usize(WORD)).min(buf.len()));
        if !head.is_empty() {
            let mut word = [0; 4];
            generator.fill_bytes(&mut word);
            head.copy_from_slice(&word[within..within + head.len()]);
        }
        generator.fill_bytes(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_by_name() {
        let passes: Passes = "random,zero".parse().unwrap();
        assert_eq!((passes.to_string().as_str(), passes.last()), ("random,zero", Pass::Zero));
        assert_eq!("zero,".parse::<Passes>().unwrap_err(), "\"\" is neither zero nor random");
        assert_eq!(vec!["zero"; 65].join(",").parse::<Passes>().unwrap_err(), "65 passes are more than 64");
    }

    #[test]
    fn a_stream_is_the_same_wherever_it_is_entered() {
        let orders = Orders { passes: "random".parse().unwrap(), discard: false, seed: [7; 32] };
        let mut whole = vec![0; 1000];
        orders.left().fill(0, &mut whole);
        for (start, len) in [(0, 1000), (1, 2), (2, 1), (3, 997), (64, 100), (999, 1), (5, 0)] {
            let mut part = vec![0; len];
            orders.left().fill(u64::try_from(start).unwrap(), &mut part);
            assert_eq!(part, whole[start..start + len], "{start} + {len}");
        }
        // Zeros are rarer than one in eight, and another pass is another stream.
        assert!(whole.iter().filter(|&&byte| byte == 0).count() < 125);
        let mut other = vec![0; 1000];
        orders.stream(Pass::Random, 1).fill(0, &mut other);
        assert_ne!(other, whole);
        // No offset of a disk is too large.
        orders.left().fill(u64::MAX - 1000, &mut other);
    }
}
