//! Lines and sums of a guest's files. Memory follows neither a file's size nor a line's length, and work is bounded.

use filesystem::{Filesystem, InodeId, Result};
use md5::{Digest, Md5};
use sha1::Sha1;

use block::to_u64;

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;
/// Longest line: a path has up to 4096 bytes.
const LINE: usize = 8 << 10;

/// The sum of a file's content, as a package's list has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Sum {
    Md5([u8; 16]),
    Sha1([u8; 20]),
}

/// Which sums are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Kinds {
    pub(super) md5: bool,
    pub(super) sha1: bool,
}

/// Bytes that may still be read.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u64,
    over: bool,
}

impl Budget {
    pub(crate) const fn new(bytes: u64) -> Self {
        Self { left: bytes, over: false }
    }

    /// Whether so many may be; then they count as read.
    fn take(&mut self, bytes: u64) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => self.over = true,
        }
        !self.over
    }

    /// Whether anything was refused.
    pub(super) const fn is_over(&self) -> bool {
        self.over
    }
}

/// The sums of a file's content; `None` if it is larger than what may still be read.
pub(super) fn sums(
    filesystem: &dyn Filesystem,
    inode: InodeId,
    kinds: Kinds,
    budget: &mut Budget,
) -> Result<Option<impl Iterator<Item = Sum> + use<>>> {
    let size = filesystem.metadata(inode)?.size;
    if size > budget.left || !budget.take(size) {
        return Ok(None);
    }
    let (mut md5, mut sha1) = (kinds.md5.then(Md5::new), kinds.sha1.then(Sha1::new));
    pieces(filesystem, inode, &mut |piece| {
        md5.iter_mut().for_each(|sum| sum.update(piece));
        sha1.iter_mut().for_each(|sum| sum.update(piece));
        Ok(true)
    })?;
    let md5 = md5.map(|sum| Sum::Md5(sum.finalize().into()));
    let sha1 = sha1.map(|sum| Sum::Sha1(sum.finalize().into()));
    Ok(Some(md5.into_iter().chain(sha1)))
}

/// Visits the lines of a file, without their ends; those that are too long for a path are left out. Stops, in silence,
/// where the budget ends.
pub(super) fn lines(
    filesystem: &dyn Filesystem,
    inode: InodeId,
    budget: &mut Budget,
    visit: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let (mut line, mut too_long) = (Vec::new(), false);
    pieces(filesystem, inode, &mut |piece| {
        if !budget.take(to_u64(piece.len())) {
            return Ok(false);
        }
        let mut rest = piece;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let text = &rest[..end];
            rest = &rest[end + 1..];
            too_long |= line.len() + text.len() > LINE;
            if !too_long && line.is_empty() {
                visit(text)?;
            } else if !too_long {
                line.extend_from_slice(text);
                visit(&line)?;
            }
            line.clear();
            too_long = false;
        }
        too_long |= line.len() + rest.len() > LINE;
        if !too_long {
            line.extend_from_slice(rest);
        }
        Ok(true)
    })?;
    if line.is_empty() || too_long || budget.is_over() { Ok(()) } else { visit(&line) }
}

/// A file's content from its start, for as long as `visit` asks for more.
fn pieces(
    filesystem: &dyn Filesystem,
    inode: InodeId,
    visit: &mut dyn FnMut(&[u8]) -> Result<bool>,
) -> Result<()> {
    let (mut buffer, mut at) = (vec![0; PIECE], 0);
    loop {
        let read = filesystem.read(inode, at, &mut buffer)?;
        if read == 0 || !visit(&buffer[..read])? {
            return Ok(());
        }
        at += to_u64(read);
    }
}

/// The number that 2 N hexadecimal digits spell.
pub(super) fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits() {
        assert_eq!(hex(b"00fFa5"), Some([0, 255, 0xa5]));
        assert_eq!((hex::<3>(b"00ff"), hex::<2>(b"00fg"), hex::<1>("é".as_bytes())), (None, None, None));
    }

    #[test]
    fn a_budget_ends_once() {
        let mut budget = Budget::new(10);
        assert!(budget.take(7) && !budget.is_over());
        assert!(!budget.take(4) && budget.is_over() && !budget.take(1));
    }
}
