//! What archives and compressed files hold, as streams: gzip, xz, zstd, bzip2, tar and ZIP, in each other.
//!
//! Believes nothing: depth, decoded bytes, members and memory are bounded by [`Limits`], whatever an archive says.
//! Nothing is left out in silence: what was not looked into is in the [`Outcome`], with the reason. Reads front to
//! back, once; writes nothing, and never uses a member's name for anything but to show it.

mod bzip2;
mod kind;
mod name;
mod tar;
#[cfg(test)]
mod tests;
mod zip;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    fmt,
    io::{self, BufRead, BufReader, Read},
};

use block::{to_u64, to_usize};
use serde::Serialize;

use kind::Coding;
pub use kind::{HEAD, Kind};
pub use name::MemberName;
use tar::End;
use zip::Held;

/// How far to go into one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Archives and compressions within each other: `a.tar.gz` has two.
    pub depth: u32,
    /// Bytes that decoders may give, all layers together.
    pub bytes: u64,
    /// Members of archives, all together.
    pub members: u64,
    /// The outermost decoder's memory, as a power of two; each further layer has half of what the one around it has.
    pub window: u32,
}

impl Limits {
    /// For a file of this size. Data that is worth compressing shrinks to a fifth, logs to a fiftieth; a bomb is a
    /// thousand times as large as its file, or without bound.
    #[must_use]
    pub const fn for_file(size: u64) -> Self {
        let scaled = size.saturating_mul(256).saturating_add(64 << 20);
        let most = 4 << 30;
        Self { depth: 5, bytes: if scaled < most { scaled } else { most }, members: 1 << 20, window: 27 }
    }
}

/// Why something was not looked into, or not to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Too many layers around it.
    Depth,
    /// It would have given more bytes than the limit allows.
    Budget,
    /// Too many members.
    Members,
    /// Its decoder needs more memory than the limit allows.
    Memory,
    /// A member of a ZIP archive is encrypted.
    Encrypted,
    /// A way of compression, or of stating a size, that is not known.
    Method,
    /// It is damaged, or cut short.
    Damaged,
    /// The filesystem cannot read the file.
    Unreadable,
    /// A decoder gave up on the whole file: a bug of it, or of ours.
    Failed,
}

impl Reason {
    /// In one word, as it is written in JSON: `budget`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Depth => "depth",
            Self::Budget => "budget",
            Self::Members => "members",
            Self::Memory => "memory",
            Self::Encrypted => "encrypted",
            Self::Method => "method",
            Self::Damaged => "damaged",
            Self::Unreadable => "unreadable",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Depth => "nested too deep",
            Self::Budget => "too large when unpacked",
            Self::Members => "too many members",
            Self::Memory => "need too much memory",
            Self::Encrypted => "encrypted",
            Self::Method => "compressed by an unknown method",
            Self::Damaged => "damaged or cut short",
            Self::Unreadable => "unreadable",
            Self::Failed => "not understood by their decoder",
        })
    }
}

/// What was looked into, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Streams that were given: members, and what compressed files hold.
    pub streams: u64,
    /// Bytes that decoders gave, all layers together.
    pub bytes: u64,
    /// The kinds that were looked into.
    pub kinds: BTreeSet<Kind>,
    /// How many were not looked into, or not to their end. What had been decoded by then was given.
    pub left_out: BTreeMap<Reason, u64>,
}

impl Outcome {
    /// Both together.
    pub fn add(&mut self, other: &Self) {
        self.streams += other.streams;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.kinds.extend(&other.kinds);
        for (reason, number) in &other.left_out {
            *self.left_out.entry(*reason).or_default() += number;
        }
    }
}

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

    fn decoded<'a>(&'a self, coding: Coding, input: Box<dyn BufRead + 'a>, depth: u32) -> Decoded<'a> {
        let window = self.limits.window.saturating_sub(depth);
        let decoder = coding.decoder(input, window);
        // XzReader drops what a call has decoded before the damage.
        let step = if coding == Coding::Xz { 1 << 12 } else { 1 << 16 };
        Decoded { walk: self, step, end: decoder.is_err().then_some(Stop::Early), decoder: decoder.ok() }
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

/// How decoding ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Whole,
    Early,
}

/// What a decoder gives, as long as the limits allow. Ends where the decoder fails.
struct Decoded<'a> {
    walk: &'a Walk,
    decoder: Option<Box<dyn Read + 'a>>,
    /// Most bytes of one call.
    step: u64,
    end: Option<Stop>,
}

impl Read for Decoded<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(decoder) = self.decoder.as_mut().filter(|_| self.end.is_none() && !buf.is_empty()) else {
            return Ok(0);
        };
        let left = self.walk.bytes.get();
        if left == 0 {
            self.walk.leave_out(Reason::Budget);
            self.end = Some(Stop::Early);
            return Ok(0);
        }
        let most = to_u64(buf.len()).min(left).min(self.step);
        let read = loop {
            match decoder.read(&mut buf[..to_usize(most)]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        match read {
            Ok(0) => {
                self.end = Some(Stop::Whole);
                Ok(0)
            }
            Ok(read) => {
                // The layers around this one have had their part of it.
                let left = self.walk.bytes.get();
                self.walk.bytes.set(left.saturating_sub(to_u64(read)));
                self.walk.outcome.borrow_mut().bytes += to_u64(read);
                Ok(read)
            }
            Err(error) => {
                self.end = Some(Stop::Early);
                if self.walk.failed.borrow().is_none() {
                    self.walk.leave_out(reason(&error));
                }
                Ok(0)
            }
        }
    }
}

/// Why a decoder gave up. zstd has only words for it.
fn reason(error: &io::Error) -> Reason {
    let memory = error.kind() == io::ErrorKind::OutOfMemory || error.to_string().contains("memory");
    match error.kind() {
        _ if memory => Reason::Memory,
        io::ErrorKind::Unsupported => Reason::Method,
        _ => Reason::Damaged,
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
