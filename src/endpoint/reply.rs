//! Responses to requests, and how SNS reacts to them.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

/// A response. SNS drops a message on 4xx and retries it on 5xx. So 4xx is only for what no retry can fix, and any
/// failure of a store is 503.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// 200: done.
    Done(&'static str),
    /// 503: messages cannot be processed any more.
    Unhealthy,
    /// 400: not an SNS message.
    NotSns(String),
    /// 403: not from SNS, or not from an accepted topic.
    Forbidden(String),
    /// 404: no such path.
    NotFound,
    /// 405: neither POST nor GET.
    BadMethod,
    /// 413: larger than any SNS message.
    TooLarge,
    /// 503: a store failed; the intake has counted it.
    Failed,
    /// 503: the message did not reach the intake.
    RetryLater(String),
}

impl Reply {
    fn status(&self) -> StatusCode {
        match self {
            Self::Done(_) => StatusCode::OK,
            Self::NotSns(_) => StatusCode::BAD_REQUEST,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::BadMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unhealthy | Self::Failed | Self::RetryLater(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Returns the response text in one line. Error messages of a store are logged, and not sent from a public
    /// endpoint.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Done(what) => what,
            Self::NotSns(why) | Self::Forbidden(why) | Self::RetryLater(why) => why,
            Self::Unhealthy => "the worker that processes messages has ended: restart the endpoint",
            Self::NotFound => "POST SNS messages here; GET /health shows whether the endpoint is up",
            Self::BadMethod => "POST SNS messages here",
            Self::TooLarge => "larger than any SNS message",
            Self::Failed => "a store failed, deliver it again",
        }
    }
}

impl From<Reply> for Response<Full<Bytes>> {
    fn from(reply: Reply) -> Self {
        let mut response = Self::new(Full::from(format!("{}\n", reply.text())));
        *response.status_mut() = reply.status();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    }
}
