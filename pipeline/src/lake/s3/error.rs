//! Classification of S3 errors: one table for the SDK and for direct requests.

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use chrono::Utc;

use super::S3;
use crate::aws::clock_skew;
use crate::aws::no_credentials::why_unusable;
use crate::aws::request_id::{request_id, with_request_id};
use crate::aws::unreachable::{explain, innermost, is_network, is_untrusted};
use crate::error::{chain, with_causes};
use crate::lake::{Error, Reason};

/// The parts of an error response that are classified.
#[derive(Debug, Clone, Copy)]
pub(super) struct Response<'a> {
    /// The store's error code; empty if there is none, as in a response to HEAD.
    pub code: &'a str,
    pub message: Option<&'a str>,
    pub status: u16,
    /// The `Date` header.
    pub date: Option<&'a str>,
}

impl S3 {
    /// Converts an SDK error to a lake error: the reason, and one line with what to do.
    pub(super) fn failure<E>(&self, key: &str, e: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let header = |name: &'static str| e.raw_response()?.headers().get(name);
        let (code, message) = (e.code().unwrap_or_default(), e.message());
        let response = status(e).map(|status| Response { code, message, status, date: header("date") });
        let classified = response.and_then(|response| self.classify_response(&response));
        let (reason, message) = classified.unwrap_or_else(|| sdk_failure(e));
        self.error(key, reason, with_request_id(message, request_id(header)))
    }

    /// Converts an SDK error of a request for one object's content.
    pub(super) fn get_failure<E>(&self, key: &str, e: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        of_object(self.failure(key, e), status(e).unwrap_or_default())
    }

    /// Creates an error about an object, or about the lake if the key is empty.
    pub(super) fn error(&self, key: &str, reason: Reason, message: impl Into<String>) -> Error {
        use crate::lake::Lake as _;
        let about = if key.is_empty() { self.address() } else { format!("{}/{key}", self.address()) };
        Error::new(reason, about, message)
    }

    /// Classifies a response by error code and status; `None` if they are inconclusive.
    pub(super) fn classify_response(&self, response: &Response<'_>) -> Option<(Reason, String)> {
        let &Response { code, message, status, date } = response;
        let details = match (code, message) {
            ("", None) => format!("status {status}"),
            (code, None) => code.to_owned(),
            (code, Some(message)) => format!("{code}: {message}"),
        };
        if let Some(skew) = clock_skew::of_response(status, date, Utc::now()) {
            return Some((Reason::ClockSkew, format!("refused: {} ({details})", clock_skew::explain(skew))));
        }
        Some(match (code, status) {
            ("NoSuchKey" | "NoSuchVersion", _) => (Reason::NotFound, "no such object".to_owned()),
            ("NoSuchBucket", _) => (Reason::NoLake, format!("no such bucket {:?}: check --lake", self.bucket)),
            ("InvalidObjectState", _) => (Reason::Archived, "in an archive tier: restore it first".to_owned()),
            ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _)
            | (_, 301) => (Reason::WrongRegion, format!("the bucket is in another region: set AWS_REGION ({details})")),
            ("SlowDown" | "Throttling" | "ThrottlingException" | "RequestLimitExceeded" | "TooManyRequests", _)
            | (_, 429 | 503) => (Reason::SlowDown, format!("throttled by the store ({details})")),
            // Permanent: a retry does not add a missing feature.
            ("NotImplemented", _) | (_, 501) => {
                (Reason::Other, format!("the store does not implement this request ({details})"))
            }
            ("ConditionalRequestConflict" | "OperationAborted" | "RequestTimeout" | "InternalError", _)
            | (_, 408 | 409 | 500..=599) => (Reason::Network, details),
            ("KeyTooLongError", _) => (Reason::BadKey, details),
            ("RequestTimeTooSkewed", _) => {
                (Reason::ClockSkew, format!("refused: set this machine's clock ({details})"))
            }
            ("ExpiredToken" | "TokenRefreshRequired" | "InvalidToken" | "RequestExpired", _) => {
                (Reason::Credentials, format!("the credentials have expired: log in again ({details})"))
            }
            ("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "UnrecognizedClientException" | "AuthFailure", _) => {
                (Reason::Credentials, format!("refused: check the credentials ({details})"))
            }
            (_, 407) => (
                Reason::Credentials,
                "the proxy requires a login: set HTTP_PROXY=http://user:password@host:port".to_owned(),
            ),
            (_, 401 | 403) => (Reason::Denied, format!("refused: check credentials and policy ({details})")),
            (_, 404) => (Reason::NotFound, "not found".to_owned()),
            (_, 400..=499) if !code.is_empty() => (Reason::Other, details),
            _ => return None,
        })
    }
}

/// Converts the response to a read with an otherwise unclassified status: the store has the object, and cannot return it, for
/// example because its KMS key is disabled, because it is encrypted with a key of the client (SSE-C), or because a proxy
/// answers with a part of it (206). A status of 0 means that there was no response.
pub(super) fn of_object(e: Error, status: u16) -> Error {
    if e.reason != Reason::Other || matches!(status, 0 | 501) {
        return e;
    }
    Error { reason: Reason::Unreadable, ..e }
}

/// Returns the reason and the message for a response that does not come from an S3 endpoint.
pub(super) fn unexpected(what: &str) -> (Reason, String) {
    (Reason::Other, format!("unexpected response: is this an S3 endpoint? {what}"))
}

/// Returns the message for missing or expired credentials.
pub(super) fn no_credentials(message: &str) -> String {
    format!(
        "no usable credentials: {message}: log in again, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )
}

/// Classifies a failure without a response: no credentials, no connection, a timeout.
fn sdk_failure<E: std::error::Error + 'static>(e: &SdkError<E, HttpResponse>) -> (Reason, String) {
    let has = |wanted: fn(&(dyn std::error::Error + 'static)) -> bool| chain(e).any(wanted);
    match e {
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) if has(|e| e.is::<CredentialsError>()) => {
            (Reason::Credentials, no_credentials(&why_unusable(e)))
        }
        SdkError::TimeoutError(_) => (Reason::Network, format!("timed out: {}", innermost(e))),
        SdkError::DispatchFailure(failure) if is_network(failure) => {
            (if is_untrusted(e) { Reason::Other } else { Reason::Network }, explain(e))
        }
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => {
            let check = "check AWS_REGION, AWS_ENDPOINT_URL, and the settings of FIPS and dual-stack endpoints";
            (Reason::Settings, format!("no request can be sent: {}: {check}", innermost(e)))
        }
        SdkError::ResponseError(_) => {
            (Reason::Network, format!("unexpected response: is this an S3 endpoint? {}", innermost(e)))
        }
        _ => match status(e) {
            Some(status) => unexpected(&status.to_string()),
            None => (Reason::Other, with_causes(e)),
        },
    }
}

/// Returns true if the store rejected a write because it does not support the condition.
pub(super) fn is_unsupported<E>(e: &SdkError<E, HttpResponse>) -> bool
where
    E: ProvideErrorMetadata,
{
    let names_it = |text: &str| {
        let text = text.to_ascii_lowercase();
        ["if-none-match", "if-match", "not implemented", "implies functionality"].iter().any(|part| text.contains(part))
    };
    match (e.code(), status(e)) {
        (Some("PreconditionFailed" | "ConditionalRequestConflict"), _) | (_, Some(409 | 412)) => false,
        (Some("NotImplemented"), _) | (_, Some(501)) => true,
        (_, Some(400)) => e.message().is_some_and(names_it),
        _ => false,
    }
}

pub(super) fn status<E>(e: &SdkError<E, HttpResponse>) -> Option<u16> {
    e.raw_response().map(|response| response.status().as_u16())
}
