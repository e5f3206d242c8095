//! Signed statements about what was verified: in-toto Statements in DSSE envelopes.
//!
//! Pure functions over bytes: nothing here reads a file, a clock or the network, and nothing prints. Same statement,
//! same key, same envelope: both kinds of signature are deterministic. A private key is wiped from memory when it is
//! dropped, and never appears in an error.

mod envelope;
mod key;
mod statement;

pub use envelope::{Envelope, EnvelopeError, PAYLOAD_TYPE, pae};
pub use key::{KeyError, PrivateKey, PublicKey};
pub use statement::{PREDICATE_TYPE, Predicate, Resource, STATEMENT_TYPE, Statement, Verifier};

/// SHA-256 in hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    hex(&Sha256::digest(bytes))
}

/// In lower case.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
