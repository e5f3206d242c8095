//! Job files for engines that people already have.
//!
//! Every engine gets the same: one task for each shard of the plan, another try after exit code 75 (it was stopped, or a
//! node went away), none after 1, 2, 65, 70 or 74, which would end the same again, and one task's end never ends the others.
//! What is done is not done again, so a whole array can be submitted twice.

mod aws_batch;
mod kubernetes;
mod parallel;
mod quote;
mod slurm;

pub use aws_batch::aws_batch;
pub use kubernetes::kubernetes;
pub use parallel::parallel;
pub use slurm::slurm;

/// Exit code of a task that is worth another try (EX_TEMPFAIL).
pub const AGAIN: u8 = 75;
/// Exit codes after which another try ends the same.
pub const FINAL: [u8; 5] = [1, 2, 65, 70, 74];

/// What a job file is for. Paths are absolute, and the same on all machines.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// The plan.
    pub plan: &'a str,
    /// Its shards.
    pub shards: u32,
    /// What the job is called.
    pub name: &'a str,
    /// The program: a path, or a name to be found on the machines.
    pub program: &'a str,
    /// Tasks at the same time; `None`: as many as the engine likes.
    pub at_once: Option<u32>,
    /// Processors of a task.
    pub processors: u16,
    /// Memory of a task in MiB.
    pub memory: u32,
    /// How often a task is tried again.
    pub retries: u8,
}

impl Job<'_> {
    /// What a task does, as words of a command line. Its memory budget leaves a quarter for the kernel's buffers.
    pub(crate) fn words(&self, shard: &str) -> Vec<String> {
        let memory = format!("{}M", self.memory - self.memory / 4);
        let jobs = self.processors.to_string();
        let words = [
            self.program,
            "batch",
            "run",
            "--plan",
            self.plan,
            "--shard",
            shard,
            "--jobs",
            &jobs,
            "--memory",
            &memory,
            "--quiet",
        ];
        words.map(str::to_owned).to_vec()
    }

    /// What puts the results together.
    pub(crate) fn merge(&self) -> Vec<String> {
        [self.program, "batch", "merge", "--plan", self.plan].map(str::to_owned).to_vec()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::Job;

    pub(crate) fn job() -> Job<'static> {
        Job {
            plan: "/shelf/it's a plan.jsonl",
            shards: 16,
            name: "diskscrub",
            program: "/usr/bin/diskscrub",
            at_once: Some(4),
            processors: 2,
            memory: 2048,
            retries: 3,
        }
    }
}
