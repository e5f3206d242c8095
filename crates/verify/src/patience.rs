//! A device that stops answering after a time: who reads it in circles comes to an end.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use block::{BlockRead, Run};

/// When patience ends, and whether it has.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    limit: Duration,
    start: Instant,
    over: Arc<AtomicBool>,
}

impl Patience {
    /// Begins now.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, start: Instant::now(), over: Arc::default() }
    }

    /// The device, for as long as patience lasts.
    pub(crate) fn limit<D>(&self, device: D) -> Limited<D> {
        Limited { device, patience: self.clone() }
    }

    /// Whether a read has been refused.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub(crate) fn seconds(&self) -> u64 {
        self.limit.as_secs()
    }

    fn check(&self) -> io::Result<()> {
        if self.start.elapsed() < self.limit {
            return Ok(());
        }
        self.over.store(true, Ordering::Relaxed);
        Err(io::Error::from(io::ErrorKind::TimedOut))
    }
}

/// See [`Patience::limit`].
#[derive(Debug)]
pub(crate) struct Limited<D> {
    device: D,
    patience: Patience,
}

impl<D: BlockRead> BlockRead for Limited<D> {
    fn size(&self) -> u64 {
        self.device.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.patience.check()?;
        self.device.read_at(offset, buf)
    }

    fn run_at(&self, offset: u64) -> io::Result<Run> {
        self.device.run_at(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_until_it_is_over() {
        let patience = Patience::new(Duration::from_secs(3600));
        assert!(patience.limit(vec![0; 8]).read_at(0, &mut [0]).is_ok());
        assert!(!patience.is_over());
        let none = Patience::new(Duration::ZERO);
        assert_eq!(none.limit(vec![0; 8]).read_at(0, &mut [0]).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(none.is_over());
    }
}
