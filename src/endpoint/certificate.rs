//! Signing certificates: what is needed of one, and the few that are kept.

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

/// Certificates kept; SNS has one a region and changes it about once a year.
const KEPT: usize = 16;

/// How SNS signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignatureVersion {
    /// SHA-1 with RSA: what topics use unless told otherwise.
    One,
    /// SHA-256 with RSA.
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

/// A certificate's public key and the time in which it is good.
///
/// Its chain of issuers is not followed: SNS serves the certificate alone, and the trust in it comes from the https
/// host it was fetched from, as in AWS's own validators.
#[derive(Debug)]
pub(super) struct Certificate {
    key: Vec<u8>,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl Certificate {
    /// Reads a PEM file.
    ///
    /// # Errors
    /// Why it is no certificate.
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

    /// Whether it is good at that time.
    pub(super) fn is_good_at(&self, now: DateTime<Utc>) -> bool {
        self.from <= now && now <= self.until
    }

    /// Whether its key made the signature.
    pub(super) fn signed(&self, version: SignatureVersion, text: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(version.algorithm(), &self.key).verify(text.as_bytes(), signature).is_ok()
    }
}

/// The certificates met so far, by address; the oldest goes when there are too many.
#[derive(Debug)]
pub(super) struct CertificateCache {
    get: Arc<dyn Fetch>,
    kept: Mutex<VecDeque<(Url, Arc<Certificate>)>>,
    /// One fetch at a time: the first messages of a topic all name the same certificate.
    fetching: tokio::sync::Mutex<()>,
}

impl CertificateCache {
    pub(super) fn new(get: Arc<dyn Fetch>) -> Self {
        Self { get, kept: Mutex::default(), fetching: tokio::sync::Mutex::default() }
    }

    /// The certificate at an address, which must be believed already.
    ///
    /// # Errors
    /// It cannot be fetched now, or is no certificate.
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
