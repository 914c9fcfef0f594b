//! The format of a dead letter, and how its message is extracted.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One line of a dead-letter file. `message` must be the first field: it identifies a dead letter.
#[derive(Debug, Serialize)]
pub(crate) struct DeadLetter<'a> {
    pub message: &'a str,
    /// The id of the reading; `None` if the message is not a valid reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    pub code: &'a str,
    pub reason: &'a str,
    pub file: &'a str,
    pub line: u64,
    pub attempts: u32,
}

/// Prefix of every dead letter. No reading starts with it.
const BEGIN: &[u8] = br#"{"message":"#;

/// Returns the message inside a dead letter; `None` if the body is not one.
pub(crate) fn message_in(body: &[u8]) -> Option<Bytes> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only a letter has all of them")]
    struct ParsedLetter {
        message: String,
        id: Option<Uuid>,
        code: String,
        reason: String,
        file: String,
        line: u64,
        attempts: u32,
    }
    if !body.starts_with(BEGIN) {
        return None;
    }
    serde_json::from_slice(body).ok().map(|letter: ParsedLetter| letter.message.into())
}
