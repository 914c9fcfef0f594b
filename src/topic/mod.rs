//! The topic: where messages are published. SNS, or the intake in-process (`local`), or a list in memory.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Kind;

#[cfg(feature = "cli")]
pub mod arn;
pub mod local;
pub mod memory;
#[cfg(feature = "cli")]
pub mod sns;

/// The message attribute that names the farm.
pub const COD_CLIENTE: &str = "cod_cliente";

/// The type of that attribute, as SNS calls it.
pub const STRING: &str = "String";

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The body, a reading's JSON.
    pub body: Bytes,
    /// The message attribute `cod_cliente`, where the reading names its farm.
    pub cod_cliente: Option<String>,
    /// What stays the same however often this reading is sent: deduplication on FIFO topics.
    pub dedup: String,
}

impl Message {
    /// What it counts against [`Limits::bytes`]: its body, and name, type and value of its attribute.
    pub fn size_bytes(&self) -> usize {
        let attribute = self.cod_cliente.as_ref().map_or(0, |farm| COD_CLIENTE.len() + STRING.len() + farm.len());
        self.body.len() + attribute
    }
}

/// What one call may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries.
    pub entries: usize,
    /// Bytes of all entries together.
    pub bytes: usize,
}

/// Why one entry of a batch was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
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

impl Refusal {
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

    /// What one call may hold.
    fn limits(&self) -> Limits;

    /// Publishes a batch within [`Topic::limits`]; an answer for each entry, in their order.
    ///
    /// # Errors
    /// The call failed as a whole; no answer says which entries went through, so all are to be sent again.
    async fn publish(&self, batch: &[Message]) -> Result<Vec<Result<(), Refusal>>, Error>;

    /// Whether the topic can be published to.
    ///
    /// # Errors
    /// It does not exist, or the account may not see it.
    async fn check(&self) -> Result<(), Error>;
}
