//! The SNS envelope: a message with the topic's metadata, as SQS queues and HTTP endpoints receive it.
//!
//! Owns the envelope's fields and the distinction from raw messages. Signature checks belong to the HTTP receivers.

use serde::{Deserialize, Deserializer};

/// The fields that SNS adds to a message. A field that is absent or not a text is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Envelope {
    /// `Notification`, `SubscriptionConfirmation` or `UnsubscribeConfirmation`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// ARN of the topic.
    pub topic_arn: String,
    /// The message as it was published.
    pub message: String,
    /// Id of the publication; equal on every delivery.
    #[serde(default, deserialize_with = "text")]
    pub message_id: Option<String>,
    /// Subject; `None` if the publisher set none.
    #[serde(default, deserialize_with = "text")]
    pub subject: Option<String>,
    /// Publication time, RFC 3339.
    #[serde(default, deserialize_with = "text")]
    pub timestamp: Option<String>,
    /// Signature version: `1` (SHA-1) or `2` (SHA-256).
    #[serde(default, deserialize_with = "text")]
    pub signature_version: Option<String>,
    /// Signature in base64.
    #[serde(default, deserialize_with = "text")]
    pub signature: Option<String>,
    /// URL of the signing certificate.
    #[serde(default, rename = "SigningCertURL", deserialize_with = "text")]
    pub signing_cert_url: Option<String>,
    /// URL that confirms a subscription when visited. It is secret, because it contains the token.
    #[serde(default, rename = "SubscribeURL", deserialize_with = "text")]
    pub subscribe_url: Option<String>,
    /// Token of a subscription confirmation.
    #[serde(default, deserialize_with = "text")]
    pub token: Option<String>,
}

impl Envelope {
    /// Parses an envelope: a JSON object with the texts `Type`, `TopicArn` and `Message`. `None` for any other body.
    ///
    /// No reading has fields with these names, so the distinction depends on the body's fields alone, and not on
    /// whether it parses as a reading.
    pub fn parse(body: &[u8]) -> Option<Self> {
        // Without this check, serde would accept an array of texts in field order.
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
    fn an_envelope_needs_all_three_texts() {
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
