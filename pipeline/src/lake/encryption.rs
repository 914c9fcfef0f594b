//! Server-side encryption that every write of an S3 lake requests.

use std::fmt;

/// Server-side encryption of new objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Encryption {
    /// The bucket's default encryption; writes have no encryption headers.
    #[default]
    Bucket,
    /// Keys of S3 (SSE-S3).
    Aes256,
    /// A KMS key (SSE-KMS); `None` for the default key of S3 in the account.
    Kms {
        /// Id, ARN or alias of the key.
        key: Option<String>,
    },
    /// Two layers with a KMS key (DSSE-KMS).
    KmsDsse {
        /// Id, ARN or alias of the key.
        key: Option<String>,
    },
}

/// Algorithm of the encryption, as in the header `x-amz-server-side-encryption`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SseAlgorithm {
    /// Keys of S3.
    Aes256,
    /// A KMS key.
    Kms,
    /// Two layers with a KMS key.
    KmsDsse,
}

impl SseAlgorithm {
    /// All algorithms.
    pub const ALL: [Self; 3] = [Self::Aes256, Self::Kms, Self::KmsDsse];

    /// Returns the value of the header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes256 => "AES256",
            Self::Kms => "aws:kms",
            Self::KmsDsse => "aws:kms:dsse",
        }
    }
}

impl fmt::Display for SseAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for SseAlgorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(text.trim()));
        found.ok_or_else(|| {
            format!("{text:?} is not a server-side encryption algorithm: write AES256, aws:kms or aws:kms:dsse")
        })
    }
}

impl Encryption {
    /// Returns the encryption for an algorithm and a key. A key without an algorithm is used with `aws:kms`.
    ///
    /// # Errors
    /// Returns an error if a key is given for an algorithm without a key.
    pub fn try_new(algorithm: Option<SseAlgorithm>, key: Option<String>) -> Result<Self, String> {
        match (algorithm, key.filter(|key| !key.trim().is_empty())) {
            (None, None) => Ok(Self::Bucket),
            (Some(SseAlgorithm::Aes256), None) => Ok(Self::Aes256),
            (Some(SseAlgorithm::Aes256), Some(_)) => {
                Err("AES256 uses keys of S3: remove the KMS key, or use aws:kms".into())
            }
            (Some(SseAlgorithm::Kms) | None, key) => Ok(Self::Kms { key }),
            (Some(SseAlgorithm::KmsDsse), key) => Ok(Self::KmsDsse { key }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_needs_an_algorithm_that_uses_one() {
        let of = |name: Option<&str>, key: Option<&str>| {
            Encryption::try_new(name.map(|name| name.parse().unwrap()), key.map(str::to_owned))
        };
        let key = || Some("alias/lake".to_owned());
        assert_eq!(of(None, None), Ok(Encryption::Bucket));
        assert_eq!(of(Some("aes256"), None), Ok(Encryption::Aes256));
        assert_eq!(of(Some("aws:kms"), None), Ok(Encryption::Kms { key: None }));
        assert_eq!(of(None, Some("alias/lake")), Ok(Encryption::Kms { key: key() }));
        assert_eq!(of(Some("aws:kms:dsse"), Some("alias/lake")), Ok(Encryption::KmsDsse { key: key() }));
        assert!(of(Some("AES256"), Some("alias/lake")).unwrap_err().contains("aws:kms"));
        assert!("sse-c".parse::<SseAlgorithm>().unwrap_err().contains("aws:kms"));
    }
}
