//! One attempt at a row: a child process, watched until it ends or has to.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use batch::{Header, Row};
use block::OutputFile;

use super::{budget::Share, row::Order};
use crate::{
    bar::Told,
    confine,
    failure::{AGAIN, BUG, IO},
};

/// How often a child is asked whether it has ended, and whether it has to.
const LOOK: Duration = Duration::from_millis(5);
/// After a signal that others may have got as well, the time to notice that this process has.
const GRACE: Duration = Duration::from_millis(100);
/// Longest line that a child may say.
const LINE: u64 = 64 << 10;
/// SIGABRT: what a program ends with that gets no memory.
const ABORTED: i32 = 6;

/// How an attempt ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It wrote its report: the image is clean, or findings remain.
    Reported,
    /// It could not, and said why.
    Failed(u8, String),
    /// Its share of memory or room was too small.
    Cramped(u8, String),
    /// It was stopped, since this process was.
    Stopped,
}

/// What a child is told of the world.
pub(super) struct Task<'a> {
    pub(super) header: &'a Header,
    pub(super) row: &'a Row,
    pub(super) share: Share,
    /// Directory for unpacked images, if one was named.
    pub(super) scratch: Option<&'a Path>,
}

impl Task<'_> {
    /// Where the unpacked image would be, had it a name.
    pub(super) fn scratch(&self) -> PathBuf {
        let output = self.row.output();
        let mut name = output.file_name().unwrap_or_default().to_owned();
        name.push(".unpacked");
        match self.scratch {
            // Rows of several directories meet here, and so do those of several plans.
            Some(directory) => directory.join(format!("{}.unpacked", short_name(&self.row.output))),
            None => output.with_file_name(name),
        }
    }

    /// Removes what attempts left that were killed, on file systems where files must have names.
    pub(super) fn sweep(&self) {
        let names = batch::beside(self.row.output());
        for path in [self.row.output(), &names.report, &names.failure, &self.scratch()] {
            // What cannot be removed does no harm, and is tried again.
            let _ = OutputFile::sweep(path);
        }
    }

    /// Cleans the row's image. `shown` is told what the child does; `stop` ends it.
    pub(super) fn attempt(&self, stop: &AtomicBool, shown: &(dyn Fn(Told) + Sync)) -> End {
        let mut child = match self.start() {
            Ok(child) => child,
            Err(error) => return End::Failed(AGAIN, format!("no process could be started: {error}")),
        };
        let stderr = child.stderr.take();
        let (status, said) = thread::scope(|scope| {
            let said = scope.spawn(|| stderr.map(|stderr| listen(stderr, shown)).unwrap_or_default());
            let status = wait(&mut child, stop);
            (status, said.join().unwrap_or_default())
        });
        match status {
            Ok(status) => self.judge(status, &said, stop),
            Err(error) => End::Failed(AGAIN, format!("the process could not be watched: {error}")),
        }
    }

    fn start(&self) -> std::io::Result<Child> {
        let order = Order {
            row: self.row.clone(),
            digest: self.header.policy.digest.clone(),
            memory: self.share.memory,
            scratch: self.scratch(),
            room: self.share.room,
            parent: i32::try_from(std::process::id()).unwrap_or_default(),
        };
        let order = serde_json::to_string(&order).expect("an order is plain data");
        let mut clean = Command::new(std::env::current_exe()?);
        clean.arg("clean").arg(self.row.input()).arg("--output").arg(self.row.output()).arg("--force");
        clean.arg("--report").arg(batch::beside(self.row.output()).report);
        clean.arg("--threads").arg(self.share.threads.to_string()).arg("--row").arg(order);
        if !confine::is_wanted() {
            clean.arg("--no-sandbox");
        }
        clean.args(&self.header.select).args(&self.header.options);
        if let Some(scratch) = self.scratch {
            // What outgrows memory goes there, too.
            clean.env("TMPDIR", scratch);
        }
        clean.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()
    }

    fn judge(&self, status: ExitStatus, said: &Said, stop: &AtomicBool) -> End {
        let reason = said.sentence.clone();
        match (status.code(), status.signal()) {
            (Some(0 | 1), _) => End::Reported,
            (Some(code), _) => {
                let code = u8::try_from(code).unwrap_or(BUG);
                // A thread that gets no stack is a bug that a larger share may cure.
                if said.cramped || code == BUG {
                    End::Cramped(code, reason)
                } else {
                    End::Failed(code, reason)
                }
            }
            (None, Some(ABORTED)) => {
                End::Cramped(IO, "it takes more memory than its share of --memory".to_owned())
            }
            (None, signal) => {
                thread::sleep(GRACE);
                if stop.load(Ordering::Relaxed) {
                    return End::Stopped;
                }
                let number = signal.map_or_else(String::new, |number| format!(" {number}"));
                End::Failed(AGAIN, format!("the process was ended by signal{number}"))
            }
        }
    }
}

/// A short name that no other path has.
fn short_name(path: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(path.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Waits until the child ends, or ends it.
fn wait(child: &mut Child, stop: &AtomicBool) -> std::io::Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if stop.load(Ordering::Relaxed) {
            // Nothing of it has a name yet; if it has come to naming, it may be done.
            child.kill()?;
            return child.wait();
        }
        thread::sleep(LOOK);
    }
}

/// What a child said.
#[derive(Debug, Default)]
struct Said {
    /// Its last message.
    sentence: String,
    /// Whether its room was too small.
    cramped: bool,
}

/// Reads what a child says, to the end.
fn listen(stderr: ChildStderr, shown: &(dyn Fn(Told) + Sync)) -> Said {
    let (mut said, mut lines, mut line) = (Said::default(), BufReader::new(stderr), Vec::new());
    loop {
        line.clear();
        match lines.by_ref().take(LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return said,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        match serde_json::from_str(&text) {
            Ok(Told::Scratch) => said.cramped = true,
            Ok(told) => shown(told),
            Err(_) => {
                if let Some(sentence) = text.trim_end().strip_prefix("diskscrub: ") {
                    said.sentence = block::visible(sentence).into_owned();
                }
            }
        }
    }
}
