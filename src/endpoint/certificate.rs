//! SNS signing certificates: parsing, validity, and signatures made with their keys.

use std::time::UNIX_EPOCH;

use chrono::{DateTime, Utc};
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters, UnparsedPublicKey,
};
use x509_cert::Certificate as X509;
use x509_cert::der::DecodePem;
use x509_cert::time::Time;

/// The signature version of an SNS message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignatureVersion {
    /// RSA with SHA-1, the default of SNS topics.
    One,
    /// RSA with SHA-256.
    Two,
}

impl SignatureVersion {
    fn algorithm(self) -> &'static RsaParameters {
        match self {
            Self::One => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Two => &RSA_PKCS1_2048_8192_SHA256,
        }
    }
}

/// The public key of a certificate and its validity period.
///
/// Its chain of issuers is not verified: SNS serves the certificate alone, and it is trusted because of the HTTPS host
/// it was fetched from, as in AWS's own validators.
#[derive(Debug)]
pub(super) struct Certificate {
    key: Vec<u8>,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl Certificate {
    /// Parses a PEM file.
    ///
    /// # Errors
    ///
    /// Returns the reason if it is not a certificate.
    pub(super) fn parse(pem: &[u8]) -> Result<Self, String> {
        let x509 = X509::from_pem(pem).map_err(|e| e.to_string())?;
        let content = x509.tbs_certificate();
        let instant = |time: &Time| DateTime::<Utc>::from(UNIX_EPOCH + time.to_unix_duration());
        Ok(Self {
            key: content.subject_public_key_info().subject_public_key.raw_bytes().to_vec(),
            from: instant(&content.validity().not_before),
            until: instant(&content.validity().not_after),
        })
    }

    /// Returns true if the certificate is valid at that time.
    pub(super) fn is_good_at(&self, now: DateTime<Utc>) -> bool {
        self.from <= now && now <= self.until
    }

    /// Returns true if the signature was made with the certificate's key.
    pub(super) fn signed(&self, version: SignatureVersion, text: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(version.algorithm(), &self.key).verify(text.as_bytes(), signature).is_ok()
    }
}
