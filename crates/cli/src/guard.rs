//! The last line: a panic is a bug of ours, told in one sentence with its place in the source and its own exit code.
//!
//! What it was about is never told: the message of a panic may hold bytes of the image.

use std::{
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    process::ExitCode,
    sync::{Mutex, PoisonError},
};

use crate::failure::Failure;

/// Where the first panic was.
static PLACE: Mutex<Option<String>> = Mutex::new(None);

fn remember(info: &PanicHookInfo<'_>) {
    let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    // Others follow from the first: a thread that waits for one that panicked does, too.
    PLACE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(place);
}

/// Runs a command, and turns a panic into a failure. On the way the output, unfinished, is dropped.
pub(crate) fn guarded(run: impl FnOnce() -> Result<ExitCode, Failure>) -> Result<ExitCode, Failure> {
    panic::set_hook(Box::new(remember));
    let outcome = panic::catch_unwind(AssertUnwindSafe(run));
    drop(panic::take_hook());
    outcome.unwrap_or_else(|_| {
        let place = PLACE.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(Failure::bug(&place.unwrap_or_else(|| "an unknown place".to_owned())))
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
    }
}
