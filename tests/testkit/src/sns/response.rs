//! Responses in the XML of the query protocol, as the SDKs read them.

use std::borrow::Cow;
use std::fmt::Write as _;

use uuid::Uuid;

/// Namespace of all responses.
const NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";

/// A call that is rejected completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub status: u16,
    pub code: Cow<'static, str>,
    pub message: String,
}

impl Refused {
    pub fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    /// Returns a rejection for a fault of the sender: status 400.
    pub fn sender(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// Returns the rejection of an invalid message.
    pub fn invalid(reason: &str) -> Self {
        Self::sender("InvalidParameter", format!("Invalid parameter: {reason}"))
    }

    /// Returns the rejection of an invalid parameter.
    pub fn parameter(name: &str) -> Self {
        Self::invalid(name)
    }

    /// Returns the rejection of an invalid message attribute.
    pub fn value(message: &str) -> Self {
        Self::sender("ParameterValueInvalid", message)
    }

    pub fn no_topic() -> Self {
        Self::new(404, "NotFound", "Topic does not exist")
    }

    /// Returns its XML.
    pub fn xml(&self, request: Uuid) -> String {
        let fault = if self.status < 500 { "Sender" } else { "Receiver" };
        let mut xml = format!(
            "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{fault}</Type><Code>{}</Code><Message>",
            self.code
        );
        escape(&mut xml, &self.message);
        let _ = write!(xml, "</Message></Error><RequestId>{request}</RequestId></ErrorResponse>");
        xml
    }
}

/// An accepted message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub message_id: Uuid,
    /// Its sequence number on a FIFO topic.
    pub sequence: Option<u64>,
}

/// An entry that failed in a response with status 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    pub code: String,
    pub sender: bool,
    pub message: String,
}

/// Returns the response to an action with its result; `None` for an action without a result.
pub(crate) fn answer(action: &str, output: Option<&str>, request: Uuid) -> String {
    let mut xml = String::with_capacity(256 + output.map_or(0, str::len));
    let _ = write!(xml, "<{action}Response xmlns=\"{NAMESPACE}\">");
    if let Some(message) = output {
        let _ = write!(xml, "<{action}Result>{message}</{action}Result>");
    }
    let _ = write!(xml, "<ResponseMetadata><RequestId>{request}</RequestId></ResponseMetadata></{action}Response>");
    xml
}

/// Returns the result of `Publish`.
pub(crate) fn published(accepted: &Accepted) -> String {
    let mut xml = String::with_capacity(128);
    write_accepted(&mut xml, accepted);
    xml
}

/// Returns the result of `PublishBatch`: the ids of the entries with their results.
pub(crate) fn batch<'a>(entries: impl Iterator<Item = (&'a str, Result<Accepted, Failed>)>) -> String {
    let (mut good, mut bad) = (String::with_capacity(1_024), String::new());
    for (id, outcome) in entries {
        match outcome {
            Ok(accepted) => {
                good.push_str("<member><Id>");
                good.push_str(id);
                good.push_str("</Id>");
                write_accepted(&mut good, &accepted);
                good.push_str("</member>");
            }
            Err(Failed { code, sender, message }) => {
                let _ = write!(bad, "<member><Id>{id}</Id><Code>{code}</Code><Message>");
                escape(&mut bad, &message);
                let _ = write!(bad, "</Message><SenderFault>{sender}</SenderFault></member>");
            }
        }
    }
    format!("<Failed>{bad}</Failed><Successful>{good}</Successful>")
}

fn write_accepted(xml: &mut String, accepted: &Accepted) {
    let mut buffer = Uuid::encode_buffer();
    xml.push_str("<MessageId>");
    xml.push_str(accepted.message_id.hyphenated().encode_lower(&mut buffer));
    xml.push_str("</MessageId>");
    if let Some(sequence) = accepted.sequence {
        let _ = write!(xml, "<SequenceNumber>{sequence:020}</SequenceNumber>");
    }
}

/// Escapes text for an element.
pub(crate) fn escape(xml: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            c => xml.push(c),
        }
    }
}

/// Returns `<entry><key>..</key><value>..</value></entry>` for each pair, in an element with this name.
pub(crate) fn map<'a>(name: &str, pairs: impl Iterator<Item = (&'a str, String)>) -> String {
    let mut xml = format!("<{name}>");
    for (key, value) in pairs {
        let _ = write!(xml, "<entry><key>{key}</key><value>");
        escape(&mut xml, &value);
        xml.push_str("</value></entry>");
    }
    let _ = write!(xml, "</{name}>");
    xml
}
