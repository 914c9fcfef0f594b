//! The quarantine: one file `quarentena/<YYYY>/<MM>/<DD>/<sha256>.json` per message, with the reason and the time.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::lake::{Error, Lake};
use crate::record::{Column, timestamp};

#[derive(Serialize)]
struct QuarantineEntry<'a> {
    reason: &'a str,
    field: Option<&'static str>,
    time: String,
    bytes: usize,
    #[serde(flatten)]
    message: Message<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Message<'a> {
    /// The message as text.
    Message(&'a str),
    /// The message in hexadecimal, if it is not UTF-8.
    MessageHex(String),
}

/// Writes a message and returns its key. If it was quarantined before on the same day, that file is left unchanged.
pub(super) async fn keep(
    quarantine: &dyn Lake,
    message: &Bytes,
    reason: &str,
    field: Option<Column>,
    now: DateTime<Utc>,
) -> Result<String, Error> {
    let key = format!("{}/{}.json", now.format("%Y/%m/%d"), hex(&Sha256::digest(message)));
    let kept = QuarantineEntry {
        reason,
        field: field.map(Column::name),
        time: timestamp::as_row_ts(now),
        bytes: message.len(),
        message: std::str::from_utf8(message).map_or_else(|_| Message::MessageHex(hex(message)), Message::Message),
    };
    let body = serde_json::to_vec(&kept).map_err(|e| Error::new(crate::lake::Reason::Other, &key, e.to_string()))?;
    quarantine.put_new(&key, body.into()).await?;
    Ok(key)
}
