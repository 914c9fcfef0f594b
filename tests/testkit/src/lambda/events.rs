//! Events as AWS sends them, built from messages with the types of `aws_lambda_events`.

use aws_lambda_events::event::sns::{SnsEvent, SnsMessage, SnsRecord};
use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use serde_json::json;

const TOPIC: &str = "arn:aws:sns:sa-east-1:123456789012:historico-consumo";

/// Returns an SNS event with one message.
pub fn sns(id: &str, message: &str) -> String {
    let mut sns = SnsMessage::default();
    (sns.sns_message_type, sns.topic_arn) = ("Notification".into(), TOPIC.into());
    (sns.message_id, sns.message) = (id.into(), message.into());
    let mut record = SnsRecord::default();
    (record.event_source, record.event_version, record.sns) = ("aws:sns".into(), "1.0".into(), sns);
    let mut event = SnsEvent::default();
    event.records.push(record);
    serde_json::to_string(&event).unwrap()
}

/// Returns an SNS event with a valid reading, another one for each number.
pub fn message(n: u32) -> String {
    sns(&format!("m{n}"), &reading(n))
}

/// Returns an SQS event with bodies and their ids.
pub fn sqs<'a>(items: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut event = SqsEvent::default();
    for (id, body) in items {
        let mut item = SqsMessage::default();
        (item.message_id, item.body) = (Some(id.into()), Some(body.into()));
        (item.event_source, item.receipt_handle) = (Some("aws:sqs".into()), Some("r".into()));
        event.records.push(item);
    }
    serde_json::to_string(&event).unwrap()
}

/// Returns the envelope of SNS for a message to a queue.
pub fn envelope(message: &str) -> String {
    let fields = json!({"Type": "Notification", "MessageId": "m", "TopicArn": TOPIC, "Message": message,
        "Timestamp": "2026-11-22T10:00:00.000Z", "SignatureVersion": "1", "Signature": "x", "SigningCertURL": "https://x",
        "UnsubscribeURL": "https://x"});
    fields.to_string()
}

/// Returns a valid reading, another one for each number.
pub fn reading(n: u32) -> String {
    json!({"id_curral": n.to_string(), "id_raca": "9000001", "id_lote": "3", "peso_entrada": 450, "peso_medio": 450.5,
        "data": "2023-01-01 00:00:00 UTC", "quantidade_animais": "51", "dia_confinamento": "66", "consumo_real": 9.0,
        "cod_cliente": "FazendaUm"})
    .to_string()
}

/// Returns a valid reading with one more field, such as those of `faulty`.
pub fn reading_with(n: u32, field: &str) -> String {
    reading(n).replacen('{', &format!("{{{field},"), 1)
}
