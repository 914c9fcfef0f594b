//! The SNS envelope: a message with its topic's own fields around it, as SQS queues and HTTP endpoints receive it.
//!
//! Owns its fields and how it is told from a message that was delivered raw. Whether its signature is genuine is the
//! business of whoever receives it over HTTP.

use serde::{Deserialize, Deserializer};

/// What SNS puts around a message; a field that is absent, or is not text, is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Envelope {
    /// `Notification`, `SubscriptionConfirmation` or `UnsubscribeConfirmation`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// The topic.
    pub topic_arn: String,
    /// The message as it was published.
    pub message: String,
    /// The same on every delivery of one publication.
    #[serde(default, deserialize_with = "text")]
    pub message_id: Option<String>,
    /// The subject, where one was given.
    #[serde(default, deserialize_with = "text")]
    pub subject: Option<String>,
    /// When it was published, RFC 3339.
    #[serde(default, deserialize_with = "text")]
    pub timestamp: Option<String>,
    /// `1` (SHA-1) or `2` (SHA-256).
    #[serde(default, deserialize_with = "text")]
    pub signature_version: Option<String>,
    /// The signature in base64.
    #[serde(default, deserialize_with = "text")]
    pub signature: Option<String>,
    /// Where the certificate of the signature is.
    #[serde(default, rename = "SigningCertURL", deserialize_with = "text")]
    pub signing_cert_url: Option<String>,
    /// What is to be visited to confirm a subscription; as secret as the token in it.
    #[serde(default, rename = "SubscribeURL", deserialize_with = "text")]
    pub subscribe_url: Option<String>,
    /// The token of a confirmation.
    #[serde(default, deserialize_with = "text")]
    pub token: Option<String>,
}

impl Envelope {
    /// The envelope, where the body is one: a JSON object with the texts `Type`, `TopicArn` and `Message`.
    ///
    /// No reading has fields of these names, so that the body's own fields decide and never whether something parses
    /// as a reading.
    pub fn parse(body: &[u8]) -> Option<Self> {
        // serde would take an array of texts for the fields in their order.
        body.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(body).ok())?
    }
}

fn text<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    Ok(match serde_json::Value::deserialize(value)? {
        serde_json::Value::String(text) => Some(text),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_texts_make_an_envelope_and_nothing_else_does() {
        let envelope =
            Envelope::parse(br#"{"Type":"Notification","TopicArn":"t","Message":"m","MessageId":7}"#).unwrap();
        assert_eq!((envelope.message.as_str(), envelope.message_id), ("m", None));
        for body in [
            r#"{"Type":"Notification","TopicArn":"t"}"#,
            r#"{"Type":"Notification","TopicArn":"t","Message":{"a":1}}"#,
            r#"{"id_curral":"1","cod_cliente":"FazendaUm"}"#,
            r#"{"Type":"a","Type":"b","TopicArn":"t","Message":"m"}"#,
            "[]",
            r#"["Notification","t","m"]"#,
            "",
        ] {
            assert_eq!(Envelope::parse(body.as_bytes()), None, "{body}");
        }
    }
}
