//! Checks: pure functions that tell a secret from what only looks like one. One file a format.

pub(crate) mod github;
pub(crate) mod pem;
