//! What archives and compressed files hold, as streams: gzip, xz, zstd, bzip2, tar and ZIP, in each other.
//!
//! Believes nothing: depth, decoded bytes, members and memory are bounded by [`Limits`], whatever an archive says.
//! Nothing is left out in silence: what was not looked into is in the [`Outcome`], with the reason. Reads front to
//! back, once; writes nothing, and never uses a member's name for anything but to show it.

mod bzip2;
mod decoded;
mod kind;
mod name;
mod outcome;
mod tar;
#[cfg(test)]
mod tests;
mod zip;

use std::{
    cell::{Cell, RefCell},
    io::{self, BufReader, Read},
};

use decoded::Stop;
use kind::Coding;
pub use kind::{HEAD, Kind};
pub use name::MemberName;
pub use outcome::{Limits, Outcome, Reason};
use tar::End;
use zip::Held;

/// A stream in a file.
pub struct Inner<'a> {
    /// The way to it, outermost first: names of members, and the kind (`gzip`) for a compression, which has none.
    pub names: &'a [MemberName],
    /// Whether its bytes lie in the file as they are: whoever has searched the file has searched it.
    pub plain: bool,
    /// Its bytes. Never fails: what is damaged ends early.
    pub content: &'a mut dyn Read,
}

/// Receives each stream; an error ends all, and comes back.
type Visit<'v> = dyn FnMut(Inner<'_>) -> io::Result<()> + 'v;

/// Gives each stream in a file to `visit`: the innermost ones, and of archives what follows their last member. A file
/// of another kind has none. Memory is bounded by about twice the window's.
///
/// Fails where `file` or `visit` do.
pub fn unpack(file: &mut dyn Read, limits: Limits, visit: &mut Visit<'_>) -> io::Result<Outcome> {
    let walk = Walk {
        limits,
        bytes: Cell::new(limits.bytes),
        members: Cell::new(limits.members),
        outcome: RefCell::default(),
        failed: RefCell::default(),
    };
    let mut source = Source { file, failed: &walk.failed };
    let done = walk.layer(&mut source, &[], &mut Vec::new(), 0, true, visit);
    match walk.failed.into_inner() {
        Some(error) => Err(error),
        None => done.map(|()| walk.outcome.into_inner()),
    }
}

/// The file. Keeps its errors apart from those of decoders, and after one it ends.
struct Source<'a> {
    file: &'a mut dyn Read,
    failed: &'a RefCell<Option<io::Error>>,
}

impl Read for Source<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.failed.borrow().is_some() {
            return Ok(0);
        }
        loop {
            match self.file.read(buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    *self.failed.borrow_mut() = Some(error);
                    return Ok(0);
                }
                read => return read,
            }
        }
    }
}

/// What all layers of one file share.
struct Walk {
    limits: Limits,
    /// What is left of the limits.
    bytes: Cell<u64>,
    members: Cell<u64>,
    outcome: RefCell<Outcome>,
    failed: RefCell<Option<io::Error>>,
}

impl Walk {
    fn leave_out(&self, reason: Reason) {
        // What ends because a limit is reached looks damaged from within.
        if reason == Reason::Damaged && self.bytes.get() == 0 {
            return;
        }
        *self.outcome.borrow_mut().left_out.entry(reason).or_default() += 1;
    }

    /// Gives a stream out, or what is in it. `before` leads to it, and is searched with it.
    fn layer(
        &self,
        stream: &mut dyn Read,
        before: &[u8],
        names: &mut Vec<MemberName>,
        depth: u32,
        plain: bool,
        visit: &mut Visit<'_>,
    ) -> io::Result<()> {
        let mut head = [0; HEAD];
        let length = fill(stream, &mut head)?;
        let head = &head[..length];
        let mut kind = Kind::of(head);
        if kind.is_some() && depth == self.limits.depth {
            self.leave_out(Reason::Depth);
            kind = None;
        }
        let mut stream = head.chain(stream);
        let Some(kind) = kind else {
            // A file that is no archive holds no stream.
            if names.is_empty() {
                return Ok(());
            }
            self.outcome.borrow_mut().streams += 1;
            return visit(Inner { names, plain, content: &mut before.chain(stream) });
        };
        self.outcome.borrow_mut().kinds.insert(kind);
        if !before.is_empty() {
            visit(Inner { names, plain, content: &mut { before } })?;
        }
        let coding = match kind {
            Kind::Tar => return self.tar(&mut stream, names, depth, plain, visit),
            Kind::Zip => return self.zip(&mut stream, names, depth, plain, visit),
            Kind::Gzip => Coding::Gzip,
            Kind::Xz => Coding::Xz,
            Kind::Zstd => Coding::Zstd,
            Kind::Bzip2 => Coding::Bzip2,
        };
        let mut decoded = self.decoded(coding, Box::new(BufReader::new(stream)), depth);
        names.push(MemberName::new(kind.name().as_bytes()));
        let done = self.layer(&mut decoded, &[], names, depth + 1, false, visit);
        names.pop();
        done
    }

    /// `false`: that was one too many.
    fn one_more_member(&self) -> bool {
        let left = self.members.get();
        self.members.set(left.saturating_sub(1));
        if left == 0 {
            self.leave_out(Reason::Members);
        }
        left > 0
    }

    fn tar(
        &self,
        stream: &mut dyn Read,
        names: &mut Vec<MemberName>,
        depth: u32,
        plain: bool,
        visit: &mut Visit<'_>,
    ) -> io::Result<()> {
        let end = tar::members(stream, &mut |member| {
            if !self.one_more_member() {
                return Ok(false);
            }
            names.push(member.name);
            let done = self.layer(member.content, member.headers, names, depth + 1, plain, visit);
            names.pop();
            done.map(|()| true)
        })?;
        self.rest(end, stream, names, plain, visit)
    }

    fn zip(
        &self,
        stream: &mut dyn Read,
        names: &mut Vec<MemberName>,
        depth: u32,
        plain: bool,
        visit: &mut Visit<'_>,
    ) -> io::Result<()> {
        let mut input = BufReader::new(stream);
        let end = zip::members(&mut input, &mut |member| {
            if !self.one_more_member() {
                return Ok(false);
            }
            names.push(member.name);
            let whole = match member.held {
                Held::Plain => {
                    let mut content = member.content;
                    self.layer(&mut content, &[], names, depth + 1, plain, visit).map(|()| true)
                }
                Held::Coded(coding) => {
                    let mut decoded = self.decoded(coding, Box::new(member.content), depth);
                    let done = self.layer(&mut decoded, &[], names, depth + 1, false, visit);
                    // An archive in there may end before its stream does.
                    done.and_then(|()| skip(&mut decoded, u64::MAX)).map(|_| decoded.end == Some(Stop::Whole))
                }
                Held::Encrypted => {
                    self.leave_out(Reason::Encrypted);
                    Ok(true)
                }
                Held::Unknown => {
                    self.leave_out(Reason::Method);
                    Ok(true)
                }
            };
            names.pop();
            whole
        })?;
        self.rest(end, &mut input, names, plain, visit)
    }

    /// What follows the last member that was understood.
    fn rest(
        &self,
        end: End,
        stream: &mut dyn Read,
        names: &[MemberName],
        plain: bool,
        visit: &mut Visit<'_>,
    ) -> io::Result<()> {
        if end == End::Broken && self.failed.borrow().is_none() {
            self.leave_out(Reason::Damaged);
        }
        visit(Inner { names, plain, content: stream })
    }
}

/// Reads until the buffer is full or the stream ends; says how much that was.
fn fill(stream: &mut (impl Read + ?Sized), buf: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        match stream.read(&mut buf[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// Reads over bytes; `false`: there are fewer.
fn skip(stream: &mut (impl Read + ?Sized), length: u64) -> io::Result<bool> {
    Ok(io::copy(&mut stream.take(length), &mut io::sink())? == length)
}
