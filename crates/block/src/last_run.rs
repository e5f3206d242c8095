//! The run that was found last: a walk over a device in small steps asks for each run once, not once a step.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use crate::{Extent, Run};

/// Of a device that does not change.
#[derive(Debug, Default)]
pub(crate) struct LastRun(Mutex<Option<(Extent, bool)>>);

impl LastRun {
    /// The rest of the run at `offset`; `find` is asked if it is not in the run that was found last.
    pub(crate) fn at(&self, offset: u64, find: impl FnOnce() -> io::Result<Run>) -> io::Result<Run> {
        // A memory only: what a panicking thread left behind is as true as before.
        let held = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = *held();
        if let Some((extent, zero)) = last
            && extent.contains_byte(offset)
        {
            return Ok(Run { len: extent.end() - offset, zero });
        }
        let run = find()?;
        *held() = Some((Extent { start: offset, len: run.len }, run.zero));
        Ok(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_once_a_run() {
        let last = LastRun::default();
        let asked = std::cell::Cell::new(0);
        let at = |offset: u64| {
            let run = last.at(offset, || {
                asked.set(asked.get() + 1);
                Ok(Run { len: 100 - offset % 100, zero: (offset / 100).is_multiple_of(2) })
            });
            let run = run.unwrap();
            (run.len, run.zero)
        };
        assert_eq!(
            [at(0), at(99), at(100), at(150), at(199)],
            [(100, true), (1, true), (100, false), (50, false), (1, false)]
        );
        assert_eq!(asked.get(), 2);
        // Backwards, only what was found is known.
        assert_eq!((at(250), at(240), asked.get()), ((50, true), (60, true), 4));
    }
}
