//! The id of a request, by which AWS's support finds it: part of every error message about an answer.

/// The headers that carry it: S3's, and that of all other services.
const HEADERS: [&str; 2] = ["x-amz-request-id", "x-amzn-requestid"];

/// The request's id in an answer's headers, which `header` looks up by name.
pub fn request_id<'a>(header: impl Fn(&'static str) -> Option<&'a str>) -> Option<&'a str> {
    HEADERS.into_iter().find_map(header).filter(|id| !id.is_empty())
}

/// An error message with the id of the request that failed.
pub fn with_request_id(message: String, id: Option<&str>) -> String {
    match id {
        Some(id) => format!("{message} (request id {id})"),
        None => message,
    }
}
