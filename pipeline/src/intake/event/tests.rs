//! Tests with valid and invalid events of each form.

use super::*;

const READING: &str = r#"{"id_curral":"1","nota":"linha 1\nlinha 2 \u00e9","consumo_real":9.10}"#;

const NEITHER: &str = "the event is neither a JSON object nor an array of records: give the event as Lambda receives it, {\"Records\":[…]}";

fn sns(message: &Value) -> Value {
    serde_json::json!({"EventVersion": "1.0", "EventSource": "aws:sns", "EventSubscriptionArn": "a",
        "Sns": {"Type": "Notification", "MessageId": "id-1", "Subject": null, "Message": message}})
}

fn sqs(id: &str, body: &str) -> Value {
    serde_json::json!({"messageId": id, "receiptHandle": "r", "body": body, "attributes": {},
        "eventSource": "aws:sqs", "eventSourceARN": "a", "awsRegion": "us-east-1"})
}

fn envelope(message: &str) -> String {
    serde_json::json!({"Type": "Notification", "MessageId": "m", "TopicArn": "t", "Message": message}).to_string()
}

fn parse(records: &[Value]) -> Result<Event, Error> {
    Event::parse(serde_json::json!({ "Records": records }).to_string().as_bytes())
}

fn refused(event: &str) -> String {
    Event::parse(event.as_bytes()).unwrap_err().to_string()
}

#[test]
fn an_sns_event_contains_its_message_byte_for_byte() {
    let event = parse(&[sns(&READING.into())]).unwrap();
    assert_eq!(event.source, EventSource::Sns);
    assert_eq!(event.messages, [EventMessage { id: "id-1".into(), body: READING.into() }]);
}

#[test]
fn an_sqs_event_may_mix_envelopes_and_raw_messages() {
    let event = parse(&[sqs("a", &envelope(READING)), sqs("b", READING), sqs("c", "no JSON at all")]).unwrap();
    assert_eq!(event.source, EventSource::Sqs);
    let bodies: Vec<_> = event.messages.iter().map(|m| (m.id.as_str(), &m.body[..])).collect();
    assert_eq!(bodies, [("a", READING.as_bytes()), ("b", READING.as_bytes()), ("c", b"no JSON at all")]);
}

#[test]
fn exactly_one_envelope_is_removed() {
    let inner = envelope(READING);
    let event = parse(&[sqs("a", &envelope(&inner))]).unwrap();
    assert_eq!(event.messages[0].body, inner.as_bytes());
    let event = parse(&[sns(&inner.clone().into())]).unwrap();
    assert_eq!(event.messages[0].body, inner.as_bytes());
}

#[test]
fn a_record_without_a_message_is_passed_on_complete_and_the_others_are_processed() {
    let mut other = sqs("other", READING);
    other["body"] = Value::Null;
    let event = parse(&[other, sqs("b", READING)]).unwrap();
    assert_eq!((event.messages.len(), event.messages[0].id.as_str()), (2, "other"));
    assert!(event.messages[0].body.starts_with(b"{") && event.messages[0].body.windows(7).any(|w| w == b"aws:sqs"));
    let event = parse(&[sns(&serde_json::json!({"a": 1}))]).unwrap();
    assert_eq!(event.messages[0].id, "id-1");
    let event = parse(&[serde_json::json!({"EventSource": "aws:sns"})]).unwrap();
    assert_eq!(event.messages[0].id, "record 1");
}

#[test]
fn a_bare_array_of_sqs_records_is_read_like_records() {
    let records = [sqs("a", &envelope(READING)), sqs("b", READING)];
    let bare = Event::parse(serde_json::to_string(&records).unwrap().as_bytes()).unwrap();
    assert_eq!(bare, parse(&records).unwrap());
    assert_eq!(bare.source, EventSource::Sqs, "so that its items can fail individually");
    let other = r#"[{"eventSource":"aws:kinesis","data":"e30="}]"#;
    assert!(refused(other).contains("from aws:kinesis"));
    let unread = format!("[[], {}]", sqs("b", READING));
    let event = Event::parse(unread.as_bytes()).unwrap();
    assert_eq!(event.messages.iter().map(|m| m.id.as_str()).collect::<Vec<_>>(), ["record 1", "b"]);
}

#[test]
fn an_array_that_a_transformer_made_is_messages_that_fail_as_a_unit() {
    let text = serde_json::to_string(&[READING, &envelope(READING)]).unwrap();
    let objects = format!("[{READING},{}]", envelope(READING));
    for event in [text, objects] {
        let event = Event::parse(event.as_bytes()).unwrap();
        assert_eq!(event.source, EventSource::Transformed);
        assert!(event.messages.iter().all(|message| message.body == READING), "{event:?}");
        assert_eq!(event.messages[1].id, "message 2");
    }
}

#[test]
fn a_body_that_became_json_is_read_digit_by_digit() {
    let record = sqs("a", "BODY").to_string().replace("\"BODY\"", READING);
    let event = Event::parse(format!("[{record}]").as_bytes()).unwrap();
    assert_eq!(event.messages, [EventMessage { id: "a".into(), body: READING.into() }]);
}

#[test]
fn an_invalid_event_is_rejected_with_its_reason() {
    let cases = [
        ("", "the event is not JSON: empty"),
        ("{\"Records\":[", "the event is not JSON: EOF while parsing a list at line 1 column 12"),
        ("[]", "the event has an empty list of Records: there is no message in it"),
        ("[[]]", NEITHER),
        ("[{\"a\":1},7]", NEITHER),
        ("7", NEITHER),
        ("[{\"a\":1}", "the event is not JSON: EOF while parsing a list at line 1 column 8"),
        ("{}", "the event has no Records: it is not an SNS or SQS event"),
        ("{\"Records\":null}", "the event has no Records: it is not an SNS or SQS event"),
        ("{\"Records\":{}}", "the event's Records is not an array"),
        ("{\"Records\":[]}", "the event has an empty list of Records: there is no message in it"),
        (
            "{\"Records\":[[\"aws:sns\"]]}",
            "record 1 of the event is not a JSON object with the fields of a record: it does not begin with {",
        ),
        (
            "{\"Records\":[{}]}",
            "record 1 of the event does not name an event source: neither EventSource nor eventSource is a text",
        ),
        (
            "{\"Records\":[{\"eventSource\":\"aws:s3\",\"s3\":{}}]}",
            "record 1 of the event is from aws:s3: only aws:sns and aws:sqs carry readings, point the trigger at the topic or its queue",
        ),
    ];
    for (event, reason) in cases {
        assert_eq!(refused(event), reason);
    }
    let mixed = parse(&[sqs("a", READING), sns(&READING.into())]).unwrap_err();
    let reason = "record 2 of the event is from aws:sns, those before it from aws:sqs: an event has one source";
    assert_eq!(mixed.to_string(), reason);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = Event::parse(&bytes);
    }

    #[test]
    fn any_text_survives_both_ways_of_delivery(text in ".{0,80}") {
        let event = parse(&[sqs("a", &envelope(&text)), sqs("b", &text)]).unwrap();
        proptest::prop_assert_eq!(&event.messages[0].body, text.as_bytes());
        proptest::prop_assert_eq!(&event.messages[1].body, text.as_bytes());
    }
}
