//! Runs the command under bounds of time and memory.

use std::{
    ffi::OsStr,
    io::Read,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Data that a run may have in memory, in KiB: far more than any of these small images needs.
const MEMORY: u32 = 300 * 1024;
/// A run that takes longer hangs.
const SECONDS: u64 = 60;

/// How a run ended.
pub(crate) struct Outcome {
    /// `None`: by a signal, or not at all.
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
    pub(crate) signal: Option<i32>,
    pub(crate) hung: bool,
    pub(crate) elapsed: Duration,
}

/// Runs `diskscrub` in `dir` and waits for its end.
pub(crate) fn diskscrub(dir: &Path, args: &[&OsStr]) -> Outcome {
    let limited = format!("ulimit -c 0; ulimit -d {MEMORY}; exec \"$@\"");
    let started = Instant::now();
    let mut child = Command::new("sh")
        .args(["-c", &limited, "sh", env!("CARGO_BIN_EXE_diskscrub")])
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A closed pipe is the end of the process; the thread that waits for it lets this one look at the clock.
    let mut pipe = child.stderr.take().unwrap();
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        pipe.read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    });
    let mut hung = false;
    while !reader.is_finished() {
        if started.elapsed() > Duration::from_secs(SECONDS) {
            hung = true;
            child.kill().unwrap();
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    let status = child.wait().unwrap();
    let stderr = reader.join().unwrap();
    Outcome { code: status.code(), stderr, signal: status.signal(), hung, elapsed: started.elapsed() }
}
