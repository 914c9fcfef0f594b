//! Parsing of an SNS request: its body, read within limits, and the message in it.

use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use hyper::{HeaderMap, header};

use super::body_budget::{BodyBudget, BodyShare};
use super::connections::BODY;
use super::reply::Reply;
use pipeline::intake::envelope::Envelope;
use pipeline::printable;

/// Maximum size of a body in bytes: a message of 256 KiB, each byte of which JSON may escape as six, and its envelope.
pub(super) const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;

/// Initial buffer for a body in bytes; the sender's announcement alone reserves no memory.
const FIRST_BYTES: usize = 16 * 1024;

/// Maximum number of characters of a sender's text in logs and outcomes.
const QUOTED_CHARS: usize = 100;

/// An SNS delivery.
#[derive(Debug)]
pub(super) enum Delivery {
    /// A signed message in its envelope.
    Enveloped(Box<Envelope>),
    /// A raw message (raw message delivery), without a signature.
    Raw {
        /// Message id from the header.
        id: String,
        /// Topic from the header.
        topic: String,
        /// The message.
        body: Bytes,
    },
}

impl Delivery {
    /// Parses a request. It is a raw delivery if the header `x-amz-sns-rawdelivery` is set; otherwise the body must be
    /// an envelope.
    ///
    /// # Errors
    ///
    /// Returns an error if it is not an SNS message.
    pub(super) fn of(headers: &HeaderMap, body: Bytes) -> Result<Self, Reply> {
        if text(headers, "x-amz-sns-rawdelivery").eq_ignore_ascii_case("true") {
            let id = quoted(text(headers, "x-amz-sns-message-id"));
            return Ok(Self::Raw { id, topic: text(headers, "x-amz-sns-topic-arn").to_owned(), body });
        }
        let envelope = Envelope::parse(&body).ok_or_else(|| {
            Reply::NotSns("not an SNS message: a JSON object with the texts Type, TopicArn and Message".into())
        })?;
        let kind = text(headers, "x-amz-sns-message-type");
        if !kind.is_empty() && kind != envelope.kind {
            return Err(Reply::NotSns("the header x-amz-sns-message-type is not the Type of the body".into()));
        }
        Ok(Self::Enveloped(Box::new(envelope)))
    }

    /// Returns the topic that the message claims to come from.
    pub(super) fn topic(&self) -> &str {
        match self {
            Self::Enveloped(envelope) => &envelope.topic_arn,
            Self::Raw { topic, .. } => topic,
        }
    }
}

/// Reads a body, within the memory for all bodies.
///
/// # Errors
///
/// Returns an error if it is too large, too slow, or incomplete, or if there is no memory for it.
pub(super) async fn read<B>(headers: &HeaderMap, body: B, budget: &BodyBudget) -> Result<(Bytes, BodyShare), Reply>
where
    B: Body,
{
    let announced = text(headers, header::CONTENT_LENGTH.as_str()).parse::<usize>().unwrap_or(0);
    if announced > MAX_BODY_BYTES {
        return Err(Reply::TooLarge);
    }
    let whole = async {
        let mut body = std::pin::pin!(body);
        let (mut whole, mut share) = (BytesMut::with_capacity(announced.min(FIRST_BYTES)), BodyShare::default());
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Reply::RetryLater("the body is truncated".into()))?;
            let Ok(mut data) = frame.into_data() else { continue };
            if whole.len() + data.remaining() > MAX_BODY_BYTES {
                return Err(Reply::TooLarge);
            }
            if !budget.add(&mut share, data.remaining()).await {
                return Err(Reply::RetryLater("too many messages in memory, retry later".into()));
            }
            whole.extend_from_slice(&data.copy_to_bytes(data.remaining()));
        }
        Ok((whole.freeze(), share))
    };
    tokio::time::timeout(BODY, whole)
        .await
        .unwrap_or_else(|_| Err(Reply::RetryLater("the body came too slowly".into())))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Returns a sender's text for logs and outcomes: one line, truncated.
pub(super) fn quoted(text: &str) -> String {
    printable::line(&text.chars().take(QUOTED_CHARS).collect::<String>()).into_owned()
}
