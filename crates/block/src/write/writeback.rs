//! Starts the system's writing to disk while the image is still being made. Only hints: nothing depends on them.
//!
//! A thread of its own gives them, for the system does the work of queueing the pages in the thread that asks.

use std::{fs::File, sync::mpsc::SyncSender};

use crate::{Extent, to_u64};

/// Bytes handed to the system between two hints.
const STEP: u64 = 32 << 20;
/// Bytes of one call: few enough that none have reached the disk when it returns.
#[cfg(target_os = "linux")]
const CALL: u64 = 1 << 20;
/// Hints that wait; more are dropped, and the sync at the end has more to do.
#[cfg(target_os = "linux")]
const WAITING: usize = 16;

/// Follows what is written to a file, front to back or not.
#[derive(Debug)]
pub(crate) struct Writeback {
    /// Bytes since the last hint, and the range they lie in.
    written: u64,
    range: Extent,
    hints: Option<SyncSender<Extent>>,
}

impl Writeback {
    pub(crate) fn new() -> Self {
        Self { written: 0, range: Extent::between(0, 0), hints: None }
    }

    /// `len` bytes were written at `offset` of `file`.
    pub(crate) fn wrote(&mut self, file: &File, offset: u64, len: usize) {
        let end = offset + to_u64(len);
        self.range = match self.written {
            0 => Extent::between(offset, end),
            _ => Extent::between(self.range.start.min(offset), self.range.end().max(end)),
        };
        self.written += to_u64(len);
        if self.written < STEP {
            return;
        }
        self.written = 0;
        if self.hints.is_none() {
            self.hints = start(file);
        }
        if let Some(hints) = &self.hints {
            let _ = hints.try_send(self.range);
        }
    }
}

/// The thread ends when the sender is dropped. `None` if the system has no more threads or files to give.
///
/// `POSIX_FADV_DONTNEED` starts the writeback of dirty pages, does not wait for it, and drops what is clean by then. Pages
/// on their way stay, so a verification right after still reads them from memory.
#[cfg(target_os = "linux")]
fn start(file: &File) -> Option<SyncSender<Extent>> {
    use rustix::fs::{Advice, fadvise};
    use std::{num::NonZeroU64, sync::mpsc::sync_channel, thread};

    let file = file.try_clone().ok()?;
    let (sender, receiver) = sync_channel::<Extent>(WAITING);
    let work = move || {
        for range in receiver {
            let mut at = range.start;
            while at < range.end() {
                let len = CALL.min(range.end() - at);
                let _ = fadvise(&file, at, NonZeroU64::new(len), Advice::DontNeed);
                at += len;
            }
        }
    };
    thread::Builder::new().name("writeback".to_owned()).spawn(work).ok()?;
    Some(sender)
}

#[cfg(not(target_os = "linux"))]
fn start(_: &File) -> Option<SyncSender<Extent>> {
    None
}
