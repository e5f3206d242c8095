//! What a decoder gives, within the limits that all layers of a file share. Never fails: it ends early, and the outcome
//! has the reason.

use std::io::{self, BufRead, Read};

use block::{to_u64, to_usize};

use super::{Reason, Walk, kind::Coding};

/// How decoding ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Whole,
    Early,
}

/// What a decoder gives, as long as the limits allow. Ends where the decoder fails.
pub(super) struct Decoded<'a> {
    walk: &'a Walk,
    decoder: Option<Box<dyn Read + 'a>>,
    /// Most bytes of one call.
    step: u64,
    pub(super) end: Option<Stop>,
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

impl Walk {
    /// What is in a stream that lies in so many layers.
    pub(super) fn decoded<'a>(
        &'a self,
        coding: Coding,
        input: Box<dyn BufRead + 'a>,
        depth: u32,
    ) -> Decoded<'a> {
        let window = self.limits.window.saturating_sub(depth);
        let decoder = coding.decoder(input, window);
        // XzReader drops what a call has decoded before the damage.
        let step = if coding == Coding::Xz { 1 << 12 } else { 1 << 16 };
        Decoded { walk: self, step, end: decoder.is_err().then_some(Stop::Early), decoder: decoder.ok() }
    }
}
