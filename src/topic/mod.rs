//! The topic that messages are published to: SNS, or the intake in this process (`local`).
//!
//! # Adding a service
//!
//! 1. A folder here, such as `sqs/`, with its implementation of [`Topic`] and its [`Terms`].
//! 2. In this file its `pub mod` and its variant of [`TopicAddress`] with the same name; the compiler names the matches except
//!    that of `FromStr`, and [`TopicAddress::FORMS`] is in the help of all commands. What is no other address is parsed as [`SnsArn`], whose errors
//!    name the accepted forms.
//! 3. Its arm in `open_service` (`src/cli/topic.rs`). `SNS_TOPIC_ARN` there is the default of `--topic`, any address.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use bytes::Bytes;

use pipeline::error::Kind;
use pipeline::lake::ConditionalWrites;
use pipeline::place;
use pipeline::record::{QUARANTINE, Slug};

pub mod deliveries;
pub mod local;
#[cfg(test)]
pub(crate) mod memory;
pub mod sns;
mod terms;

pub use deliveries::{Deliveries, Delivery};
pub use sns::SnsArn;
pub use terms::Terms;

use sns::arn::EXAMPLE;

/// Address of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicAddress {
    /// An SNS topic.
    Sns(SnsArn),
    /// The intake in this process.
    Local,
}

impl TopicAddress {
    /// The forms of a topic's address, for help.
    pub const FORMS: &str = "SNS topic ARN, or \"local\"";

    /// Returns quota and prices; `None` if the topic is in this process.
    pub fn terms(&self) -> Option<Terms> {
        match self {
            Self::Sns(arn) => Some(sns::terms::terms(arn)),
            Self::Local => None,
        }
    }
}

impl FromStr for TopicAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = place::tidy(text).map_err(|e| format!("the topic {e}: {EXAMPLE}, or local"))?;
        if text == "local" { Ok(Self::Local) } else { text.parse().map(Self::Sns) }
    }
}

impl fmt::Display for TopicAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sns(arn) => arn.fmt(f),
            Self::Local => f.write_str("local"),
        }
    }
}

/// The message attribute with the farm.
pub const COD_CLIENTE: &str = "cod_cliente";

/// The message attribute with the lot.
pub const ID_LOTE: &str = "id_lote";

/// Maximum length of the message attribute `id_lote` and of FIFO ids, in characters; the FIFO limit is SNS's.
pub(crate) const LONGEST_ID: usize = 128;

/// The SNS data type of these attributes.
pub const STRING: &str = "String";

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The body: the JSON of a reading.
    pub body: Bytes,
    /// The message attribute `cod_cliente`; `None` if the message names no farm.
    pub cod_cliente: Option<String>,
    /// The message attribute `id_lote`; `None` if the message names no lot that can be an attribute.
    pub id_lote: Option<String>,
    /// Deduplication id for FIFO topics, the same each time the reading is sent.
    pub dedup_id: String,
}

impl Message {
    /// Returns its message attributes, by name and value, for the filter policies of subscriptions.
    pub fn attributes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let farm = self.cod_cliente.as_deref().map(|farm| (COD_CLIENTE, farm));
        farm.into_iter().chain(self.id_lote.as_deref().map(|lot| (ID_LOTE, lot)))
    }

    /// Returns the message group, within which a FIFO topic keeps the order: the farm's folder and the lot, or
    /// `quarentena` if no farm is named. Valid in form and length.
    pub fn group(&self) -> String {
        let slug = self.cod_cliente.as_deref().and_then(|farm| Slug::of(farm).ok());
        let Some(slug) = slug else { return QUARANTINE.to_owned() };
        let mut group = match &self.id_lote {
            Some(lot) => format!("{slug}:{lot}"),
            None => slug.to_string(),
        };
        group.truncate(LONGEST_ID); // both are ASCII
        group
    }

    /// Returns what it counts against [`BatchLimits::bytes`]: its body, and name, type and value of its attributes.
    pub fn size_bytes(&self) -> usize {
        self.body.len() + self.attributes().map(|(name, value)| name.len() + STRING.len() + value.len()).sum::<usize>()
    }
}

/// Returns true if a lot's id can be a message attribute and part of a message group: printable ASCII of limited
/// length.
pub fn is_attribute(lot: &str) -> bool {
    !lot.is_empty() && lot.len() <= LONGEST_ID && lot.bytes().all(|b| b.is_ascii_graphic())
}

/// Limits of one publish call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Maximum number of entries.
    pub entries: usize,
    /// Maximum size of all entries together, in bytes.
    pub bytes: usize,
}

/// Reason why one entry of a batch was not published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryError {
    /// Whether a retry can succeed: permanent if the sender is at fault, unless the entry was throttled.
    pub kind: Kind,
    /// The topic's error code.
    pub code: String,
    /// The topic's error message.
    pub message: String,
}

impl std::error::Error for EntryError {}

/// Writes the code only if the message does not contain it.
impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.contains(&self.code) {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.code, self.message)
        }
    }
}

/// A failure of a complete call to the topic.
#[derive(Debug, Clone, thiserror::Error)]
#[error("topic {topic}: {message}")]
pub struct Error {
    /// Whether a retry can succeed.
    pub kind: Kind,
    /// The topic's error code, or `NoAnswer` if there was no response.
    pub code: String,
    /// The topic.
    pub topic: String,
    /// What happened and what to do.
    pub message: String,
}

impl EntryError {
    /// Returns true if the entry was throttled. A retry can succeed, preferably at a lower rate.
    pub fn is_throttling(&self) -> bool {
        is_throttling(&self.code)
    }
}

impl Error {
    /// Returns true if the call was throttled.
    pub fn is_throttling(&self) -> bool {
        is_throttling(&self.code)
    }
}

/// Returns true if an SNS error code means throttling.
pub(crate) fn is_throttling(code: &str) -> bool {
    code.contains("Throttl") || matches!(code, "TooManyRequestsException" | "RequestLimitExceeded" | "SlowDown")
}

/// Error code for a missing response.
pub(crate) const NO_RESPONSE: &str = "NoAnswer";

/// A topic, which publishes batches and returns a result per entry.
#[async_trait]
pub trait Topic: Send + Sync + fmt::Debug {
    /// Returns the topic's address.
    fn address(&self) -> String;

    /// Returns the address of the service if it is not that of AWS: a mock or a proxy.
    fn endpoint(&self) -> Option<String> {
        None
    }

    /// Returns the limits of one call.
    fn limits(&self) -> BatchLimits;

    /// Publishes a batch within [`Topic::limits`] and returns a result per entry, in the same order.
    ///
    /// # Errors
    ///
    /// Returns an error if the complete call failed. Some entries may have been published, so all must be sent again.
    async fn publish(&self, batch: &[Message]) -> Result<Vec<Result<(), EntryError>>, Error>;

    /// Checks that the topic can be published to.
    ///
    /// # Errors
    ///
    /// Returns an error if the topic does not exist or access is denied.
    async fn check(&self) -> Result<(), Error>;

    /// Returns the support of the lake behind the topic for conditional writes; `None` if the topic writes to no lake.
    fn conditional_writes(&self) -> Option<ConditionalWrites> {
        None
    }

    /// Returns what the intake behind the topic did with the messages; `None` if the topic has no intake.
    fn deliveries(&self) -> Option<Deliveries> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(farm: Option<&str>, lot: Option<&str>) -> Message {
        Message {
            body: Bytes::from_static(b"{}"),
            cod_cliente: farm.map(str::to_owned),
            id_lote: lot.map(str::to_owned),
            dedup_id: "d".into(),
        }
    }

    #[test]
    fn a_group_is_a_valid_name_for_a_lot_of_a_farm() {
        let group = |farm, lot| message(farm, lot).group();
        assert_eq!(group(Some("Fazenda São João"), Some("7357")), "fazenda_sao_joao:7357");
        assert_eq!(group(Some("Fazenda São João"), None), "fazenda_sao_joao");
        assert_eq!(group(None, Some("7357")), "quarentena");
        assert_eq!(group(Some(&"x".repeat(190)), Some("1")).len(), 128);
        assert!(is_attribute("73578741015010") && !is_attribute("") && !is_attribute("a b") && !is_attribute("ç"));
    }

    #[test]
    fn an_error_names_its_code_once() {
        let error = |message: &str| {
            EntryError { kind: Kind::Transient, code: "Throttling".into(), message: message.into() }.to_string()
        };
        assert_eq!(error("Rate exceeded"), "Throttling: Rate exceeded");
        let whole = "throttled: publish more slowly (Throttling: Rate exceeded)";
        assert_eq!(error(whole), whole);
    }

    #[test]
    fn attributes_count_with_name_type_and_value() {
        assert_eq!(message(None, None).size_bytes(), 2);
        assert_eq!(message(Some("ção"), Some("12")).size_bytes(), 2 + (11 + 6 + 5) + (7 + 6 + 2));
    }

    #[test]
    fn an_invalid_topic_is_rejected_with_an_example() {
        for text in [
            "",
            "Local",
            "historico",
            "arn:aws:sqs:us-east-1:123456789012:queue",
            "arn:aws:sns:us-east-1:12345:a",
            "arn:aws:sns::123456789012:a",
            "arn:aws:sns:us-east-1:123456789012:",
            "arn:aws:sns:us-east-1:123456789012:a b",
            "arn:aws:sns:us-east-1:123456789012:topic:subscription",
            "arn:aws:sns:US-EAST-1:123456789012:a",
            "arn:aws:sns:us-east-1:12345678901x:a",
            "ARN:aws:sns:us-east-1:123456789012:a",
            "sns:us-east-1:123456789012:a",
            "https://sns.us-east-1.amazonaws.com/",
            "\"arn:aws:sns:us-east-1:123456789012:a\"",
            "'local'",
            " \n",
        ] {
            let message = text.parse::<TopicAddress>().unwrap_err();
            assert!(message.contains("arn:aws:sns:sa-east-1") && message.contains("local"), "{text}");
        }
        assert_eq!("local".parse(), Ok(TopicAddress::Local));
        let arn = "arn:aws:sns:us-east-1:123456789012:a";
        assert_eq!(
            format!(" {arn}\n").parse::<TopicAddress>().unwrap().to_string(),
            arn,
            "surrounding whitespace, as in a secret"
        );
        assert!(format!("\"{arn}\"").parse::<SnsArn>().unwrap_err().contains("remove the quotes"));
        assert!(format!("{arn}:sub").parse::<SnsArn>().unwrap_err().contains("subscription"));
    }
}
