//! The topic: where messages are published. SNS, or the intake in-process (`local`), or a list in memory.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use pipeline::error::Kind;
use pipeline::lake::ConditionalWrites;
use pipeline::record::{QUARANTINE, Slug};

pub mod address;
pub mod arn;
pub mod local;
pub mod memory;
pub mod sns;
mod terms;

pub use terms::Terms;

/// The message attribute that names the farm.
pub const COD_CLIENTE: &str = "cod_cliente";

/// The message attribute that names the lot.
pub const ID_LOTE: &str = "id_lote";

/// The longest message attribute that is worth sending, and the longest FIFO id that SNS takes, in characters.
pub(crate) const LONGEST_ID: usize = 128;

/// The type of these attributes, as SNS calls it.
pub const STRING: &str = "String";

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The body, a reading's JSON.
    pub body: Bytes,
    /// The message attribute `cod_cliente`, where the reading names its farm.
    pub cod_cliente: Option<String>,
    /// The message attribute `id_lote`, where the reading names its lot in a form that can be one.
    pub id_lote: Option<String>,
    /// What stays the same however often this reading is sent: deduplication on FIFO topics.
    pub dedup_id: String,
}

impl Message {
    /// Its message attributes, name and value, for the filter policies of subscriptions.
    pub fn attributes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let farm = self.cod_cliente.as_deref().map(|farm| (COD_CLIENTE, farm));
        farm.into_iter().chain(self.id_lote.as_deref().map(|lot| (ID_LOTE, lot)))
    }

    /// What keeps its order on a FIFO topic: the farm's folder and the lot, or `quarentena` where no farm is named; safe in
    /// form and length.
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

    /// What it counts against [`BatchLimits::bytes`]: its body, and name, type and value of its attributes.
    pub fn size_bytes(&self) -> usize {
        self.body.len() + self.attributes().map(|(name, value)| name.len() + STRING.len() + value.len()).sum::<usize>()
    }
}

/// Whether a lot's id can be a message attribute and part of a message group: printable ASCII, not too long.
pub fn is_attribute(lot: &str) -> bool {
    !lot.is_empty() && lot.len() <= LONGEST_ID && lot.bytes().all(|b| b.is_ascii_graphic())
}

/// What one call may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Entries.
    pub entries: usize,
    /// Bytes of all entries together.
    pub bytes: usize,
}

/// Why one entry of a batch was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct EntryError {
    /// Whether another try can help: never where the fault is the sender's.
    pub kind: Kind,
    /// The topic's code.
    pub code: String,
    /// The topic's words.
    pub message: String,
}

/// The topic as a whole cannot be published to.
#[derive(Debug, Clone, thiserror::Error)]
#[error("topic {topic}: {message}")]
pub struct Error {
    /// Whether another try can help.
    pub kind: Kind,
    /// The topic's code, or `NoAnswer` where none came.
    pub code: String,
    /// The topic.
    pub topic: String,
    /// What happened and what to do.
    pub message: String,
}

impl EntryError {
    /// Whether the topic was asked too fast: another try can help, and a slower one helps more.
    pub fn is_throttling(&self) -> bool {
        is_throttling(&self.code)
    }
}

impl Error {
    /// Whether the topic was asked too fast.
    pub fn is_throttling(&self) -> bool {
        is_throttling(&self.code)
    }
}

/// Whether a code of SNS says that it was asked too fast.
pub(crate) fn is_throttling(code: &str) -> bool {
    code.contains("Throttl") || matches!(code, "TooManyRequestsException" | "RequestLimitExceeded" | "SlowDown")
}

/// The code of a call that no answer came to.
pub(crate) const NO_ANSWER: &str = "NoAnswer";

/// A topic: publishes a batch and answers for each entry.
#[async_trait]
pub trait Topic: Send + Sync + fmt::Debug {
    /// The topic's name.
    fn address(&self) -> String;

    /// The address of the service if it is not that of AWS: a mock or a proxy.
    fn endpoint(&self) -> Option<String> {
        None
    }

    /// What one call may hold.
    fn limits(&self) -> BatchLimits;

    /// Publishes a batch within [`Topic::limits`]; an answer for each entry, in their order.
    ///
    /// # Errors
    /// The call failed as a whole; no answer says which entries went through, so all are to be sent again.
    async fn publish(&self, batch: &[Message]) -> Result<Vec<Result<(), EntryError>>, Error>;

    /// Whether the topic can be published to.
    ///
    /// # Errors
    /// It does not exist, or the account may not see it.
    async fn check(&self) -> Result<(), Error>;

    /// Support of the lake behind the topic for conditional writes; `None` if the topic writes to no lake itself.
    fn conditional_writes(&self) -> Option<ConditionalWrites> {
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
    fn a_group_is_a_farms_lot_in_a_form_that_a_topic_takes() {
        let group = |farm, lot| message(farm, lot).group();
        assert_eq!(group(Some("Fazenda São João"), Some("7357")), "fazenda_sao_joao:7357");
        assert_eq!(group(Some("Fazenda São João"), None), "fazenda_sao_joao");
        assert_eq!(group(None, Some("7357")), "quarentena");
        assert_eq!(group(Some(&"x".repeat(190)), Some("1")).len(), 128);
        assert!(is_attribute("73578741015010") && !is_attribute("") && !is_attribute("a b") && !is_attribute("ç"));
    }

    #[test]
    fn attributes_count_with_name_type_and_value() {
        assert_eq!(message(None, None).size_bytes(), 2);
        assert_eq!(message(Some("ção"), Some("12")).size_bytes(), 2 + (11 + 6 + 5) + (7 + 6 + 2));
    }
}
