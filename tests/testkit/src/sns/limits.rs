//! Limits of SNS for messages, batches and names, with its error messages. Sources: the API reference of `Publish`,
//! `PublishBatch` and `CreateTopic`, and "Amazon SNS message attributes".

use std::collections::HashSet;

use crate::sns::request::{Attribute, Call, Entry};
use crate::sns::response::Refused;

/// Maximum number of entries in a batch.
const ENTRIES: usize = 10;

/// Maximum size of a message, or of all messages of a batch, with attributes, in bytes.
const BYTES: usize = 262_144;

/// Maximum length of the id of a batch entry.
const ENTRY_ID: usize = 80;

/// Maximum length of the name of a topic, with `.fifo`.
const NAME: usize = 256;

/// Maximum length of a group or deduplication id.
const FIFO_ID: usize = 128;

/// Maximum length of a subject.
const SUBJECT: usize = 100;

/// Rules of a topic's kind for its messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub fifo: bool,
    pub content_based: bool,
}

/// Parsed ARN of a topic.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arn<'a> {
    pub region: &'a str,
    pub name: &'a str,
}

pub(crate) fn arn(text: &str) -> Result<Arn<'_>, Refused> {
    let bad = || Refused::parameter("TopicArn");
    match text.split(':').collect::<Vec<_>>()[..] {
        ["arn", partition, "sns", region, account, name]
            if partition.starts_with("aws")
                && !region.is_empty()
                && account.len() == 12
                && account.bytes().all(|b| b.is_ascii_digit()) =>
        {
            self::name(name, name.ends_with(".fifo")).map_err(|_| bad())?;
            Ok(Arn { region, name })
        }
        _ => Err(bad()),
    }
}

/// Checks a topic's name: letters, digits, hyphens and underscores, and the suffix `.fifo` on FIFO topics only.
pub(crate) fn name(name: &str, fifo: bool) -> Result<(), Refused> {
    let plain = name.strip_suffix(".fifo");
    let right = plain.is_some() == fifo;
    let plain = plain.unwrap_or(name);
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if right && !plain.is_empty() && name.len() <= NAME && plain.bytes().all(good) {
        Ok(())
    } else {
        Err(Refused::parameter("Topic Name"))
    }
}

/// Checks a complete batch.
pub(crate) fn batch(call: &Call<'_>, kind: Kind) -> Result<(), Refused> {
    let entries = &call.entries;
    if entries.is_empty() {
        return Err(Refused::sender("EmptyBatchRequest", "The batch request doesn't contain any entries."));
    }
    if entries.len() > ENTRIES {
        let output = "The batch request contains more entries than permissible.";
        return Err(Refused::sender("TooManyEntriesInBatchRequest", output));
    }
    if entries.iter().any(|entry| !is_entry_id(&entry.id)) {
        let message = "The Id of a batch entry in a batch request doesn't abide by the specification.";
        return Err(Refused::sender("InvalidBatchEntryId", message));
    }
    let mut ids = HashSet::with_capacity(entries.len());
    if !entries.iter().all(|entry| ids.insert(&*entry.id)) {
        let message = "Two or more batch entries in the request have the same Id.";
        return Err(Refused::sender("BatchEntryIdsNotDistinct", message));
    }
    if entries.iter().map(Entry::size_bytes).sum::<usize>() > BYTES {
        let message = "The length of all the batch messages put together is more than the limit.";
        return Err(Refused::sender("BatchRequestTooLong", message));
    }
    entries.iter().try_for_each(|entry| message(entry, kind))
}

/// Checks one message.
pub(crate) fn message(entry: &Entry<'_>, kind: Kind) -> Result<(), Refused> {
    let text = entry.message.as_deref().unwrap_or_default();
    if text.is_empty() {
        return Err(Refused::invalid("Empty message"));
    }
    if entry.size_bytes() > BYTES {
        return Err(Refused::invalid("Message too long"));
    }
    if entry.subject.as_ref().is_some_and(|subject| {
        subject.is_empty() || subject.chars().count() > SUBJECT || subject.contains(char::is_control)
    }) {
        return Err(Refused::invalid("Subject"));
    }
    if entry.structure.as_deref() == Some("json") {
        let all: Result<serde_json::Value, _> = serde_json::from_str(text);
        if !all.is_ok_and(|all| all["default"].is_string()) {
            return Err(Refused::invalid("Message Structure - No default entry in JSON message body"));
        }
    }
    entry.attributes.iter().try_for_each(attribute)?;
    ordered(entry, kind)
}

/// Checks the parameters that FIFO topics require and others reject.
fn ordered(entry: &Entry<'_>, kind: Kind) -> Result<(), Refused> {
    let good = |id: &str| !id.is_empty() && id.len() <= FIFO_ID && id.bytes().all(|b| b.is_ascii_graphic());
    for (id, what) in [(&entry.group, "MessageGroupId"), (&entry.dedup, "MessageDeduplicationId")] {
        if id.as_deref().is_some_and(|id| !good(id)) {
            return Err(Refused::invalid(what));
        }
    }
    if !kind.fifo {
        return match entry.dedup {
            None => Ok(()),
            Some(_) => Err(Refused::invalid(
                "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid \
                 for this topic type",
            )),
        };
    }
    if entry.group.is_none() {
        return Err(Refused::invalid("The MessageGroupId parameter is required for FIFO topics"));
    }
    if entry.dedup.is_none() && !kind.content_based {
        return Err(Refused::invalid(
            "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
        ));
    }
    Ok(())
}

fn attribute(attribute: &Attribute) -> Result<(), Refused> {
    let Attribute { name, data_type, value } = attribute;
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let invalid = name.is_empty()
        || name.len() > 256
        || !name.bytes().all(good)
        || name.starts_with('.')
        || name.ends_with('.')
        || name.contains("..")
        || name.to_ascii_lowercase().starts_with("aws.")
        || name.to_ascii_lowercase().starts_with("amazon.");
    if invalid {
        return Err(Refused::value(&format!("The message attribute name '{name}' is invalid.")));
    }
    let basic = data_type.split('.').next().unwrap_or_default();
    if !matches!(basic, "String" | "Number" | "Binary") {
        return Err(Refused::value(&format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is \
             Binary, Number, and String."
        )));
    }
    if value.is_empty() {
        return Err(Refused::value(&format!(
            "The message attribute '{name}' must contain non-empty message attribute value for message attribute type \
             '{data_type}'."
        )));
    }
    if basic == "Number" && value.parse::<f64>().is_err() {
        return Err(Refused::value(&format!("Could not cast message attribute '{name}' value to number.")));
    }
    Ok(())
}

fn is_entry_id(id: &str) -> bool {
    (1..=ENTRY_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const STANDARD: Kind = Kind { fifo: false, content_based: false };
    const FIFO: Kind = Kind { fifo: true, content_based: false };

    fn response(body: &str, kind: Kind) -> String {
        let call = Call::read(body.as_bytes()).unwrap();
        match batch(&call, kind) {
            Ok(()) => "good".into(),
            Err(refused) => format!("{}: {}", refused.code, refused.message),
        }
    }

    fn entries(all: &[(&str, &str)]) -> String {
        let mut body = String::new();
        for (n, (id, more)) in all.iter().enumerate() {
            let member = format!("PublishBatchRequestEntries.member.{}", n + 1);
            write!(body, "&{member}.Id={id}{}", more.replace('@', &member)).unwrap();
        }
        body
    }

    #[test]
    fn a_batch_has_its_limits() {
        let m = "&@.Message=m";
        let many: Vec<String> = (0..11).map(|n| n.to_string()).collect();
        let all: Vec<_> = many.iter().map(|id| (id.as_str(), m)).collect();
        assert_eq!(response(&entries(&all[..10]), STANDARD), "good");
        let long = "i".repeat(81);
        let cases = [
            (entries(&all), "TooManyEntriesInBatchRequest"),
            (String::new(), "EmptyBatchRequest"),
            (entries(&[("a", m), ("a", m)]), "BatchEntryIdsNotDistinct"),
            (entries(&[("a b", m)]), "InvalidBatchEntryId"),
            (entries(&[(&long, m)]), "InvalidBatchEntryId"),
            (entries(&[("a", "&@.Message=")]), "InvalidParameter: Invalid parameter: Empty message"),
        ];
        for (body, code) in cases {
            assert!(response(&body, STANDARD).starts_with(code), "{body}: {}", response(&body, STANDARD));
        }
    }

    #[test]
    fn attributes_count_against_the_bytes_of_a_batch() {
        let attribute = "&@.MessageAttributes.entry.1.Name=cod_cliente&@.MessageAttributes.entry.1.Value.DataType=String\
                         &@.MessageAttributes.entry.1.Value.StringValue=x";
        let with = |bytes: usize| format!("&@.Message={}{attribute}", "m".repeat(bytes));
        let max = BYTES - "cod_clienteStringx".len();
        assert_eq!(response(&entries(&[("a", &with(max))]), STANDARD), "good");
        assert!(response(&entries(&[("a", &with(max + 1))]), STANDARD).starts_with("BatchRequestTooLong"));
        let half = with(BYTES / 2);
        assert!(response(&entries(&[("a", &half), ("b", &half)]), STANDARD).starts_with("BatchRequestTooLong"));
    }

    #[test]
    fn a_fifo_topic_requires_a_group_and_an_id_and_others_reject_an_id() {
        let full = "&@.Message=m&@.MessageGroupId=g&@.MessageDeduplicationId=d";
        assert_eq!(response(&entries(&[("a", full)]), FIFO), "good");
        assert!(response(&entries(&[("a", "&@.Message=m")]), FIFO).contains("MessageGroupId parameter is required"));
        assert!(
            response(&entries(&[("a", "&@.Message=m&@.MessageGroupId=g")]), FIFO).contains("ContentBasedDeduplication")
        );
        assert!(response(&entries(&[("a", full)]), STANDARD).contains("not valid for this topic type"));
        let long = format!("&@.Message=m&@.MessageGroupId={}&@.MessageDeduplicationId=d", "g".repeat(129));
        assert!(response(&entries(&[("a", &long)]), FIFO).contains("MessageGroupId"));
    }

    #[test]
    fn attributes_have_names_types_and_values() {
        let with = |name: &str, of: &str, value: &str| {
            format!(
                "&@.Message=m&@.MessageAttributes.entry.1.Name={name}&@.MessageAttributes.entry.1.Value.DataType={of}\
                 &@.MessageAttributes.entry.1.Value.StringValue={value}"
            )
        };
        let output = |name, of, value| response(&entries(&[("a", &with(name, of, value))]), STANDARD);
        assert_eq!([output("n", "Number", "1.5"), output("a.b", "String.mine", "x")], ["good", "good"]);
        for bad in [
            output("AWS.x", "String", "x"),
            output("n", "Number", "x"),
            output("n", "Text", "x"),
            output("n", "String", ""),
        ] {
            assert!(bad.starts_with("ParameterValueInvalid"), "{bad}");
        }
    }

    #[test]
    fn names_and_arns_are_what_sns_takes() {
        assert_eq!(arn(crate::sns::TOPIC), Ok(Arn { region: "us-east-1", name: "historico" }));
        for bad in ["", "historico", "arn:aws:sqs:us-east-1:123456789012:q", "arn:aws:sns:us-east-1:123456789012:a b"] {
            assert_eq!(arn(bad).unwrap_err().code, "InvalidParameter", "{bad}");
        }
        assert!(name("a.fifo", true).is_ok() && name("a.fifo", false).is_err() && name("a", true).is_err());
        assert!(name(&"a".repeat(257), false).is_err() && name(".fifo", true).is_err());
    }
}
