//! Request ids, by which AWS support finds a request.
//!
//! This file has the header names and the text. It is called in `S3::failure` (`lake/s3/error.rs`, requests through the SDK),
//! `lake/s3/direct.rs` (without it), and the toolkit's `Sns::failure` and `Sns::refused` (`src/topic/sns/`); `http.rs` keeps the
//! id of a response with an error status. A message, a log line or a metric with more about a request belongs to these callers.
//!
//! The message of an error about an S3 or SNS response with an error status ends with `(request id …)`, and is logged and
//! reported with it. Errors inside a successful response (an entry of a PublishBatch), of a bucket that is missing or in another
//! region, of refused checks that are only warnings, and of Secrets Manager do not have it. The ids of all responses, also of
//! those that were tried again, are logged by `received`. The Lambda's own request id, which identifies an invocation, is in
//! the span of its log lines and in its metrics (`lambda/src/logs.rs`).

/// Headers with the request id: S3's, and the one of all other services.
const HEADERS: [&str; 2] = ["x-amz-request-id", "x-amzn-requestid"];

/// Returns the request id from the headers of a response; `header` looks up a header by name.
pub fn request_id<'a>(header: impl Fn(&'static str) -> Option<&'a str>) -> Option<&'a str> {
    HEADERS.into_iter().find_map(header).filter(|id| !id.is_empty())
}

/// Logs the id of a response, at the level trace: `RUST_LOG=pipeline=trace`. Every response passes here, of requests through
/// the SDK (`client.rs`) and without it (`http.rs`).
pub(super) fn received<'a>(status: u16, header: impl Fn(&'static str) -> Option<&'a str>) {
    tracing::trace!(status, request_id = request_id(header), "response of AWS");
}

/// Returns an error message extended by the id of the failed request.
pub fn with_request_id(message: String, id: Option<&str>) -> String {
    match id {
        Some(id) => format!("{message} (request id {id})"),
        None => message,
    }
}
