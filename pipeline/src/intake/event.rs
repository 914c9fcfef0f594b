//! Lambda input: parses an SNS or SQS event into messages, each with the id by which its failure is reported.
//!
//! The types are this crate's own. Those of `aws_lambda_events` reject a complete event because of a field that is not
//! used here (a missing `EventVersion`, a timestamp in another form). Such an event would be redelivered until it is
//! dropped.
//!
//! EventBridge Pipes delivers the records of a queue as a bare array, without `Records`. With an input transformer, its
//! elements are the messages themselves.
//!
//! Exactly one envelope is removed: the message is the `Message` of an SNS event's `Sns`, or of the envelope in an SQS
//! body. A message that is itself an envelope was republished and is not a reading. The intake quarantines it
//! unchanged.

use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::envelope::Envelope;

/// Service that delivered an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventSource {
    /// SNS invokes asynchronously, with one message per event. A failed event is redelivered as a unit.
    Sns,
    /// SQS delivers batches, whose items can fail individually. EventBridge Pipes delivers the same records.
    Sqs,
    /// An input transformer of EventBridge Pipes made an array of messages, which fails as a unit.
    Transformed,
}

impl EventSource {
    fn of(name: &str) -> Option<Self> {
        match name {
            "aws:sns" => Some(Self::Sns),
            "aws:sqs" => Some(Self::Sqs),
            _ => None,
        }
    }

    fn part(self) -> &'static str {
        match self {
            Self::Sns => "Sns.Message",
            Self::Sqs => "body",
            Self::Transformed => "message",
        }
    }
}

impl fmt::Display for EventSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sns => "aws:sns",
            Self::Sqs => "aws:sqs",
            Self::Transformed => "a transformer",
        })
    }
}

/// One message of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventMessage {
    /// The SNS `MessageId` or the SQS `messageId`; `record N` if there is none.
    pub id: String,
    /// The message as it was published, byte for byte.
    pub body: Bytes,
}

/// A parsed event: its service and its messages in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Service that delivered the event.
    pub source: EventSource,
    /// Messages in order; at least one.
    pub messages: Vec<EventMessage>,
}

/// Reason why an event is invalid. None of its messages were processed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant documents it and its fields")]
pub enum Error {
    #[error("the event is not JSON: {0}")]
    NotJson(String),
    #[error(
        "the event is neither a JSON object nor an array of records: give the event as Lambda receives it, {{\"Records\":[…]}}"
    )]
    NotObject,
    #[error("the event has no Records: it is not an SNS or SQS event")]
    NoRecords,
    #[error("the event's Records is not an array")]
    NotArray,
    #[error("the event has an empty list of Records: there is no message in it")]
    Empty,
    #[error("record {record} of the event is not a JSON object with the fields of a record: {why}")]
    BadRecord { record: usize, why: String },
    #[error(
        "record {record} of the event does not name an event source: neither EventSource nor eventSource is a text"
    )]
    NoSource { record: usize },
    #[error(
        "record {record} of the event is from {found}: only aws:sns and aws:sqs carry readings, point the trigger at the topic or its queue"
    )]
    OtherService { record: usize, found: String },
    #[error("record {record} of the event is from {found}, those before it from {first}: an event has one source")]
    Mixed { record: usize, first: EventSource, found: EventSource },
}

#[derive(Deserialize)]
struct RawEvent<'a> {
    #[serde(rename = "Records", borrow)]
    records: Option<&'a RawValue>,
}

/// The relevant fields of an event record. Each accepts any JSON, so that one invalid field does not affect the others.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RawRecord<'a> {
    #[serde(rename = "EventSource")]
    sns_source: Value,
    #[serde(rename = "eventSource")]
    sqs_source: Value,
    #[serde(rename = "Sns")]
    sns: Value,
    #[serde(rename = "messageId")]
    message_id: Value,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

impl Event {
    /// Parses an event.
    ///
    /// A record without a message, or an unreadable record among readable ones, becomes a message with the complete
    /// record as its body. The intake quarantines it, and the other records are processed.
    ///
    /// # Errors
    /// Returns an error if the event is not an SNS or SQS event, or has no records.
    pub fn parse(event: &[u8]) -> Result<Self, Error> {
        let records = match records(event)? {
            Records::Listed(records) => records,
            Records::Bare(elements) if elements.iter().any(|element| names_source(element)) => elements,
            Records::Bare(elements) => return Self::transformed(elements),
        };
        let mut source = None;
        let mut messages = Vec::with_capacity(records.len());
        let mut unread = None;
        for (at, raw) in records.into_iter().enumerate() {
            let number = at + 1;
            let record = match RawRecord::parse(raw, number) {
                Ok(record) => record,
                Err(e) => {
                    messages.push(whole(raw, number, &e.to_string()));
                    unread.get_or_insert(e);
                    continue;
                }
            };
            let found = record.source(number)?;
            match source {
                Some(first) if first != found => return Err(Error::Mixed { record: number, first, found }),
                _ => source = Some(found),
            }
            messages.push(record.message(found, number, raw));
        }
        let source = source.ok_or_else(|| unread.unwrap_or(Error::Empty))?;
        Ok(Self { source, messages })
    }

    /// Reads an array whose elements are messages: objects, or texts.
    fn transformed(elements: Vec<&RawValue>) -> Result<Self, Error> {
        if elements.is_empty() {
            return Err(Error::Empty);
        }
        let messages = elements.into_iter().zip(1..).map(|(element, number)| {
            let body = embedded(element).ok_or(Error::NotObject)?;
            Ok(EventMessage { id: format!("message {number}"), body })
        });
        Ok(Self { source: EventSource::Transformed, messages: messages.collect::<Result<_, _>>()? })
    }
}

/// Returns a message that is a JSON text, or a JSON object that replaced its text; `None` for any other JSON.
fn embedded(raw: &RawValue) -> Option<Bytes> {
    let text = raw.get();
    match text.as_bytes().first()? {
        b'{' => Some(unwrap_once(text.to_owned())),
        b'"' => serde_json::from_str(text).ok().map(unwrap_once),
        _ => None,
    }
}

/// Returns true if an element of a bare array is a record, which names the service that it is from.
fn names_source(element: &RawValue) -> bool {
    RawRecord::parse(element, 0).is_ok_and(|record| record.source_name().is_some())
}

/// Returns the complete record as a message body, for a record without a readable message.
fn whole(record: &RawValue, number: usize, why: &str) -> EventMessage {
    tracing::warn!("the quarantine gets record {number} whole: {why}");
    EventMessage { id: format!("record {number}"), body: Bytes::copy_from_slice(record.get().as_bytes()) }
}

/// The records of an event.
enum Records<'a> {
    /// `{"Records":[…]}`, as SNS and SQS invoke a Lambda.
    Listed(Vec<&'a RawValue>),
    /// `[…]`, as EventBridge Pipes does.
    Bare(Vec<&'a RawValue>),
}

fn records(event: &[u8]) -> Result<Records<'_>, Error> {
    let event = event.strip_prefix(b"\xef\xbb\xbf").unwrap_or(event); // byte order mark of Windows editors
    let refuse = |e: serde_json::Error| match e.classify() {
        serde_json::error::Category::Data => Error::NotObject,
        _ if event.trim_ascii().is_empty() => Error::NotJson("empty".into()),
        _ => Error::NotJson(e.to_string()),
    };
    if event.trim_ascii_start().starts_with(b"[") {
        return serde_json::from_slice(event).map(Records::Bare).map_err(refuse);
    }
    let outer: RawEvent<'_> = serde_json::from_slice(event).map_err(refuse)?;
    match outer.records.map(RawValue::get) {
        None | Some("null") => Err(Error::NoRecords),
        Some(list) => serde_json::from_str(list).map(Records::Listed).map_err(|_| Error::NotArray),
    }
}

impl<'a> RawRecord<'a> {
    fn parse(raw: &'a RawValue, record: usize) -> Result<Self, Error> {
        if !raw.get().starts_with('{') {
            return Err(Error::BadRecord { record, why: "it does not begin with {".into() });
        }
        serde_json::from_str(raw.get()).map_err(|e| Error::BadRecord { record, why: e.to_string() })
    }

    fn source_name(&self) -> Option<&str> {
        self.sns_source.as_str().or(self.sqs_source.as_str())
    }

    fn source(&self, record: usize) -> Result<EventSource, Error> {
        let name = self.source_name().ok_or(Error::NoSource { record })?;
        EventSource::of(name).ok_or_else(|| Error::OtherService { record, found: name.chars().take(60).collect() })
    }

    fn message(mut self, source: EventSource, number: usize, whole: &RawValue) -> EventMessage {
        let (id, body) = match source {
            EventSource::Sns => {
                let mut take = |name| self.sns.get_mut(name).map(Value::take).unwrap_or_default();
                let text = match take("Message") {
                    Value::String(text) => Some(text.into()),
                    _ => None,
                };
                (take("MessageId"), text)
            }
            EventSource::Sqs | EventSource::Transformed => (self.message_id, self.body.and_then(embedded)),
        };
        let id = match id {
            Value::String(id) if !id.is_empty() => id,
            _ => format!("record {number}"),
        };
        let body = body.unwrap_or_else(|| {
            let part = source.part();
            tracing::warn!("record {number} ({id:?}) of the event has no text {part}: the quarantine gets it whole");
            Bytes::copy_from_slice(whole.get().as_bytes())
        });
        EventMessage { id, body }
    }
}

/// Returns the message of an SQS body: the envelope's message, or the body itself if it is not an envelope (raw
/// delivery).
fn unwrap_once(body: String) -> Bytes {
    Envelope::parse(body.as_bytes()).map_or(body, |envelope| envelope.message).into()
}

#[cfg(test)]
mod tests;
