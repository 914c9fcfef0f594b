//! Encoding of a batch as the form of `PublishBatch`, written directly into a reused buffer.

use bytes::{BufMut, BytesMut};

use crate::topic::{LONGEST_ID, Message, STRING};

/// Prefix of each entry's parameters.
const ENTRY: &[u8] = b"&PublishBatchRequestEntries.member.";

/// Bytes that need no escaping in a form (RFC 3986, unreserved).
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        plain[byte] = b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
        byte += 1;
    }
    plain
};

/// Writes a batch for a topic. The id of each entry is its index. The messages must be UTF-8.
pub(super) fn batch(form: &mut BytesMut, topic_arn: &str, is_fifo: bool, messages: &[Message]) {
    form.put_slice(b"Action=PublishBatch&Version=2010-03-31&TopicArn=");
    value(form, topic_arn.as_bytes());
    for (at, message) in messages.iter().enumerate() {
        entry(form, at, message, is_fifo);
    }
}

fn entry(form: &mut BytesMut, at: usize, message: &Message, is_fifo: bool) {
    let parameter = |form: &mut BytesMut, name: &[u8], text: &[u8]| {
        form.put_slice(ENTRY);
        number(form, at + 1);
        form.put_slice(name);
        value(form, text);
    };
    form.put_slice(ENTRY);
    number(form, at + 1);
    form.put_slice(b".Id=");
    number(form, at);
    parameter(form, b".Message=", &message.body);
    for (n, (name, text)) in message.attributes().enumerate() {
        for (part, text) in [(&b".Name="[..], name), (b".Value.DataType=", STRING), (b".Value.StringValue=", text)] {
            form.put_slice(ENTRY);
            number(form, at + 1);
            form.put_slice(b".MessageAttributes.entry.");
            number(form, n + 1);
            form.put_slice(part);
            value(form, text.as_bytes());
        }
    }
    if is_fifo {
        let dedup = message
            .dedup_id
            .char_indices()
            .nth(LONGEST_ID)
            .map_or(&message.dedup_id[..], |(end, _)| &message.dedup_id[..end]);
        parameter(form, b".MessageGroupId=", message.group().as_bytes());
        parameter(form, b".MessageDeduplicationId=", dedup.as_bytes());
    }
}

/// Writes a small number, such as an index in a batch.
fn number(form: &mut BytesMut, number: usize) {
    if number >= 10 {
        self::number(form, number / 10);
    }
    form.put_u8(b'0' + (number % 10) as u8);
}

/// Writes a value with percent-encoding.
fn value(form: &mut BytesMut, text: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    form.reserve(text.len() * 3);
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&byte| !PLAIN[usize::from(byte)]) {
        form.put_slice(&rest[..at]);
        let byte = rest[at];
        form.put_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        rest = &rest[at + 1..];
    }
    form.put_slice(rest);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const ARN: &str = "arn:aws:sns:sa-east-1:123456789012:a";

    fn message(body: &str, farm: Option<&str>, lot: Option<&str>) -> Message {
        Message {
            body: body.to_owned().into(),
            cod_cliente: farm.map(str::to_owned),
            id_lote: lot.map(str::to_owned),
            dedup_id: "d".repeat(200),
        }
    }

    fn read(is_fifo: bool, messages: &[Message]) -> BTreeMap<String, String> {
        let mut form = BytesMut::new();
        batch(&mut form, ARN, is_fifo, messages);
        url::form_urlencoded::parse(&form).into_owned().collect()
    }

    #[test]
    fn an_entry_contains_its_message_farm_and_lot() {
        let body = "{\"a\": \"é & 100% + ~x=y\",\n\"b\":1}";
        let sent: Vec<_> = (0..10).map(|_| message(body, Some("Fazenda São João"), Some("77 9"))).collect();
        let form = read(false, &sent);
        assert_eq!((form["Action"].as_str(), form["TopicArn"].as_str()), ("PublishBatch", ARN));
        for (n, id) in [(1, "0"), (10, "9")] {
            let of = |name: &str| form[&format!("PublishBatchRequestEntries.member.{n}.{name}")].as_str();
            assert_eq!((of("Id"), of("Message")), (id, body));
            assert_eq!(of("MessageAttributes.entry.1.Name"), "cod_cliente");
            assert_eq!(of("MessageAttributes.entry.1.Value.DataType"), "String");
            assert_eq!(of("MessageAttributes.entry.1.Value.StringValue"), "Fazenda São João");
            assert_eq!(of("MessageAttributes.entry.2.Name"), "id_lote");
            assert_eq!(of("MessageAttributes.entry.2.Value.StringValue"), "77 9");
        }
        assert_eq!(form.len(), 3 + 10 * 8);
        assert_eq!(read(false, &[message("{}", None, None)]).len(), 3 + 2);
    }

    #[test]
    fn on_a_fifo_topic_an_entry_has_its_group_and_content_id() {
        let form = read(true, &[message("{}", Some("Fazenda São João"), Some("77")), message("{}", None, None)]);
        let of = |n: u8, name: &str| form[&format!("PublishBatchRequestEntries.member.{n}.{name}")].as_str();
        assert_eq!((of(1, "MessageGroupId"), of(2, "MessageGroupId")), ("fazenda_sao_joao:77", "quarentena"));
        assert_eq!(of(1, "MessageDeduplicationId"), "d".repeat(128));
    }

    #[test]
    fn every_character_survives_a_round_trip() {
        let all: String = (0..=0x24f).filter_map(char::from_u32).chain("日本 🐄".chars()).collect();
        assert_eq!(read(false, &[message(&all, None, None)])["PublishBatchRequestEntries.member.1.Message"], all);
    }
}
