//! A request of the query protocol: the action, its parameters, and the entries of a batch. `limits` validates it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::sns::form;

/// Entries and attributes above this number are too many in any case.
const MAX: usize = 100;

/// Prefix of every entry of a batch.
const ENTRIES: &str = "PublishBatchRequestEntries.member.";

/// A message attribute.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// `String`, `Number`, `Binary` or `String.Array`, optionally with a custom label after a dot.
    pub data_type: String,
    /// The value; Base64 if it is binary.
    pub value: String,
}

/// A message as it was sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry<'a> {
    pub id: Cow<'a, str>,
    pub message: Option<Cow<'a, str>>,
    pub subject: Option<Cow<'a, str>>,
    pub structure: Option<Cow<'a, str>>,
    pub group: Option<Cow<'a, str>>,
    pub dedup: Option<Cow<'a, str>>,
    pub attributes: Vec<Attribute>,
}

/// A call.
#[derive(Debug, Default)]
pub(crate) struct Call<'a> {
    pub action: Cow<'a, str>,
    pub topic_arn: Option<Cow<'a, str>>,
    /// The entries of a batch, or that of `Publish`.
    pub entries: Vec<Entry<'a>>,
    /// All other parameters.
    pub fields: BTreeMap<String, String>,
}

/// Error for text that is not UTF-8, or invalid numbers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl<'a> Call<'a> {
    pub fn read(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut call = Self::default();
        for (name, value) in form::pairs(body) {
            let name = form::text(name).ok_or(Malformed)?;
            let value = form::text(value).ok_or(Malformed)?;
            match &*name {
                "Action" => call.action = value,
                "TopicArn" | "TargetArn" => call.topic_arn = Some(value),
                name => {
                    if let Some(rest) = name.strip_prefix(ENTRIES) {
                        let (at, field) = numbered(rest)?;
                        slot(&mut call.entries, at).take(field, value)?;
                    } else if is_of_a_message(name) {
                        slot(&mut call.entries, 0).take(name, value)?;
                    } else {
                        call.fields.insert(name.to_owned(), value.into_owned());
                    }
                }
            }
        }
        Ok(call)
    }

    /// Returns a plain parameter.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// Returns the pairs of `Attributes.entry.N.key` and `.value`.
    pub fn attributes(&self) -> BTreeMap<&str, &str> {
        let keys = self.fields.iter().filter_map(|(name, key)| {
            let number = name.strip_prefix("Attributes.entry.")?.strip_suffix(".key")?;
            Some((key.as_str(), self.field(&format!("Attributes.entry.{number}.value"))?))
        });
        keys.collect()
    }
}

impl<'a> Entry<'a> {
    fn take(&mut self, field: &str, value: Cow<'a, str>) -> Result<(), Malformed> {
        match field {
            "Id" => self.id = value,
            "Message" => self.message = Some(value),
            "Subject" => self.subject = Some(value),
            "MessageStructure" => self.structure = Some(value),
            "MessageGroupId" => self.group = Some(value),
            "MessageDeduplicationId" => self.dedup = Some(value),
            field => {
                let Some(rest) = field.strip_prefix("MessageAttributes.entry.") else { return Ok(()) };
                let (at, part) = numbered(rest)?;
                let attribute = slot(&mut self.attributes, at);
                match part {
                    "Name" => attribute.name = value.into_owned(),
                    "Value.DataType" => attribute.data_type = value.into_owned(),
                    "Value.StringValue" | "Value.BinaryValue" => attribute.value = value.into_owned(),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Returns the size that counts for the limit: the message, and name, type and value of each attribute.
    pub fn size_bytes(&self) -> usize {
        let of = |attribute: &Attribute| attribute.name.len() + attribute.data_type.len() + attribute.value.len();
        self.message.as_ref().map_or(0, |message| message.len()) + self.attributes.iter().map(of).sum::<usize>()
    }
}

fn is_of_a_message(name: &str) -> bool {
    matches!(name, "Message" | "Subject" | "MessageStructure" | "MessageGroupId" | "MessageDeduplicationId")
        || name.starts_with("MessageAttributes.")
}

/// Splits `3.Id` into the position 2 and `Id`.
fn numbered(rest: &str) -> Result<(usize, &str), Malformed> {
    let (number, field) = rest.split_once('.').ok_or(Malformed)?;
    let number: usize = number.parse().map_err(|_| Malformed)?;
    if (1..=MAX).contains(&number) { Ok((number - 1, field)) } else { Err(Malformed) }
}

fn slot<T: Default>(all: &mut Vec<T>, at: usize) -> &mut T {
    if all.len() <= at {
        all.resize_with(at + 1, T::default);
    }
    &mut all[at]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_read_in_any_order_of_its_parameters() {
        let body = "PublishBatchRequestEntries.member.2.Message=b&TopicArn=arn%3Ax&Action=PublishBatch\
                    &PublishBatchRequestEntries.member.1.Id=i1&PublishBatchRequestEntries.member.1.Message=a+a\
                    &PublishBatchRequestEntries.member.1.MessageAttributes.entry.1.Value.StringValue=S%C3%A3o\
                    &PublishBatchRequestEntries.member.1.MessageAttributes.entry.1.Name=farm\
                    &PublishBatchRequestEntries.member.1.MessageAttributes.entry.1.Value.DataType=String\
                    &PublishBatchRequestEntries.member.2.MessageGroupId=g&Version=2010-03-31";
        let call = Call::read(body.as_bytes()).unwrap();
        assert_eq!((&*call.action, call.topic_arn.as_deref()), ("PublishBatch", Some("arn:x")));
        assert_eq!(call.entries[0].message.as_deref(), Some("a a"));
        let farm = Attribute { name: "farm".into(), data_type: "String".into(), value: "São".into() };
        assert_eq!(call.entries[0].attributes, [farm]);
        assert_eq!(call.entries[0].size_bytes(), 3 + 4 + 6 + 4);
        assert_eq!((&*call.entries[1].id, call.entries[1].group.as_deref()), ("", Some("g")));
        assert_eq!(call.field("Version"), Some("2010-03-31"));
    }

    #[test]
    fn an_invalid_request_is_malformed() {
        for body in
            ["Message=%ff", "PublishBatchRequestEntries.member.x.Id=1", "PublishBatchRequestEntries.member.900.Id=1"]
        {
            assert_eq!(Call::read(body.as_bytes()).err(), Some(Malformed), "{body}");
        }
    }
}
