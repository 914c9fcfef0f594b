//! A plain GET answered without `s3s`, with the same signature checks and response at a fraction of the cost, so that a
//! benchmark measures the client and not this server.
//!
//! It only handles requests that succeed. All others, and ranges other than the start of an object, are handled by `s3s` and
//! `service`.

use std::fmt::Write as _;
use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::header::{
    ACCEPT_RANGES, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};
use hyper::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use pipeline::hex::hex;
use s3s::Body;
use sha2::{Digest as _, Sha256};

use crate::s3::fault_control::FaultControl;
use crate::s3::object::{Restore, StorageClass};
use crate::s3::store::Store;
use crate::s3::wire_types::content_type;
use crate::s3::{ACCESS_KEY, REGION, SECRET_KEY};

/// Maximum difference between the time of a request and the clock.
const SKEW_SECONDS: u64 = 15 * 60;

/// Headers that make a GET conditional.
const CONDITIONS: [HeaderName; 4] = [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];

/// Fast path for plain GETs.
#[derive(Debug)]
pub(crate) struct FastGet {
    store: Store,
    faults: FaultControl,
    /// A day and its signing key.
    key: RwLock<Option<(String, Hmac<Sha256>)>>,
}

impl FastGet {
    pub fn new(store: Store, faults: FaultControl) -> Self {
        FastGet { store, faults, key: RwLock::default() }
    }

    /// Returns the response if neither the request nor the object needs special handling.
    pub fn answer<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let query = request.uri().query().unwrap_or_default();
        let headers = request.headers();
        let plain = request.method() == Method::GET && (query.is_empty() || query == "x-id=GetObject");
        if !plain || CONDITIONS.iter().any(|name| headers.contains_key(name)) {
            return None;
        }
        let path = request.uri().path();
        self.is_signed(headers, path, query)?;
        let path = percent_decode_str(path.strip_prefix('/')?).decode_utf8().ok()?;
        let (bucket, key) = path.split_once('/')?;
        let found = self.store.object(bucket, key)?;
        if found.storage_class != StorageClass::Standard
            || found.restore != Restore::None
            || self.faults.settings().vanish.contains(key)
            || self.faults.settings().forbid_get.contains(key)
        {
            return None;
        }
        let described = found.described.as_deref().cloned().unwrap_or_default();
        if !described.metadata.is_empty() {
            return None;
        }
        let whole = found.bytes.len();
        let part = match headers.get(RANGE) {
            None => None,
            Some(range) => Some(from_the_start(range, whole)?),
        };
        let bytes = found.bytes.slice(..part.unwrap_or(whole));
        let length = bytes.len();
        let mut response = Response::new(Body::from(bytes));
        let headers = response.headers_mut();
        if part.is_some() {
            headers.insert(CONTENT_RANGE, text(&format!("bytes 0-{}/{whole}", length - 1))?);
        }
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(CONTENT_TYPE, text(&content_type(&described))?);
        headers.insert(ETAG, text(&format!("\"{}\"", found.etag()))?);
        headers.insert(LAST_MODIFIED, text(&httpdate::fmt_http_date(found.last_modified))?);
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if part.is_some() {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        Some(response)
    }

    /// Checks the signature as S3 does; `None` if anything is wrong.
    fn is_signed(&self, headers: &HeaderMap, path: &str, query: &str) -> Option<()> {
        let header = |name: &str| headers.get(name)?.to_str().ok();
        let parts = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let part = |name: &str| parts.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        let (scope, names, signature) = (part("Credential")?, part("SignedHeaders")?, part("Signature")?);
        let day = scope.strip_prefix(ACCESS_KEY)?.strip_prefix('/')?.split('/').next()?;
        let scope = scope.strip_prefix(ACCESS_KEY)?.strip_prefix('/')?;
        let date = header("x-amz-date")?;
        if scope != format!("{day}/{REGION}/s3/aws4_request") || !date.starts_with(day) {
            return None;
        }
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
        if seconds(date)?.abs_diff(now) > SKEW_SECONDS || !names.split(';').any(|name| name == "host") {
            return None;
        }
        let mut canonical = format!("GET\n{path}\n{}\n", if query.is_empty() { "" } else { "x-id=GetObject" });
        for name in names.split(';') {
            let _ = writeln!(canonical, "{name}:{}", header(name)?.trim());
        }
        let _ = write!(canonical, "\n{names}\n{}", header("x-amz-content-sha256")?);
        let mut to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n");
        to_sign.push_str(&hex(&Sha256::digest(canonical)));
        let mut mac = self.key(day);
        mac.update(to_sign.as_bytes());
        (hex(&mac.finalize().into_bytes()) == signature).then_some(())
    }

    fn key(&self, day: &str) -> Hmac<Sha256> {
        if let Some((of, key)) = &*self.key.read().unwrap_or_else(PoisonError::into_inner)
            && of == day
        {
            return key.clone();
        }
        let first = format!("AWS4{SECRET_KEY}").into_bytes();
        let key = [day, REGION, "s3", "aws4_request"].iter().fold(first, |key, part| {
            let mut mac = keyed(&key);
            mac.update(part.as_bytes());
            mac.finalize().into_bytes().to_vec()
        });
        let key = keyed(&key);
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = Some((day.to_owned(), key.clone()));
        key
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key of any length")
}

/// Returns the number of bytes that `bytes=0-N` requests of an object; `None` for any other range.
fn from_the_start(range: &HeaderValue, whole: usize) -> Option<usize> {
    let last: usize = range.to_str().ok()?.strip_prefix("bytes=0-")?.parse().ok()?;
    (whole > 0).then(|| whole.min(last.saturating_add(1)))
}

fn text(value: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(value).ok()
}

/// Converts `YYYYMMDDTHHMMSSZ` to seconds since 1970, with Howard Hinnant's `days_from_civil`.
fn seconds(date: &str) -> Option<u64> {
    let number = |from: usize, to: usize| date.get(from..to)?.parse::<u64>().ok();
    if date.len() != 16 || date.as_bytes()[8] != b'T' || !date.ends_with('Z') {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.checked_sub(1)?;
    let (era, of_era) = (year / 400, year % 400);
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    Some(days.checked_sub(719_468)? * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_a_number_of_seconds() {
        for (date, expected) in [
            ("19700101T000000Z", Some(0)),
            ("20240229T235959Z", Some(1_709_251_199)),
            ("20261123T000000Z", Some(1_795_392_000)),
            ("20261123T000000", None),
            ("2026-11-23T00:00:00Z", None),
        ] {
            assert_eq!(seconds(date), expected, "{date}");
        }
    }

    #[test]
    fn only_ranges_from_the_start_are_taken() {
        for (range, expected) in
            [("bytes=0-3", Some(4)), ("bytes=0-99", Some(10)), ("bytes=1-3", None), ("bytes=0-", None)]
        {
            assert_eq!(from_the_start(&HeaderValue::from_static(range), 10), expected, "{range}");
        }
        assert_eq!(from_the_start(&HeaderValue::from_static("bytes=0-3"), 0), None, "s3s answers 416");
    }
}
