//! How many rows at a time, and what each may take: memory and scratch room are shared out before anything starts.
//!
//! Shares are equal. What needs more than its share is done alone, behind all others, with the whole budget; so nobody
//! waits for room that another one holds.

use std::{
    fs, io,
    num::NonZero,
    path::{Path, PathBuf},
    thread,
};

use crate::{args::BatchRunArgs, failure::Failure, human};

/// What one job should have at least: four times what a Debian of 8 GiB takes.
const LEAST: u64 = 256 << 20;

/// What one job may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    /// Bytes of memory.
    pub(super) memory: u64,
    /// Bytes of unpacked images.
    pub(super) room: u64,
    /// Threads.
    pub(super) threads: usize,
}

/// What all jobs may take together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// Jobs at the same time.
    pub(super) jobs: usize,
    /// All that there is: the share of a job that is alone.
    pub(super) whole: Share,
}

impl Budget {
    /// What the command line allows, or else what this machine has. `scratch`: a directory where images are unpacked.
    pub(super) fn new(args: &BatchRunArgs, scratch: &Path) -> Result<Self, Failure> {
        let memory = args.memory.or_else(available).unwrap_or(LEAST);
        let room = match args.scratch_size {
            Some(room) => room,
            None => three_quarters(free(scratch).map_err(|error| Failure::output(scratch, &error))?),
        };
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let jobs = args.jobs.map_or(processors, usize::from);
        if memory < LEAST {
            return Err(Failure::usage(format_args!(
                "--memory: a job takes {} at least",
                human::size(LEAST)
            )));
        }
        Ok(Self::share_out(jobs, processors, memory, room))
    }

    fn share_out(jobs: usize, processors: usize, memory: u64, room: u64) -> Self {
        let fit = usize::try_from(memory / LEAST).unwrap_or(usize::MAX);
        Self { jobs: jobs.min(fit).max(1), whole: Share { memory, room, threads: processors } }
    }

    /// The share of each of so many jobs.
    pub(super) fn share(&self, jobs: usize) -> Share {
        let (jobs, of) = (block::to_u64(jobs.max(1)), self.whole);
        let threads = (of.threads / jobs.try_into().unwrap_or(usize::MAX)).max(1);
        Share { memory: of.memory / jobs, room: of.room / jobs, threads }
    }
}

/// Three quarters of the memory that programs can get without swapping, by the kernel's word.
fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(three_quarters(kib.saturating_mul(1024)))
}

fn three_quarters(bytes: u64) -> u64 {
    bytes - bytes / 4
}

/// Bytes that anybody can still write in a directory, or in the one that it will be made in.
fn free(directory: &Path) -> io::Result<u64> {
    let there: PathBuf =
        directory.ancestors().find(|directory| directory.exists()).unwrap_or(directory).into();
    let found = rustix::fs::statvfs(&there)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_exceed_the_budget() {
        let budget = Budget::share_out(8, 4, 1 << 30, 1000);
        assert_eq!(budget.jobs, 4, "a quarter each is the least");
        assert_eq!(budget.share(4), Share { memory: LEAST, room: 250, threads: 1 });
        assert_eq!(budget.share(2).threads, 2);
        assert_eq!(budget.share(1), budget.whole);
        assert_eq!(Budget::share_out(1, 1, LEAST, 0).jobs, 1);
        assert!(available().unwrap() > 0 && free(Path::new("/tmp/not/there")).unwrap() > 0);
    }
}
