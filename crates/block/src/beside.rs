//! Two pieces of work beside each other.

use std::{panic::resume_unwind, thread};

/// Does both; with more than one thread, at the same time. Panics if one of them does.
pub fn side_by_side<A, B: Send>(
    threads: usize,
    first: impl FnOnce() -> A,
    second: impl FnOnce() -> B + Send,
) -> (A, B) {
    if threads <= 1 {
        let first = first();
        return (first, second());
    }
    thread::scope(|scope| {
        let second = scope.spawn(second);
        (first(), second.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_done() {
        for threads in 0..3 {
            assert_eq!(side_by_side(threads, || 1, || "b"), (1, "b"));
        }
    }
}
