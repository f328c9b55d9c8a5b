//! Ed25519 keys, in the files that `openssl genpkey -algorithm ed25519` makes: PKCS#8 and `SubjectPublicKeyInfo` PEM.
//!
//! Promises one rule for every signature, RFC 8032 strict verification, and refuses weak keys when they are read: a
//! small-order key would verify any message. Never makes a key: randomness comes from outside. (docs/FORMAT.md, Keys)

use std::{fmt, sync::Arc};

use ed25519_dalek::{
    Signature, Signer, SigningKey, VerifyingKey,
    pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, spki::der::pem::LineEnding},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::digest::{KeyId, sha256};

/// DER of a `SubjectPublicKeyInfo` for Ed25519, up to the 32 bytes of the key (RFC 8410 section 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why a key was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a PEM or DER `SubjectPublicKeyInfo` of an Ed25519 key.
    #[error("not an Ed25519 public key (SubjectPublicKeyInfo): {0}")]
    MalformedPublicKey(String),
    /// Not a PKCS#8 PEM Ed25519 private key.
    #[error("not an Ed25519 private key (PKCS#8 PEM, as `openssl genpkey -algorithm ed25519` writes it)")]
    MalformedSecretKey,
    /// A key of small order, under which signatures that nobody made would verify.
    #[error("weak Ed25519 key: a point of small order")]
    Weak,
}

impl KeyError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MalformedPublicKey(_) => "malformed-public-key",
            Self::MalformedSecretKey => "malformed-secret-key",
            Self::Weak => "weak-key",
        }
    }

    /// The same without what was found.
    pub fn without_values(&self) -> String {
        match self {
            Self::MalformedPublicKey(_) => "not an Ed25519 public key (SubjectPublicKeyInfo)".to_owned(),
            Self::MalformedSecretKey | Self::Weak => self.to_string(),
        }
    }
}

/// An Ed25519 public key that has been decompressed and found not to be weak. Cheap to clone.
#[derive(Clone)]
pub struct PublicKey {
    point: Arc<VerifyingKey>,
    keyid: KeyId,
}

impl PublicKey {
    /// Takes the 32 bytes of RFC 8032.
    pub fn from_raw(raw: [u8; 32]) -> Result<Self, KeyError> {
        let point = VerifyingKey::from_bytes(&raw).map_err(|error| KeyError::MalformedPublicKey(error.to_string()))?;
        if point.is_weak() {
            return Err(KeyError::Weak);
        }
        // A y at or above p is a second spelling of a point, and so a second key id (RFC 8032 section 5.1.3).
        if point.to_edwards().compress().as_bytes() != &raw {
            return Err(KeyError::MalformedPublicKey("its point is not in its one spelling".to_owned()));
        }
        Ok(Self { keyid: KeyId::from_bytes(sha256(&spki(&raw))), point: Arc::new(point) })
    }

    /// Reads a DER `SubjectPublicKeyInfo`.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let raw = der.strip_prefix(&SPKI_PREFIX).and_then(|raw| raw.try_into().ok());
        Self::from_raw(raw.ok_or_else(|| KeyError::MalformedPublicKey("not the DER of one".to_owned()))?)
    }

    /// Reads a PEM `SubjectPublicKeyInfo` (`-----BEGIN PUBLIC KEY-----`).
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let point =
            VerifyingKey::from_public_key_pem(pem).map_err(|error| KeyError::MalformedPublicKey(error.to_string()))?;
        Self::from_raw(point.to_bytes())
    }

    /// The PEM that `openssl pkey -pubout` prints, with its last newline.
    pub fn to_pem(&self) -> String {
        // Encoding 44 bytes has no way to fail; an empty text would be refused by every reader.
        self.point.to_public_key_pem(LineEnding::LF).unwrap_or_default()
    }

    /// The DER `SubjectPublicKeyInfo`, 44 bytes.
    pub fn to_der(&self) -> Vec<u8> {
        spki(self.point.as_bytes())
    }

    /// The 32 bytes of RFC 8032.
    pub fn raw(&self) -> [u8; 32] {
        self.point.to_bytes()
    }

    /// SHA-256 of the DER.
    pub const fn keyid(&self) -> KeyId {
        self.keyid
    }

    /// Strict single verification: canonical encodings only, no small-order points, no batch equation.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.point.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

fn spki(raw: &[u8; 32]) -> Vec<u8> {
    let mut der = SPKI_PREFIX.to_vec();
    der.extend_from_slice(raw);
    der
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.keyid == other.keyid
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.keyid)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_pem())
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_pem(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// An Ed25519 private key. Its bytes are wiped when it is dropped, and never printed.
pub struct SecretKey {
    key: SigningKey,
    public: PublicKey,
}

impl SecretKey {
    /// Takes the 32 random bytes that RFC 8032 calls the private key.
    pub fn from_seed(seed: [u8; 32]) -> Result<Self, KeyError> {
        let key = SigningKey::from_bytes(&seed);
        let public = PublicKey::from_raw(key.verifying_key().to_bytes())?;
        Ok(Self { key, public })
    }

    /// Reads a PKCS#8 PEM file (`-----BEGIN PRIVATE KEY-----`).
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let key = SigningKey::from_pkcs8_pem(pem).map_err(|_not_pkcs8| KeyError::MalformedSecretKey)?;
        Self::from_seed(key.to_bytes())
    }

    /// The PKCS#8 PEM that `openssl pkey` reads.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        // `openssl` of today refuses PKCS#8 v2, which carries the public key as well: write v1, the private key alone.
        let bytes = ed25519_dalek::pkcs8::KeypairBytes { secret_key: self.key.to_bytes(), public_key: None };
        let pem = bytes.to_pkcs8_pem(LineEnding::LF).map_err(|_not_encoded| KeyError::MalformedSecretKey)?;
        Ok(pem.to_string())
    }

    /// The public half.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// SHA-256 of the public half's DER.
    pub const fn keyid(&self) -> KeyId {
        self.public.keyid()
    }

    /// The deterministic signature of RFC 8032 over `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.keyid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `openssl genpkey -algorithm ed25519`; the key id with `openssl pkey -pubout -outform DER | sha256sum`.
    const OPENSSL: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n-----END PRIVATE KEY-----\n";

    #[test]
    fn an_openssl_key_is_read_and_written_alike() {
        let key = SecretKey::from_pem(OPENSSL).unwrap();
        assert_eq!(key.to_pem().unwrap(), OPENSSL);
        let public = PublicKey::from_pem(&key.public().to_pem()).unwrap();
        assert_eq!(public, *key.public());
        assert_eq!(PublicKey::from_der(&public.to_der()).unwrap(), public);
        assert!(public.verify(b"m", &key.sign(b"m")));
        assert!(!public.verify(b"n", &key.sign(b"m")));
    }

    #[test]
    fn a_weak_key_is_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey::from_raw(identity).unwrap_err(), KeyError::Weak);
        assert_eq!(PublicKey::from_raw([0; 32]).unwrap_err(), KeyError::Weak);
    }
}
