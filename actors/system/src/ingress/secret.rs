//! Keys that clients share with a server.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

/// A key for signatures. Its `Debug` text does not show it.
#[derive(Clone)]
pub struct Secret(Arc<[u8]>);

impl Secret {
    /// This key.
    #[must_use]
    pub fn new(key: impl AsRef<[u8]>) -> Self {
        Self(key.as_ref().into())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What a client has to bring in `Authorization: Bearer`. Its `Debug` text does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; 32]);

impl Token {
    /// This token.
    #[must_use]
    pub fn new(token: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(token.as_ref()).into())
    }

    /// Whether these bytes are the token, in a time that does not depend on where they differ.
    #[must_use]
    pub fn fits(&self, bytes: &[u8]) -> bool {
        let other: [u8; 32] = Sha256::digest(bytes).into();
        let differences = self.0.iter().zip(other).map(|(a, b)| a ^ b);
        std::hint::black_box(differences.fold(0, |all, one| all | one)) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Least length of a key, in bytes.
const LENGTH_MIN: usize = 16;
/// Least number of different bytes in a key. Of 16 random hexadecimal digits fewer than 8
/// differ once in 6,000 times, of 32 never.
const DIFFERENT_MIN: usize = 8;

/// Why a key is too weak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakKey {
    /// It is too short.
    #[error("it has {0} bytes, give at least {LENGTH_MIN}, for example of `openssl rand -hex 32`")]
    Short(usize),
    /// It is easily guessed.
    #[error(
        "it has {0} different bytes, give at least {DIFFERENT_MIN}, for example of \
         `openssl rand -hex 32`"
    )]
    Repetitive(usize),
    /// It repeats a short text.
    #[error("it is a repetition, give a random one, for example of `openssl rand -hex 32`")]
    Periodic,
}

/// Check that a key is not one that is easily guessed: it has at least 16 bytes, 8 different
/// ones among them, and does not repeat its beginning.
///
/// # Errors
/// If it is too weak.
pub fn check_key(key: &[u8]) -> Result<(), WeakKey> {
    if key.len() < LENGTH_MIN {
        return Err(WeakKey::Short(key.len()));
    }
    let different = key.iter().collect::<BTreeSet<_>>().len();
    if different < DIFFERENT_MIN {
        return Err(WeakKey::Repetitive(different));
    }
    let repeats = |period: usize| key[period..].iter().eq(&key[..key.len() - period]);
    if (1..LENGTH_MIN.min(key.len() / 2 + 1)).any(repeats) {
        return Err(WeakKey::Periodic);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_short_or_repeat_themselves_are_weak() {
        for (key, expected) in [
            ("", Err(WeakKey::Short(0))),
            ("0123456789abcde", Err(WeakKey::Short(15))),
            (
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                Err(WeakKey::Repetitive(1)),
            ),
            ("1234512345123451234512345", Err(WeakKey::Repetitive(5))),
            ("password1password1", Err(WeakKey::Periodic)),
            ("0123456789abcdef", Ok(())),
            ("a secret of more than sixteen bytes", Ok(())),
            ("6f1c0e5a9b7d4832c1a0f9e8d7b6a594", Ok(())),
        ] {
            assert_eq!(check_key(key.as_bytes()), expected, "{key}");
        }
    }

    #[test]
    fn a_token_fits_itself_alone_and_is_not_shown() {
        let token = Token::new("a token");
        assert!(token.fits(b"a token"));
        assert!(!token.fits(b"a tokem") && !token.fits(b"") && !token.fits(b"a token "));
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
