//! Preparation of messages for the topic, and rejection of invalid ones. [`pipeline::record`] defines a valid reading.

use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::history;
use crate::topic::{BatchLimits, Message, is_attribute};
use pipeline::hex::hex;
use pipeline::record::{MAX_MESSAGE_BYTES, Reading, Slug, reading_id};

/// Policy for a message that is not a valid reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnInvalid {
    /// Count and report it, but do not send it.
    #[default]
    Withhold,
    /// Send it if the topic accepts it, to exercise the quarantine.
    Send,
}

/// A message that is ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Number of messages read before it.
    pub index: u64,
    /// File it was read from.
    pub file: Arc<str>,
    /// Line in the file, from 1.
    pub line: u64,
    /// The message to send.
    pub message: Message,
    /// Id of the reading; `None` if the message is not a valid reading.
    pub id: Option<Uuid>,
    /// The reading's `data`, in Unix milliseconds; `None` if the message is not a valid reading.
    pub data_ms: Option<i64>,
    /// When the schedule wants it sent; `None` without a schedule.
    pub due: Option<Instant>,
}

impl Entry {
    /// Returns the file and line, as shown in problem reports.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

/// A message that is not sent.
#[derive(Debug, Clone)]
pub(super) struct InvalidMessage {
    /// Number of messages read before it.
    pub index: u64,
    /// File and line.
    pub place: String,
    /// Why it is not sent.
    pub reason: String,
}

/// Prepares a message for sending.
///
/// # Errors
///
/// Returns the reason if the message is not sent: it is invalid, not text, or larger than the topic accepts.
pub(super) fn prepare(
    index: u64,
    read: history::InputMessage,
    on_invalid: OnInvalid,
    limits: BatchLimits,
) -> Result<Entry, InvalidMessage> {
    let history::InputMessage { file, line, body } = read;
    let refuse = |reason: String| InvalidMessage { index, place: format!("{file}:{line}"), reason };
    let (mut id, mut data_ms) = (None, None);
    let message = match Reading::parse(&body) {
        Ok(reading) => {
            let own = reading_id(&reading);
            (id, data_ms) = (Some(own), Some(reading.data.timestamp_millis()));
            let id_lote = is_attribute(&reading.id_lote).then_some(reading.id_lote);
            Message { body, cod_cliente: Some(reading.cod_cliente), id_lote, dedup_id: own.to_string() }
        }
        Err(why) if on_invalid == OnInvalid::Withhold => return Err(refuse(history::invalid_reason(&why))),
        Err(_) if body.is_empty() || std::str::from_utf8(&body).is_err() => {
            return Err(refuse("a topic accepts only text, and this is not UTF-8".into()));
        }
        Err(_) => {
            let dedup = hex(&Sha256::digest(&body));
            Message { cod_cliente: farm_named_in(&body), id_lote: None, body, dedup_id: dedup }
        }
    };
    // An in-process topic accepts larger batches than SNS, but no larger messages.
    let (bytes, max) = (message.size_bytes(), limits.bytes.min(MAX_MESSAGE_BYTES));
    if bytes > max {
        return Err(refuse(format!("{bytes} bytes with its attributes, and the topic accepts at most {max}")));
    }
    Ok(Entry { index, file, line, message, id, data_ms, due: None })
}

/// Returns the farm in an invalid message, if it can be used as a message attribute.
fn farm_named_in(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        cod_cliente: String,
    }
    let named: Named = serde_json::from_slice(body).ok()?;
    Slug::of(&named.cod_cliente).is_ok().then_some(named.cod_cliente)
}

#[cfg(test)]
pub(super) mod tests {
    use bytes::Bytes;

    use super::*;

    const LIMITS: BatchLimits = BatchLimits { entries: 10, bytes: 256 * 1024 };
    const GOOD: &str = r#"{"id_curral":"1","id_raca":"2","id_lote":"3","peso_entrada":450,"peso_medio":450.5,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.5,"cod_cliente":"FazendaUm"}"#;

    /// Returns an entry with a message of `bytes` bytes.
    pub(in super::super) fn entry(index: u64, bytes: usize) -> Entry {
        let message =
            Message { body: vec![b'x'; bytes].into(), cod_cliente: None, id_lote: None, dedup_id: index.to_string() };
        Entry { index, file: "f".into(), line: index + 1, message, id: None, data_ms: None, due: None }
    }

    fn judge(body: &str, on_invalid: OnInvalid) -> Result<Message, String> {
        let read = history::InputMessage { file: "f".into(), line: 7, body: Bytes::copy_from_slice(body.as_bytes()) };
        prepare(0, read, on_invalid, LIMITS).map(|entry| entry.message).map_err(|e| {
            assert_eq!(e.place, "f:7");
            e.reason
        })
    }

    #[test]
    fn a_reading_is_identified_by_its_content_not_its_format() {
        let one = judge(GOOD, OnInvalid::Withhold).unwrap();
        let other = judge(&GOOD.replace("\"51\"", "51"), OnInvalid::Send).unwrap();
        assert_eq!(one.cod_cliente.as_deref(), Some("FazendaUm"));
        assert_eq!(one.dedup_id, other.dedup_id);
        assert_ne!(one.body, other.body, "the body is sent as it was read");
        assert_eq!(one.dedup_id.len(), 36);
    }

    #[test]
    fn an_invalid_message_is_withheld_unless_requested() {
        let bad = GOOD.replace("9.5", "\"n/d\"");
        assert!(judge(&bad, OnInvalid::Withhold).unwrap_err().contains("consumo_real"));
        let sent = judge(&bad, OnInvalid::Send).unwrap();
        assert_eq!((sent.cod_cliente.as_deref(), sent.dedup_id.len()), (Some("FazendaUm"), 64));
        assert_eq!(judge("{\"cod_cliente\":\"../x\"}", OnInvalid::Send).unwrap().cod_cliente, None);
        assert_eq!(judge("{broken", OnInvalid::Send).unwrap().cod_cliente, None);
        assert!(judge("", OnInvalid::Send).is_err());
    }

    #[test]
    fn a_message_too_large_with_its_attributes_is_never_sent() {
        let max = LIMITS.bytes - GOOD.len() - r#","x":"""#.len() - "cod_clienteStringFazendaUmid_loteString3".len();
        let with = |n: usize| GOOD.replacen("\"}", &format!("\",\"x\":\"{}\"}}", "y".repeat(n)), 1);
        assert!(judge(&with(max), OnInvalid::Withhold).is_ok());
        for on_invalid in [OnInvalid::Withhold, OnInvalid::Send] {
            assert!(judge(&with(max + 1), on_invalid).unwrap_err().contains("262145 bytes with its attributes"));
            assert!(judge(&"x".repeat(300_000), on_invalid).is_err());
        }
    }
}
