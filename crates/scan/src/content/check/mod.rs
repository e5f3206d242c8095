//! Checks: pure functions that tell a secret from what only looks like one. One file a format. They read bytes from
//! hostile disks: none panics, none keeps what it read, none takes more memory than its input.

pub(crate) mod base64;
pub(crate) mod bech32;
pub(crate) mod checksum;
pub(crate) mod crypt;
pub(crate) mod der;
pub(crate) mod github;
pub(crate) mod jwt;
pub(crate) mod known;
pub(crate) mod openssh;
pub(crate) mod pem;
pub(crate) mod pgp;
pub(crate) mod plausible;
pub(crate) mod secret;
pub(crate) mod store;
