//! DSSE envelopes (secure-systems-lab/dsse, protocol version 1): a payload, its type, and signatures over both.

use base64ct::{Base64, Encoding};
use serde::{Deserialize, Serialize};

use crate::{PrivateKey, PublicKey};

/// The type of an in-toto Statement in JSON.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// Why an envelope does not speak for its payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not JSON, or not an envelope.
    #[error("is no DSSE envelope: {0}")]
    Malformed(String),
    /// It holds something else.
    #[error("holds a payload of type {0:?}, expected {PAYLOAD_TYPE:?}")]
    Type(String),
    /// No signature by the key.
    #[error("no signature verifies with the key {0}")]
    Signature(String),
}

/// An envelope, whose field names are the JSON's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The payload in base64.
    pub payload: String,
    /// What it is.
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// One at least.
    pub signatures: Vec<Signature>,
}

/// A signature over [`pae`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Which key made it; a hint only. [`PublicKey::id`].
    #[serde(default)]
    pub keyid: String,
    /// In base64.
    pub sig: String,
}

/// The bytes that are signed: DSSE's pre-authentication encoding.
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

impl Envelope {
    /// Signs a payload of [`PAYLOAD_TYPE`].
    #[must_use]
    pub fn sign(payload: &[u8], key: &PrivateKey) -> Self {
        Self {
            payload: Base64::encode_string(payload),
            payload_type: PAYLOAD_TYPE.to_owned(),
            signatures: vec![Signature {
                keyid: key.public().id(),
                sig: Base64::encode_string(&key.sign(&pae(PAYLOAD_TYPE, payload))),
            }],
        }
    }

    /// As one line of JSON, with its end.
    #[must_use]
    pub fn to_line(&self) -> String {
        let mut line = serde_json::to_string(self).expect("an envelope is plain text");
        line.push('\n');
        line
    }

    /// From JSON.
    pub fn parse(json: &str) -> Result<Self, EnvelopeError> {
        serde_json::from_str(json).map_err(|error| EnvelopeError::Malformed(error.to_string()))
    }

    /// The payload, if `key` signed it. What a key ID says does not matter.
    pub fn open(&self, key: &PublicKey) -> Result<Vec<u8>, EnvelopeError> {
        if self.payload_type != PAYLOAD_TYPE {
            return Err(EnvelopeError::Type(self.payload_type.clone()));
        }
        let payload = Base64::decode_vec(&self.payload)
            .map_err(|_| EnvelopeError::Malformed("its payload is no base64".to_owned()))?;
        let message = pae(&self.payload_type, &payload);
        let signed = self.signatures.iter().any(|signature| {
            Base64::decode_vec(&signature.sig).is_ok_and(|bytes| key.verifies(&message, &bytes))
        });
        if signed { Ok(payload) } else { Err(EnvelopeError::Signature(key.id())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        // The example of DSSE's protocol.md.
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }
}
