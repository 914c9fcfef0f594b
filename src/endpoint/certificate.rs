//! Parsing and caching of SNS signing certificates.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use chrono::{DateTime, Utc};
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters, UnparsedPublicKey,
};
use url::Url;
use x509_cert::Certificate as X509;
use x509_cert::der::DecodePem;
use x509_cert::time::Time;

use super::error::Error;
use super::fetch::Fetch;

/// Maximum number of cached certificates. SNS has one per region and changes it about once a year.
const KEPT: usize = 16;

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

/// Cache of certificates by URL. The oldest is evicted when the cache is full.
#[derive(Debug)]
pub(super) struct CertificateCache {
    get: Arc<dyn Fetch>,
    kept: Mutex<VecDeque<(Url, Arc<Certificate>)>>,
    /// Serializes fetches, because the first messages of a topic all name the same certificate.
    fetching: tokio::sync::Mutex<()>,
}

impl CertificateCache {
    pub(super) fn new(get: Arc<dyn Fetch>) -> Self {
        Self { get, kept: Mutex::default(), fetching: tokio::sync::Mutex::default() }
    }

    /// Returns the certificate at a URL, which must already be trusted.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be fetched now or is not a certificate.
    pub(super) async fn at(&self, url: &Url) -> Result<Arc<Certificate>, Error> {
        if let Some(known) = self.known(url) {
            return Ok(known);
        }
        let _alone = self.fetching.lock().await;
        if let Some(known) = self.known(url) {
            return Ok(known);
        }
        let fetched =
            self.get.get(url).await.map_err(|e| Error::Unavailable(format!("{url} cannot be fetched: {e}")))?;
        match fetched.status {
            200 => {}
            400..500 => return Err(Error::Invalid(format!("there is no certificate at {url}"))),
            status => return Err(Error::Unavailable(format!("{url} answers with status {status}"))),
        }
        let certificate = Certificate::parse(&fetched.body)
            .map_err(|e| Error::Invalid(format!("{url} is not a certificate: {e}")))?;
        Ok(self.keep(url, certificate))
    }

    fn known(&self, url: &Url) -> Option<Arc<Certificate>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| known == url).map(|(_, certificate)| Arc::clone(certificate))
    }

    fn keep(&self, url: &Url, certificate: Certificate) -> Arc<Certificate> {
        let certificate = Arc::new(certificate);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((url.clone(), Arc::clone(&certificate)));
        certificate
    }
}
