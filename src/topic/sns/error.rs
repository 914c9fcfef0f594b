//! Mapping of SNS errors to [`Error`], one table for both the SDK and the batch client.

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use chrono::Utc;

use super::{SERVICE, Sns};
use crate::topic::{Error, NO_RESPONSE, is_throttling};
use pipeline::aws::clock_skew;
use pipeline::aws::http::{ApiResponse, TransportError};
use pipeline::aws::no_credentials::why_unusable;
use pipeline::aws::request_id::{request_id, with_request_id};
use pipeline::aws::unreachable::{explain, innermost, is_network, is_untrusted, with_endpoint_variable};
use pipeline::aws::xml::element;
use pipeline::error::{Kind, chain};

impl Sns {
    pub(super) fn error(&self, kind: Kind, code: &str, message: &str) -> Error {
        let code = if code.is_empty() { NO_RESPONSE } else { code };
        Error { kind, code: code.to_owned(), topic: self.arn.to_string(), message: message.replace('\n', " ") }
    }

    /// Converts an SDK error, with its kind and a one-line message with a suggested fix.
    pub(super) fn failure<E>(&self, e: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let (code, status) =
            (e.code().unwrap_or_default(), e.raw_response().map(|response| response.status().as_u16()));
        let date = e.raw_response().and_then(|response| response.headers().get("date"));
        let (kind, message) =
            status.and_then(|status| classify(code, e.message(), status, date)).unwrap_or_else(|| unanswered(e));
        let id = e.raw_response().and_then(|response| request_id(|name| response.headers().get(name)));
        self.error(kind, code, &with_request_id(message, id))
    }

    /// Converts a response with an error status.
    pub(super) fn refused(&self, answer: &ApiResponse) -> Error {
        let details = String::from_utf8_lossy(&answer.body);
        let code = element(&details, "Code").unwrap_or_default();
        let message = element(&details, "Message");
        let classified = classify(&code, message.as_deref(), answer.status.as_u16(), answer.date.as_deref());
        let (kind, message) = classified.unwrap_or_else(|| (Kind::Transient, no_sense(answer.status.as_str())));
        self.error(kind, &code, &with_request_id(message, answer.request_id.as_deref()))
    }

    /// Converts a request without a response.
    pub(super) fn broken(&self, broken: &TransportError) -> Error {
        match broken {
            TransportError::Credentials(message) => self.error(Kind::Permanent, NO_RESPONSE, &no_credentials(message)),
            TransportError::Network(details) => {
                self.error(Kind::Transient, NO_RESPONSE, &with_endpoint_variable(details, SERVICE))
            }
            TransportError::TooLarge(bytes) => {
                self.error(Kind::Transient, NO_RESPONSE, &format!("the response has {bytes} bytes"))
            }
        }
    }
}

/// Returns the kind of an error and a message with a suggested fix; `None` if the response has no usable content.
fn classify(code: &str, message: Option<&str>, status: u16, date: Option<&str>) -> Option<(Kind, String)> {
    let details = message.map_or_else(|| code.to_owned(), |message| format!("{code}: {message}"));
    if let Some(skew) = clock_skew::of_response(status, date, Utc::now()) {
        return Some((Kind::Permanent, format!("refused: {} ({details})", clock_skew::explain(skew))));
    }
    Some(match (code, status) {
        _ if is_throttling(code) => (Kind::Transient, format!("throttled: publish more slowly ({details})")),
        ("NotFound" | "NotFoundException" | "ResourceNotFoundException", _) => {
            (Kind::Permanent, "no such topic: check --topic, its region and account".into())
        }
        ("ExpiredToken" | "ExpiredTokenException", _) => {
            (Kind::Permanent, format!("the credentials have expired: log in again ({details})"))
        }
        _ if is_denied(code) => {
            (Kind::Permanent, format!("refused: allow sns:Publish on this topic to this account ({details})"))
        }
        (_, 401 | 403) => (Kind::Permanent, format!("refused: check the AWS credentials ({details})")),
        ("InvalidParameter" | "InvalidParameterException", _) => {
            (Kind::Permanent, format!("refused: check --topic, its region and account ({details})"))
        }
        // A store of objects, for example: a retry does not make it a topic.
        (_, 501) => (Kind::Permanent, no_sense(format!("501 {details}").trim_end())),
        (_, 408 | 429 | 500..=599) => {
            (Kind::Transient, format!("the service failed for now ({})", format!("{status} {details}").trim_end()))
        }
        _ if !details.is_empty() => (Kind::Permanent, details),
        _ => return None,
    })
}

/// Returns the kind and message of an SDK error without a response from the service.
fn unanswered<E: std::error::Error + 'static>(e: &SdkError<E, HttpResponse>) -> (Kind, String) {
    let message = innermost(e);
    match e {
        _ if chain(e).any(|e| e.is::<CredentialsError>()) => (Kind::Permanent, no_credentials(&why_unusable(e))),
        SdkError::TimeoutError(_) => (Kind::Transient, format!("timed out: {message}")),
        SdkError::DispatchFailure(failure) if is_network(failure) => {
            let kind = if is_untrusted(e) { Kind::Permanent } else { Kind::Transient };
            (kind, with_endpoint_variable(&explain(e), SERVICE))
        }
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => {
            let check =
                "check AWS_ENDPOINT_URL_SNS and AWS_ENDPOINT_URL: an endpoint is http://host:port or https://host";
            (Kind::Permanent, format!("no request can be sent: {message}: {check}"))
        }
        SdkError::ResponseError(_) => (Kind::Transient, no_sense(&message)),
        _ => (Kind::Permanent, message),
    }
}

fn no_credentials(message: &str) -> String {
    format!(
        "no usable credentials: {message}: log in again, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )
}

pub(super) fn no_sense(message: &str) -> String {
    format!("unexpected response ({message}): is this an SNS endpoint? check AWS_ENDPOINT_URL_SNS and AWS_ENDPOINT_URL")
}

/// Returns true if the account is known but lacks the permission, as opposed to invalid credentials.
pub(super) fn is_denied(code: &str) -> bool {
    matches!(code, "AuthorizationError" | "AuthorizationErrorException" | "AccessDenied" | "AccessDeniedException")
}

#[cfg(test)]
mod tests {
    use aws_sdk_sns::operation::get_topic_attributes::GetTopicAttributesError;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::super::tests::sns;
    use super::*;

    #[test]
    fn each_error_has_its_kind_and_a_suggested_fix_from_both_clients() {
        let cases = [
            ("NotFound", 404, Kind::Permanent, "no such topic: check --topic"),
            ("AuthorizationError", 403, Kind::Permanent, "allow sns:Publish"),
            ("InvalidClientTokenId", 403, Kind::Permanent, "check the AWS credentials"),
            ("ExpiredToken", 403, Kind::Permanent, "log in again"),
            ("ThrottlingException", 400, Kind::Transient, "publish more slowly"),
            ("Throttling", 400, Kind::Transient, "publish more slowly"),
            ("InternalError", 500, Kind::Transient, "failed for now"),
            ("ServiceUnavailable", 503, Kind::Transient, "failed for now"),
            ("InvalidParameter", 400, Kind::Permanent, "check --topic"),
        ];
        for (code, status, kind, words) in cases {
            let meta = ErrorMetadata::builder().code(code).message("details so").build();
            let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
            response.headers_mut().insert("x-amzn-requestid", "r-1");
            let by_sdk = sns("a").failure(&SdkError::service_error(GetTopicAttributesError::generic(meta), response));
            let body =
                format!("<E><Error><Type>x</Type><Code>{code}</Code><Message>details\nso</Message></Error></E>").into();
            let answer = ApiResponse {
                status: hyper::StatusCode::from_u16(status).unwrap(),
                etag: None,
                date: None,
                request_id: Some("r-1".into()),
                body,
            };
            for failure in [by_sdk, sns("a").refused(&answer)] {
                assert_eq!((failure.kind, failure.code.as_str()), (kind, code));
                let good = failure.message.contains(words) && !failure.message.contains('\n');
                assert!(good, "{code}: {}", failure.message);
                assert!(failure.message.ends_with("(request id r-1)"), "{}", failure.message);
            }
        }
    }

    #[test]
    fn a_signature_that_is_too_old_names_the_difference_of_the_clocks() {
        let body = "<E><Error><Code>SignatureDoesNotMatch</Code><Message>Signature expired</Message></Error></E>";
        let theirs = Utc::now() + chrono::TimeDelta::minutes(20);
        let answer = ApiResponse {
            status: hyper::StatusCode::FORBIDDEN,
            etag: None,
            date: Some(theirs.format("%a, %d %b %Y %H:%M:%S GMT").to_string()),
            request_id: None,
            body: body.into(),
        };
        let failure = sns("a").refused(&answer);
        assert_eq!(failure.kind, Kind::Permanent);
        assert!(failure.message.contains("min") && failure.message.contains("behind the service's"), "{failure:?}");
    }

    #[test]
    fn a_response_that_is_not_from_sns_is_transient() {
        for (status, body, words) in
            [(404, "<html>", "unexpected response (404)"), (502, "Bad Gateway", "failed for now (502")]
        {
            let answer = ApiResponse {
                status: hyper::StatusCode::from_u16(status).unwrap(),
                etag: None,
                date: None,
                request_id: None,
                body: body.into(),
            };
            let failure = sns("a").refused(&answer);
            assert_eq!((failure.kind, failure.code.as_str()), (Kind::Transient, NO_RESPONSE));
            assert!(failure.message.contains(words), "{}", failure.message);
        }
    }
}
