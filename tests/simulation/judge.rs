//! An independent judge of lake and table: what an audit must find. It shares no code with the audit.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chrono::{NaiveDateTime, SubsecRound, TimeDelta};
use pipeline::record::row::{Row, Value};
use pipeline::record::{Column, Reading, reading_id};
use serde_json::Value as Json;

use crate::readings::{Readings, Values};
use crate::world::Content;

/// A record of the lake or a row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    pub id: String,
    pub values: Values,
    pub meta: f32,
    pub row_ts: NaiveDateTime,
}

/// An object of the lake.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    Record {
        facts: Facts,
        /// True if its values are not those of its id, and no repair wrote them.
        is_forged: bool,
    },
    Unreadable,
}

/// Faults of both stores, as ids by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    pub matched: BTreeSet<String>,
    pub lake_only: BTreeSet<String>,
    pub warehouse_only: BTreeSet<String>,
    pub not_compared: BTreeSet<String>,
    pub differing: BTreeSet<String>,
    pub unreadable: BTreeSet<String>,
    pub forged: BTreeSet<String>,
}

fn number(json: &Json) -> Option<f64> {
    json.as_f64().or_else(|| json.as_str()?.parse().ok())
}

#[allow(clippy::cast_possible_truncation, reason = "a FLOAT column")]
fn single(json: &Json) -> Option<f32> {
    number(json).map(|number| number as f32)
}

/// Parses `2026-01-22 10:00:00 UTC` or `2026-01-22T10:00:00.123456`.
fn time(json: &Json) -> Option<NaiveDateTime> {
    let text = json.as_str()?.trim_end_matches(" UTC").trim_end_matches('Z').replace(' ', "T");
    NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f").ok()
}

impl Facts {
    fn of_object(body: &Bytes) -> Option<Self> {
        let json: Json = serde_json::from_slice(body).ok()?;
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        #[allow(clippy::cast_possible_truncation, reason = "a small whole number")]
        let count = |name: &str| number(&json[name]).map(|number| number as i64);
        Some(Self {
            id: text("id_treated_data")?,
            values: Values {
                texts: [text("id_curral")?, text("id_raca")?, text("id_lote")?, text("cod_cliente")?],
                weights: [single(&json["peso_entrada"])?, single(&json["peso_medio"])?, single(&json["consumo_real"])?],
                counts: [count("quantidade_animais")?, count("dia_confinamento")?],
                data: time(&json["data"])?,
            },
            meta: single(&json["consumo_meta"])?,
            row_ts: time(&json["row_ts"])?,
        })
    }

    pub fn of_row(row: &Row) -> Option<Self> {
        let text = |column| row.text(column).map(str::to_owned);
        let weight = |column| match row.get(column) {
            Value::Float(value) => Some(*value),
            _ => None,
        };
        let count = |column| match row.get(column) {
            Value::Integer(value) => Some(*value),
            _ => None,
        };
        Some(Self {
            id: row.id().to_owned(),
            values: Values {
                texts: [
                    text(Column::IdCurral)?,
                    text(Column::IdRaca)?,
                    text(Column::IdLote)?,
                    text(Column::CodCliente)?,
                ],
                weights: [weight(Column::PesoEntrada)?, weight(Column::PesoMedio)?, weight(Column::ConsumoReal)?],
                counts: [count(Column::QuantidadeAnimais)?, count(Column::DiaConfinamento)?],
                data: row.instant(Column::Data)?,
            },
            meta: weight(Column::ConsumoMeta)?,
            row_ts: row.instant(Column::RowTs)?,
        })
    }

    /// Returns true if a row holds this record of the lake; a stored time has whole seconds, truncated or rounded.
    pub fn is_in(&self, row: &Self) -> bool {
        let (cut, rounded) = (self.row_ts.trunc_subsecs(0), self.row_ts.round_subsecs(0));
        let times = row.row_ts == cut || row.row_ts == rounded;
        times && self.id == row.id && self.values == row.values && self.meta == row.meta
    }
}

impl Object {
    pub fn of(key: &str, body: &Bytes, readings: &Readings) -> Self {
        let Some(facts) = Facts::of_object(body) else { return Self::Unreadable };
        let own = readings.number(&facts.id).map(|number| readings.values(number));
        let is_forged = own != Some(facts.values.clone()) && !is_repaired(body);
        assert!(key.ends_with(&format!("_{}.json", facts.id)), "the object {key} holds {facts:?}");
        Self::Record { facts, is_forged }
    }
}

/// Returns true if a repair wrote the values, and they are unchanged since.
fn is_repaired(body: &Bytes) -> bool {
    let Ok(Json::Object(mut object)) = serde_json::from_slice(body) else { return false };
    // A message may not have the id of other values.
    object.remove("id_treated_data");
    let Some(Json::String(mark)) = object.remove("repaired_id") else { return false };
    Reading::parse(Json::Object(object).to_string().as_bytes()).is_ok_and(|own| reading_id(&own).to_string() == mark)
}

/// Returns the id in the name of an object.
pub fn id_of_key(key: &str) -> &str {
    let name = key.strip_suffix(".json").unwrap_or(key);
    name.rsplit_once('_').map_or(name, |(_, id)| id)
}

/// Returns the objects of a lake by id. Each id has one object in these histories.
pub fn objects(content: &Content, readings: &Readings) -> BTreeMap<String, Object> {
    let objects = content.objects.iter();
    objects.map(|(key, body)| (id_of_key(key).to_owned(), Object::of(key, body, readings))).collect()
}

/// Judges both stores. A row without an object is not judged if it was processed after the cutoff.
pub fn judge(content: &Content, readings: &Readings, cutoff: NaiveDateTime) -> Judgement {
    let mut found = Judgement::default();
    let objects = objects(content, readings);
    let rows: BTreeMap<&str, Option<Facts>> =
        content.rows.iter().map(|(id, row)| (id.as_str(), Facts::of_row(row))).collect();
    for (id, object) in &objects {
        let row = rows.get(id.as_str());
        let kind = match (object, row) {
            (Object::Unreadable, row) => {
                if row.is_some() {
                    found.not_compared.insert(id.clone());
                }
                &mut found.unreadable
            }
            (Object::Record { facts, .. }, Some(Some(row))) if facts.is_in(row) => &mut found.matched,
            (Object::Record { .. }, Some(_)) => &mut found.differing,
            (Object::Record { .. }, None) => &mut found.lake_only,
        };
        kind.insert(id.clone());
        if matches!(object, Object::Record { is_forged: true, .. }) {
            found.forged.insert(id.clone());
        }
    }
    for (id, row) in rows.into_iter().filter(|(id, _)| !objects.contains_key(*id)) {
        let is_new = row.is_some_and(|row| row.row_ts >= cutoff && row.row_ts < cutoff + TimeDelta::days(1));
        let kind = if is_new { &mut found.not_compared } else { &mut found.warehouse_only };
        kind.insert(id.to_owned());
    }
    found
}
