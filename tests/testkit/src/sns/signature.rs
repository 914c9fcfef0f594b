//! Authentication: the SigV4 signature of a request, checked as by SNS.

use std::fmt::Write as _;
use std::sync::{PoisonError, RwLock};

use chrono::{NaiveDateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::header::{AUTHORIZATION, HeaderMap};
use hyper::http::request::Parts;
use sha2::{Digest as _, Sha256};

use pipeline::hex::hex;

use crate::sns::response::Refused;
use crate::sns::{ACCESS_KEY, SECRET_KEY};

/// Maximum difference between the time of a request and the clock.
const SKEW_SECONDS: i64 = 15 * 60;

/// The sender according to a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<'a> {
    access_key: &'a str,
    day: &'a str,
    pub region: &'a str,
    service: &'a str,
    names: &'a str,
    signature: &'a str,
    /// Access key and session token, which identify the credentials.
    pub token: Option<&'a str>,
}

impl<'a> Claim<'a> {
    /// Parses the authorization header.
    pub fn of(headers: &'a HeaderMap) -> Option<Self> {
        let parts = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let part = |name: &str| parts.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        let mut scope = part("Credential")?.split('/');
        let (access_key, day, region, service) = (scope.next()?, scope.next()?, scope.next()?, scope.next()?);
        let (names, signature) = (part("SignedHeaders")?, part("Signature")?);
        let token = headers.get("x-amz-security-token").and_then(|token| token.to_str().ok());
        Some(Self { access_key, day, region, service, names, signature, token })
    }

    /// Returns the identity of the credentials.
    pub fn credentials(&self) -> (&str, Option<&str>) {
        (self.access_key, self.token)
    }
}

/// Checks signatures; caches the key of a day and region.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    key: RwLock<Option<(String, Hmac<Sha256>)>>,
}

impl Checker {
    pub fn check(&self, head: &Parts, body: &[u8], claim: &Claim<'_>) -> Result<(), Refused> {
        let unknown = "The security token included in the request is invalid.";
        if claim.access_key != ACCESS_KEY {
            return Err(Refused::new(403, "InvalidClientTokenId", unknown));
        }
        let wrong = |output: &str| Refused::new(403, "SignatureDoesNotMatch", output);
        let date = header(&head.headers, "x-amz-date").unwrap_or_default();
        let at = NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ").map_err(|_| wrong("no x-amz-date"))?;
        if (Utc::now().naive_utc() - at).num_seconds().abs() > SKEW_SECONDS || !date.starts_with(claim.day) {
            return Err(wrong("Signature expired or not yet valid: check the clock"));
        }
        if claim.service != "sns" || !claim.names.split(';').any(|name| name == "host") {
            return Err(wrong("Credential should be scoped to correct service: 'sns', and the host be signed."));
        }
        if claim.token.is_some() && !claim.names.split(';').any(|name| name == "x-amz-security-token") {
            return Err(wrong("x-amz-security-token must be signed"));
        }
        if self.signature(head, body, claim, date).as_deref() == Some(claim.signature) {
            return Ok(());
        }
        let message = "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                    Access Key and signing method. Consult the service documentation for details.";
        Err(wrong(message))
    }

    /// Returns the correct signature; `None` if a header that is listed as signed is missing.
    fn signature(&self, head: &Parts, body: &[u8], claim: &Claim<'_>, date: &str) -> Option<String> {
        let scope = format!("{}/{}/{}/aws4_request", claim.day, claim.region, claim.service);
        let mut canonical = format!("{}\n{}\n{}\n", head.method, head.uri.path(), head.uri.query().unwrap_or_default());
        for name in claim.names.split(';') {
            let _ = writeln!(canonical, "{name}:{}", header(&head.headers, name)?.trim());
        }
        let _ = write!(canonical, "\n{}\n", claim.names);
        canonical.push_str(&hex(&Sha256::digest(body)));
        let mut text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n");
        text.push_str(&hex(&Sha256::digest(canonical)));
        let mut mac = self.key(&scope);
        mac.update(text.as_bytes());
        Some(hex(&mac.finalize().into_bytes()))
    }

    fn key(&self, scope: &str) -> Hmac<Sha256> {
        if let Some((of, key)) = &*self.key.read().unwrap_or_else(PoisonError::into_inner)
            && of == scope
        {
            return key.clone();
        }
        let first = format!("AWS4{SECRET_KEY}").into_bytes();
        let key = scope.split('/').fold(first, |key, part| {
            let mut mac = keyed(&key);
            mac.update(part.as_bytes());
            mac.finalize().into_bytes().to_vec()
        });
        let key = keyed(&key);
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = Some((scope.to_owned(), key.clone()));
        key
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key of any length")
}
