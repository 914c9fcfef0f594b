//! Enriched records and their JSON objects in the lake.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, SubsecRound, Utc};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::json::{Fields, MAX_OBJECT_BYTES, Origin, REPAIRED_ID, push_text};
use super::{Column, Field, FieldType, Reading, RecordId, Rejection, Rules, Source, compressed, reading_id, timestamp};

/// Result of comparing the id of a record with that of its reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdCheck {
    /// The id of version 8 was computed from this reading.
    Proven,
    /// The id proves nothing about the reading: it is not of version 8.
    Unproven,
    /// A repair wrote other values into the object, from the warehouse, and they have not changed since.
    Repaired,
    /// The reading was changed after the id was computed.
    Forged,
}

/// A reading enriched with its id, target intake and processing time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Id of the record: version 8 if created by this toolkit, random in legacy lakes.
    pub id_treated_data: String,
    /// The reading as the farm sent it.
    pub reading: Reading,
    /// Target intake, in kg per animal and day.
    pub consumo_meta: f64,
    /// Processing time, truncated to microseconds.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub row_ts: DateTime<Utc>,
    /// Member [`REPAIRED_ID`] of the object; `None` if no repair has changed it.
    pub repaired_id: Option<String>,
}

impl Record {
    /// Enriches a reading: the id from its content, the target from the rules, `now` as processing time.
    pub fn from_reading(reading: Reading, rules: Rules, now: DateTime<Utc>) -> Self {
        Self {
            id_treated_data: reading_id(&reading).to_string(),
            consumo_meta: rules.consumo_meta(reading.peso_medio),
            row_ts: now.trunc_subsecs(6),
            repaired_id: None,
            reading,
        }
    }

    /// Parses a lake object written by this toolkit or by the legacy Lambda, also if it was compressed with gzip or
    /// zstd.
    ///
    /// # Errors
    /// Returns an error if the object is not a valid record.
    pub fn parse(object: &[u8]) -> Result<Self, Rejection> {
        let object = compressed::plain(object, MAX_OBJECT_BYTES)?;
        let mut fields = Fields::parse(&object, MAX_OBJECT_BYTES, Origin::Lake)?;
        Ok(Self { repaired_id: fields.repaired_id(), ..Self::read(&mut fields)? })
    }

    /// Compares the id of version 8 with the one that is computed from the reading.
    pub fn check_id(&self) -> IdCheck {
        if !RecordId::new(&self.id_treated_data).is_made_here() {
            return IdCheck::Unproven;
        }
        let id = reading_id(&self.reading);
        if Uuid::try_parse(&self.id_treated_data).is_ok_and(|own| own == id) {
            IdCheck::Proven
        } else if self.repaired_id.as_ref().is_some_and(|repaired| *repaired == id.to_string()) {
            IdCheck::Repaired
        } else {
            IdCheck::Forged
        }
    }

    /// Records that a repair has written values of the warehouse, if they are not those of the id.
    pub fn mark_repaired(&mut self) {
        self.repaired_id = None;
        if self.check_id() == IdCheck::Forged {
            self.repaired_id = Some(reading_id(&self.reading).to_string());
        }
    }

    /// Reads all columns from a source.
    ///
    /// # Errors
    /// Returns the source's error for the first column that cannot be read.
    pub fn read<S: Source>(from: &mut S) -> Result<Self, S::Error> {
        Ok(Self {
            id_treated_data: FieldType::read(from, Column::IdTreatedData)?,
            reading: Reading::read(from)?,
            consumo_meta: FieldType::read(from, Column::ConsumoMeta)?,
            row_ts: FieldType::read(from, Column::RowTs)?,
            repaired_id: None,
        })
    }

    /// Returns this record's lake object: the original message, including unknown fields, plus the computed fields.
    ///
    /// # Errors
    /// Returns an error if the message is not a JSON object. A message that was parsed into this record always is one.
    pub fn object(&self, message: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
        let mut members: Members = serde_json::from_slice(without_mark(message))?;
        let is_computed =
            |name: &str| name == REPAIRED_ID || Column::TREATED.iter().any(|column| column.name() == name);
        members.0.retain(|(name, _)| !is_computed(name));
        let mut out = Vec::with_capacity(message.len() + 160);
        for (name, value) in &members.0 {
            match Column::from_name(name).and_then(|column| self.respelled(column, value.get())) {
                Some(text) => push_member(&mut out, name, &text),
                None => push_member(&mut out, name, value.get()),
            }
        }
        Ok(self.close(out))
    }

    /// Returns the column as JSON if the message has another spelling than the reading, so that lake and warehouse
    /// agree. `None` if the message's value can be copied.
    fn respelled(&self, column: Column, sent: &str) -> Option<String> {
        let reading = &self.reading;
        let text = match column {
            Column::IdCurral => &reading.id_curral,
            Column::IdRaca => &reading.id_raca,
            Column::IdLote => &reading.id_lote,
            Column::CodCliente => &reading.cod_cliente,
            _ => return None,
        };
        let as_sent = serde_json::from_str::<Cow<'_, str>>(sent).is_ok_and(|sent| sent == *text);
        let is_number = !sent.starts_with('"') && sent == text;
        if as_sent || is_number { None } else { self.member(column) }
    }

    /// Returns a lake object built from the record alone, in the form farms write. Used to repair a lake from the
    /// warehouse.
    pub fn object_from_values(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(420);
        for column in Column::READING {
            self.push_column(&mut out, column);
        }
        self.close(out)
    }

    /// Returns `object` with the given columns and the mark of a repair replaced by this record's values; everything else
    /// is unchanged. The result is not compressed, even if `object` is.
    ///
    /// # Errors
    /// Returns an error if `object` is not a JSON object.
    pub fn object_with_columns(&self, object: &[u8], columns: &[Column]) -> Result<Vec<u8>, serde_json::Error> {
        let object = compressed::plain(object, MAX_OBJECT_BYTES).map_err(serde::de::Error::custom)?;
        let members: Members = serde_json::from_slice(without_mark(&object))?;
        let mut out = Vec::with_capacity(object.len() + 32);
        for (name, value) in members.0.iter().filter(|(name, _)| name != REPAIRED_ID) {
            match columns.iter().find(|column| column.name() == name) {
                Some(column) => self.push_column(&mut out, *column),
                None => push_member(&mut out, name, value.get()),
            }
        }
        // Only an optional column can be missing from an object that parsed as a record.
        for column in columns.iter().filter(|column| !members.0.iter().any(|(name, _)| column.name() == name)) {
            self.push_column(&mut out, *column);
        }
        self.push_mark(&mut out);
        out.push(b'}');
        Ok(out)
    }

    /// Returns the members of an object that are neither columns nor the mark of a repair, as a JSON object; `None` if
    /// there are none.
    pub fn unknown_members(object: &[u8]) -> Option<String> {
        let object = compressed::plain(object, MAX_OBJECT_BYTES).ok()?;
        let members: Members = serde_json::from_slice(without_mark(&object)).ok()?;
        let is_known = |name: &str| name == REPAIRED_ID || Column::from_name(name).is_some();
        let mut out = Vec::new();
        for (name, value) in members.0.iter().filter(|(name, _)| !is_known(name)) {
            push_member(&mut out, name, value.get());
        }
        out.push(b'}');
        String::from_utf8(out).ok().filter(|text| text.starts_with('{'))
    }

    fn push_mark(&self, out: &mut Vec<u8>) {
        if let Some(id) = &self.repaired_id {
            push_member(out, REPAIRED_ID, &serde_json::Value::from(id.as_str()).to_string());
        }
    }

    /// Returns a column's value as JSON in the form farms write; `None` if the record has no value.
    fn member(&self, column: Column) -> Option<String> {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        Some(match self.field(column) {
            Field::Absent => return None,
            Field::Text(value) => text(value),
            Field::Weight(value) => ryu_js::Buffer::new().format(value).to_owned(),
            Field::Count(value) => text(&value.to_string()),
            Field::Instant(at) if column.is_treated() => text(&timestamp::as_row_ts(at)),
            Field::Instant(at) => text(&timestamp::as_farm(at)),
        })
    }

    fn push_column(&self, out: &mut Vec<u8>, column: Column) {
        if let Some(value) = self.member(column) {
            push_member(out, column.name(), &value);
        }
    }

    fn close(&self, mut out: Vec<u8>) -> Vec<u8> {
        for column in Column::TREATED {
            self.push_column(&mut out, column);
        }
        self.push_mark(&mut out);
        out.push(b'}');
        out
    }
}

/// Removes the byte order marks that some editors write. Parsing a message ignores any number of them too.
fn without_mark(mut json: &[u8]) -> &[u8] {
    while let Some(rest) = json.strip_prefix(b"\xef\xbb\xbf") {
        json = rest;
    }
    json
}

fn push_member(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(if out.is_empty() { b'{' } else { b',' });
    push_text(out, name);
    out.push(b':');
    out.extend_from_slice(value.as_bytes());
}

/// The members of a JSON object in their original order, with values as raw JSON text.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize, Serialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members<'de>, M::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some(name) = map.next_key::<Name<'de>>()? {
                    members.push((name.0, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests;
