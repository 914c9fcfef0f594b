//! A dead letter: its form, and how it is opened again.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A line of a file of dead letters. The message is its first field, by which a letter is known.
#[derive(Debug, Serialize)]
pub(super) struct DeadLetter<'a> {
    pub message: &'a str,
    /// The id that the reading would have had, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    pub code: &'a str,
    pub reason: &'a str,
    pub file: &'a str,
    pub line: u64,
    pub attempts: u32,
}

/// How every letter begins, and no reading does.
const BEGIN: &[u8] = br#"{"message":"#;

/// What the letter holds, if this is one; else the message itself.
pub(super) fn unwrap_dead_letter(body: Bytes) -> Bytes {
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
        return body;
    }
    serde_json::from_slice::<ParsedLetter>(&body).map_or(body, |letter| letter.message.into())
}
