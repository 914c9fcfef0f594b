//! Classification of S3 errors: one table for the SDK and for direct requests.

use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::S3;
use crate::aws::request_id::{request_id, with_request_id};
use crate::lake::{Error, Reason};

impl S3 {
    /// Converts an SDK error to a lake error: the reason, and one line with what to do.
    pub(super) fn failure<E>(&self, key: &str, e: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let (reason, message) = self
            .classify_response(e.code().unwrap_or_default(), e.message(), status(e))
            .unwrap_or_else(|| sdk_failure(e));
        let id = e.raw_response().and_then(|response| request_id(|name| response.headers().get(name)));
        self.error(key, reason, with_request_id(message, id))
    }

    /// Creates an error about an object, or about the lake if the key is empty.
    pub(super) fn error(&self, key: &str, reason: Reason, message: impl Into<String>) -> Error {
        use crate::lake::Lake as _;
        let about = if key.is_empty() { self.address() } else { format!("{}/{key}", self.address()) };
        Error::new(reason, about, message)
    }

    /// Classifies a response by error code and status; `None` if they are inconclusive.
    pub(super) fn classify_response(
        &self,
        code: &str,
        message: Option<&str>,
        status: Option<u16>,
    ) -> Option<(Reason, String)> {
        let details = message.map_or_else(|| code.to_owned(), |message| format!("{code}: {message}"));
        Some(match (code, status) {
            ("NoSuchKey" | "NoSuchVersion", _) => (Reason::NotFound, "no such object".to_owned()),
            ("NoSuchBucket", _) => (Reason::NoLake, format!("no such bucket {:?}: check --lake", self.bucket)),
            ("InvalidObjectState", _) => (Reason::Archived, "in an archive tier: restore it first".to_owned()),
            ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _)
            | (_, Some(301)) => {
                (Reason::WrongRegion, format!("the bucket is in another region: set AWS_REGION ({details})"))
            }
            ("SlowDown" | "Throttling" | "ThrottlingException" | "RequestLimitExceeded" | "TooManyRequests", _)
            | (_, Some(429 | 503)) => (Reason::SlowDown, format!("throttled by the store ({details})")),
            // Permanent: a retry does not add a missing feature.
            ("NotImplemented", _) | (_, Some(501)) => {
                (Reason::Other, format!("the store does not implement this request ({details})"))
            }
            ("ConditionalRequestConflict" | "OperationAborted" | "RequestTimeout" | "InternalError", _)
            | (_, Some(408 | 409 | 500..=599)) => (Reason::Network, details),
            ("KeyTooLongError", _) => (Reason::BadKey, details),
            ("ExpiredToken" | "TokenRefreshRequired" | "InvalidToken", _) | (_, Some(401 | 403)) => {
                (Reason::Denied, format!("refused: check credentials and policy ({details})"))
            }
            (_, Some(404)) => (Reason::NotFound, "not found".to_owned()),
            (_, Some(400..=499)) if !code.is_empty() => (Reason::Other, details),
            _ => return None,
        })
    }
}

/// Error text if there are no credentials to sign with.
pub(super) fn no_credentials(message: &str) -> String {
    format!(
        "no usable credentials or region: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_REGION: {message}"
    )
}

/// Classifies a failure without a response: no credentials, no connection, a timeout.
fn sdk_failure<E: std::error::Error + 'static>(e: &SdkError<E, HttpResponse>) -> (Reason, String) {
    let message = DisplayErrorContext(e).to_string();
    let details = message.split(" (").next().unwrap_or(&message);
    match e {
        SdkError::TimeoutError(_) => (Reason::Network, format!("timed out: {details}")),
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => {
            (Reason::Network, format!("cannot connect: check the network and AWS_ENDPOINT_URL: {details}"))
        }
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => (Reason::Denied, no_credentials(details)),
        SdkError::ResponseError(_) => {
            (Reason::Network, format!("unexpected response: is this an S3 endpoint? {details}"))
        }
        _ => (Reason::Other, details.to_owned()),
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
