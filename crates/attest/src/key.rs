//! Keys: Ed25519, and ECDSA over P-256 with SHA-256. Private ones in PKCS#8, public ones in SPKI, both as PEM.

use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePublicKey, spki::der::Document};
use p256::ecdsa::signature::{Signer, Verifier};
use zeroize::Zeroizing;

/// Why a key cannot be used. Tells nothing of the key itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No PEM block at all.
    #[error("is no key in PEM")]
    NotPem,
    /// A passphrase would be needed.
    #[error("is encrypted; decrypt it first with `openssl pkey`")]
    Encrypted,
    /// `EC PRIVATE KEY`, `RSA PRIVATE KEY`, `OPENSSH PRIVATE KEY`.
    #[error("is a private key, but not in PKCS#8; convert it with `openssl pkcs8 -topk8 -nocrypt`")]
    NotPkcs8,
    /// A public key where a private one is needed.
    #[error("is a public key; a private one is needed to sign")]
    Public,
    /// A private key where a public one will do.
    #[error("is a private key; the public one is enough, see `openssl pkey -pubout`")]
    Private,
    /// RSA, another curve, or a malformed key.
    #[error("is neither an Ed25519 nor a P-256 key")]
    Unsupported,
}

/// Signs. Wiped when dropped; shows nothing.
pub struct PrivateKey(Private);

enum Private {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    P256(Box<p256::ecdsa::SigningKey>),
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKey")
    }
}

impl PrivateKey {
    /// From PEM, which is wiped.
    pub fn from_pem(pem: Vec<u8>) -> Result<Self, KeyError> {
        let pem = Zeroizing::new(pem);
        let pem = std::str::from_utf8(&pem).map_err(|_| KeyError::NotPem)?;
        match label(pem).ok_or(KeyError::NotPem)? {
            "PRIVATE KEY" => {}
            "ENCRYPTED PRIVATE KEY" => return Err(KeyError::Encrypted),
            "PUBLIC KEY" => return Err(KeyError::Public),
            other if other.ends_with("PRIVATE KEY") || other == "EC PARAMETERS" => {
                return Err(KeyError::NotPkcs8);
            }
            _ => return Err(KeyError::Unsupported),
        }
        let pem = pem.trim();
        if let Ok(key) = ed25519_dalek::SigningKey::from_pkcs8_pem(pem) {
            return Ok(Self(Private::Ed25519(Box::new(key))));
        }
        let key = p256::ecdsa::SigningKey::from_pkcs8_pem(pem).map_err(|_| KeyError::Unsupported)?;
        Ok(Self(Private::P256(Box::new(key))))
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(match &self.0 {
            Private::Ed25519(key) => Public::Ed25519(key.verifying_key()),
            Private::P256(key) => Public::P256(*key.verifying_key()),
        })
    }

    /// 64 bytes for Ed25519; for P-256 an ASN.1 `Ecdsa-Sig-Value` (RFC 3279), its nonce by RFC 6979.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.0 {
            Private::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            Private::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
        }
    }
}

/// Verifies.
#[derive(Debug, Clone)]
pub struct PublicKey(Public);

#[derive(Debug, Clone)]
enum Public {
    Ed25519(ed25519_dalek::VerifyingKey),
    P256(p256::ecdsa::VerifyingKey),
}

impl PublicKey {
    /// From PEM.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let pem = std::str::from_utf8(pem).map_err(|_| KeyError::NotPem)?;
        match label(pem).ok_or(KeyError::NotPem)? {
            "PUBLIC KEY" => {}
            other if other.ends_with("PRIVATE KEY") => return Err(KeyError::Private),
            _ => return Err(KeyError::Unsupported),
        }
        let pem = pem.trim();
        if let Ok(key) = ed25519_dalek::VerifyingKey::from_public_key_pem(pem) {
            return Ok(Self(Public::Ed25519(key)));
        }
        let key = p256::ecdsa::VerifyingKey::from_public_key_pem(pem).map_err(|_| KeyError::Unsupported)?;
        Ok(Self(Public::P256(key)))
    }

    /// SHA-256 of its SPKI in DER, in hexadecimal: what `openssl pkey -pubin -outform DER | sha256sum` prints.
    #[must_use]
    pub fn id(&self) -> String {
        crate::sha256(self.spki().as_bytes())
    }

    fn spki(&self) -> Document {
        match &self.0 {
            Public::Ed25519(key) => key.to_public_key_der(),
            Public::P256(key) => key.to_public_key_der(),
        }
        .expect("the keys of both kinds can be encoded")
    }

    /// Whether its private key made `signature` for `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.0 {
            // Strict: no key or signature of small order, which would fit more than one message.
            Public::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            Public::P256(key) => p256::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
        }
    }
}

/// What the first PEM block says that it is.
fn label(pem: &str) -> Option<&str> {
    let line = pem.lines().find(|line| line.starts_with("-----BEGIN "))?;
    line.trim_end().strip_prefix("-----BEGIN ")?.strip_suffix("-----")
}
