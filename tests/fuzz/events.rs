//! Events of SNS and SQS as Lambda receives them, and envelopes of SNS.

use pipeline::intake::envelope::Envelope;
use pipeline::intake::event::{Event, EventSource};
use serde_json::json;

use crate::corpus;
use crate::engine::{Target, Verdict, check_reason, ensure, same};

const WORDS: &[&str] = &[
    "\"Records\":",
    "\"EventSource\":\"aws:sns\",",
    "\"eventSource\":\"aws:sqs\",",
    "\"EventSource\":\"aws:s3\",",
    "\"Sns\":{",
    "\"Message\":\"m\",",
    "\"MessageId\":\"\",",
    "\"messageId\":7,",
    "\"body\":\"{}\",",
    "\"body\":{},",
    "\"Type\":\"Notification\",",
    "\"TopicArn\":\"t\",",
    "null",
    "{}",
    "\u{feff}",
    "\\\"",
];

/// A bare array, as EventBridge Pipes delivers it, and arrays of messages of an input transformer.
const BARE: [&str; 4] = [
    r#"[{"messageId":"a","eventSource":"aws:sqs","body":"{\"id_curral\":\"1\"}"},{"messageId":"b","eventSource":"aws:sqs","body":{"id_curral":"1"}}]"#,
    r#"["{\"id_curral\":\"1\"}",{"id_curral":"2"}]"#,
    r#"{"Records":[{"EventSource":"aws:sns","EventVersion":"1.0","Sns":{"MessageId":"95df01b4","TopicArn":"t","Message":"{}"}},{"EventSource":"aws:sns","Sns":{"Message":7}}]}"#,
    r#"{"Records":[{"eventSource":"aws:sqs","messageId":"m","body":"{\"Type\":\"Notification\",\"TopicArn\":\"t\",\"Message\":\"{\\\"Type\\\":\\\"Notification\\\",\\\"TopicArn\\\":\\\"t\\\",\\\"Message\\\":\\\"x\\\"}\"}"}]}"#,
];

#[test]
fn an_event_is_the_same_messages_after_they_were_sent_again() {
    let mut corpus = ["sns-event.json", "sqs-event.json", "sqs-event-faults.json"].map(corpus::sample).to_vec();
    corpus.extend(BARE.map(|event| event.as_bytes().to_vec()));
    let name = "events::an_event_is_the_same_messages_after_they_were_sent_again";
    Target { words: WORDS, ..Target::new(name, 8_000, corpus) }.run(event);
}

fn event(bytes: &[u8]) -> Verdict {
    let parsed = Event::parse(bytes);
    same("parsed again", &Event::parse(bytes), &parsed)?;
    let event = match parsed {
        Ok(event) => event,
        Err(why) => {
            check_reason(&why.to_string())?;
            return Ok(false);
        }
    };
    ensure(!event.messages.is_empty(), || "an accepted event has no message".into())?;
    let mut records = Vec::new();
    for message in &event.messages {
        ensure(!message.id.is_empty(), || "a message has no id".into())?;
        let text = std::str::from_utf8(&message.body).map_err(|e| format!("a message of JSON: {e}"))?;
        records.push(json!({"EventSource": "aws:sns", "Sns": {"MessageId": message.id, "Message": text}}));
    }
    let sent = json!({ "Records": records }).to_string();
    let again = Event::parse(sent.as_bytes()).map_err(|e| format!("its messages are rejected: {e}"))?;
    same("the messages as an event of SNS", &again, &Event { source: EventSource::Sns, messages: event.messages })?;
    Ok(true)
}

#[test]
fn an_envelope_is_the_same_after_it_was_written_again() {
    let names = ["notification-1.json", "notification-2.json", "notification-2-subject.json", "subscription.json"];
    let folder = testkit::samples::samples().join("../tests/sns");
    let corpus = names.map(|name| std::fs::read(folder.join(name)).unwrap()).to_vec();
    let name = "events::an_envelope_is_the_same_after_it_was_written_again";
    Target { words: WORDS, ..Target::new(name, 10_000, corpus) }.run(envelope);
}

fn envelope(bytes: &[u8]) -> Verdict {
    let parsed = Envelope::parse(bytes);
    same("parsed again", &Envelope::parse(bytes), &parsed)?;
    let Some(envelope) = parsed else { return Ok(false) };
    let written = json!({
        "Type": envelope.kind, "TopicArn": envelope.topic_arn, "Message": envelope.message,
        "MessageId": envelope.message_id, "Subject": envelope.subject, "Timestamp": envelope.timestamp,
        "SignatureVersion": envelope.signature_version, "Signature": envelope.signature,
        "SigningCertURL": envelope.signing_cert_url, "SubscribeURL": envelope.subscribe_url, "Token": envelope.token,
    });
    same("written again", &Envelope::parse(written.to_string().as_bytes()), &Some(envelope))?;
    Ok(true)
}
