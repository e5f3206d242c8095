//! The last line: a panic is a bug of ours, told in one sentence with its place in the source and its own exit code.
//!
//! What it was about is never told: the message of a panic may hold bytes of the image.

use std::{
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    process::ExitCode,
    sync::{Mutex, PoisonError},
};

use crate::failure::Failure;

/// Why there was a panic.
enum Cause {
    /// The system gave no further thread: no bug, but the standard library's scopes know no other way to say it.
    NoThread,
    /// A bug, here.
    Bug(String),
}

/// Of the first panic.
static CAUSE: Mutex<Option<Cause>> = Mutex::new(None);

fn remember(info: &PanicHookInfo<'_>) {
    // What a message with arguments becomes.
    let cause = match info.payload().downcast_ref::<String>() {
        Some(message) if message.starts_with("failed to spawn thread") => Cause::NoThread,
        _ => Cause::Bug(info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string)),
    };
    // Others follow from the first: a thread that waits for one that panicked does, too.
    CAUSE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(cause);
}

/// Runs a command, and turns a panic into a failure. On the way the output, unfinished, is dropped.
pub(crate) fn guarded(run: impl FnOnce() -> Result<ExitCode, Failure>) -> Result<ExitCode, Failure> {
    panic::set_hook(Box::new(remember));
    let outcome = panic::catch_unwind(AssertUnwindSafe(run));
    drop(panic::take_hook());
    outcome.unwrap_or_else(|_| {
        Err(match CAUSE.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(Cause::NoThread) => Failure::no_thread(),
            Some(Cause::Bug(place)) => Failure::bug(&place),
            None => Failure::bug("an unknown place"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_tells_its_place_and_nothing_else() {
        let secret = "the content of a file";
        let failure =
            guarded(|| std::thread::scope(|scope| scope.spawn(|| panic!("{secret}")).join().unwrap()))
                .unwrap_err();
        let sentence = failure.to_string();
        assert!(sentence.contains("guard.rs:") && !sentence.contains(secret), "{sentence}");
        assert_eq!(failure.code(), ExitCode::from(70));
        // As std::thread::Scope::spawn says it.
        let failure =
            guarded(|| panic!("failed to spawn thread: {:?}", std::io::Error::from_raw_os_error(11)))
                .unwrap_err();
        assert_eq!(failure.code(), ExitCode::from(74));
        assert!(failure.to_string().starts_with("the system gives no further thread"), "{failure}");
    }
}
