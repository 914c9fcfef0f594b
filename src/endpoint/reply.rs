//! What a request is answered with, and what SNS makes of it.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// An answer. SNS drops a message at 4xx and sends it again at 5xx, so that 4xx is only for what no second delivery
/// can mend, and whatever a store cannot do now, or until somebody mends it, is 503.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// 200: done.
    Done(&'static str),
    /// 400: no SNS message.
    NotSns(String),
    /// 403: not from SNS, or not from an accepted topic.
    Forbidden(String),
    /// 404: nothing to be read here.
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
            Self::Failed | Self::RetryLater(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What the sender is told, in one line; what a store said is in the log and not for a public endpoint.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Done(what) => what,
            Self::NotSns(why) | Self::Forbidden(why) | Self::RetryLater(why) => why,
            Self::NotFound => "POST SNS messages here; GET /health says whether the endpoint is up",
            Self::BadMethod => "POST SNS messages here",
            Self::TooLarge => "larger than any SNS message",
            Self::Failed => "a store failed, deliver it again",
        }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        (self.status(), format!("{}\n", self.text())).into_response()
    }
}
