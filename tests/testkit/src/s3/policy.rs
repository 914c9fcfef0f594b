//! Rejections of well-formed requests: by the bucket's policy, by the encryption of an object, because the session has
//! ended, or because the clocks differ.

use std::collections::HashSet;

use hyper::header::HeaderMap;
use hyper::{Request, StatusCode};
use percent_encoding::percent_decode_str;

use crate::s3::stats::Op;

/// Rejections. The default rejects nothing.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// PUT needs a checksum, as in a bucket with Object Lock.
    pub require_checksum: bool,
    /// PUT needs this server-side encryption, and this KMS key if it is not empty.
    pub require_sse: Option<(String, String)>,
    /// Objects whose keys contain one of these texts have a disabled KMS key: GET answers 400.
    pub disabled_keys: HashSet<String>,
    /// Number of GETs after which the session has ended, and how.
    pub session_ends: Option<(u64, SessionEnd)>,
    /// Every request is rejected as RequestTimeTooSkewed; with `clock_ahead`, as a client with a slow clock sees it.
    pub skewed: bool,
}

/// End of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// 400 ExpiredToken.
    Expired,
    /// 403 AccessDenied for everything, as after a revocation.
    Revoked,
}

/// Status, code and message.
type Rejection = (StatusCode, &'static str, &'static str);

impl Policy {
    /// Returns how a request is rejected; `gets` is the number of GETs so far, this one included.
    pub(crate) fn reject<B>(&self, request: &Request<B>, op: Op, gets: u64) -> Option<Rejection> {
        if self.skewed {
            let message = "The difference between the request time and the current time is too large.";
            return Some((StatusCode::FORBIDDEN, "RequestTimeTooSkewed", message));
        }
        match self.session_ends {
            Some((after, SessionEnd::Expired)) if gets > after => {
                return Some((StatusCode::BAD_REQUEST, "ExpiredToken", "The provided token has expired."));
            }
            Some((after, SessionEnd::Revoked)) if gets > after => {
                return Some((StatusCode::FORBIDDEN, "AccessDenied", "Access Denied"));
            }
            _ => {}
        }
        let path = percent_decode_str(request.uri().path()).decode_utf8_lossy();
        if op == Op::Get && self.disabled_keys.iter().any(|text| path.contains(text)) {
            return Some((StatusCode::BAD_REQUEST, "KMS.DisabledException", "The key is disabled."));
        }
        (op == Op::Put).then(|| self.reject_put(request.headers())).flatten()
    }

    fn reject_put(&self, headers: &HeaderMap) -> Option<Rejection> {
        let has_checksum = headers.keys().any(|name| {
            name == "content-md5" || name.as_str().starts_with("x-amz-checksum-") && name != "x-amz-checksum-mode"
        });
        if self.require_checksum && !has_checksum {
            let message = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters";
            return Some((StatusCode::BAD_REQUEST, "InvalidRequest", message));
        }
        let has = |name: &str, value: &str| headers.get(name).is_some_and(|given| given == value);
        let (algorithm, key) = self.require_sse.as_ref()?;
        let encrypted = has("x-amz-server-side-encryption", algorithm)
            && (key.is_empty() || has("x-amz-server-side-encryption-aws-kms-key-id", key));
        (!encrypted).then_some((StatusCode::FORBIDDEN, "AccessDenied", "Access Denied"))
    }
}
