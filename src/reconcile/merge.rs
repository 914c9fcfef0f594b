//! The merge: ids in order from both sides, each group judged by the table in the room's docs.

use sha2::{Digest, Sha256};

use super::Audit;
use super::drift::{Drift, Kind};
use super::entries::{LakeEntry, NaturalEntry};
use super::findings::{Candidate, Findings, Place};
use super::lake_side::LakeSide;
use super::warehouse_side::{Inside, Rows};
use crate::lake::Key;
use crate::progress::Stage;
use crate::record::stored::{Row, Shape, Value};
use crate::record::{Column, Record};
use crate::sort::{OrderedId, Sorter};
use crate::stop::Stop;

/// The merge of one audit.
pub(super) struct Merge<'a> {
    pub audit: &'a Audit,
    pub shape: Shape,
    pub inside: Option<Inside>,
    pub findings: &'a mut Findings,
    pub naturals: Sorter<NaturalEntry>,
    pub stage: Stage,
}

impl Merge<'_> {
    /// Judges every id of both sides; returns whether it came to the end.
    pub(super) async fn run(&mut self, lake: LakeSide, mut rows: Rows, stop: &Stop) -> anyhow::Result<bool> {
        let mut entries = lake.entries.peekable();
        let mut row = rows.next().await?;
        loop {
            if stop.is_set() {
                return Ok(false);
            }
            let lake_id = match entries.peek() {
                Some(Ok(entry)) => Some(entry.id.clone()),
                Some(Err(e)) => anyhow::bail!("the sorted lake side cannot be read back: {e}"),
                None => None,
            };
            let row_id = row.as_ref().map(|row| OrderedId::new(row.id()));
            let id = match (lake_id, row_id) {
                (None, None) => return Ok(true),
                (Some(lake), Some(row)) => lake.min(row),
                (Some(id), None) | (None, Some(id)) => id,
            };
            let mut group = Vec::new();
            while let Some(entry) = entries.next_if(|entry| entry.as_ref().is_ok_and(|entry| entry.id == id)) {
                group.push(entry?);
            }
            let here = row.as_ref().is_some_and(|row| row.id() == id.id);
            let this = if here { std::mem::replace(&mut row, rows.next().await?) } else { None };
            if let Some(row) = &this {
                self.findings.saw_row(row);
                self.stage.add(1);
            }
            self.judge(group, this)?;
            self.findings.recheck_full(self.audit, &self.shape).await?;
        }
    }

    fn judge(&mut self, group: Vec<LakeEntry>, row: Option<Row>) -> anyhow::Result<()> {
        let unjudged = group.iter().any(|entry| entry.record.is_none());
        let mut records: Vec<(String, Record)> =
            group.into_iter().filter_map(|entry| Some((entry.key, entry.record?))).collect();
        if let Some(inside) = &self.inside {
            // A record outside the window still speaks for a row inside it.
            if row.is_none() {
                records.retain(|(_, record)| inside.has_record(record));
            }
        }
        // The object that lies where it belongs is the one that is judged; others of its id are copies.
        records.sort_by_key(|(key, record)| !at_home(key, record));
        let mut records = records.into_iter();
        match (records.next(), row) {
            (Some((key, record)), row) => {
                self.own(&key, &record)?;
                for (copy, other) in records {
                    self.copy(&key, &record, copy, &other)?;
                }
                self.against(key, record, row)
            }
            (None, Some(_)) if unjudged => {
                self.findings.outcome.unjudged += 1;
                Ok(())
            }
            (None, Some(row)) => {
                self.natural(&row.to_record(), None)?;
                self.rule_of_row(&row)?;
                self.findings.suspect(Candidate::WarehouseOnly(row));
                Ok(())
            }
            (None, None) => Ok(()),
        }
    }

    /// What can be said of a record by itself: its place, its rule, its natural key.
    fn own(&mut self, key: &str, record: &Record) -> anyhow::Result<()> {
        self.findings.saw_record(record, &self.shape);
        self.natural(&Some(record.clone()), Some(key.to_owned()))?;
        if Key::parse(key).is_some_and(|path| !path.fits(record)) {
            let home = Key::of(record).map_or_else(String::new, |home| home.to_string());
            let drift = Drift::new(Kind::Misfiled, &record.id_treated_data, Some(key.to_owned()));
            self.findings
                .report(drift.because(format!("its content belongs under {home}")), Some(Place::of(record)))?;
        }
        let due = self.audit.rules.consumo_meta(record.reading.peso_medio);
        if !same_rule(record.consumo_meta, due) {
            let drift = Drift::new(Kind::RuleBreak, &record.id_treated_data, Some(key.to_owned()))
                .with_field(Column::ConsumoMeta.name(), record.consumo_meta.into(), serde_json::Value::Null)
                .because(format!("the lake's consumo_meta should be {due}"));
            self.findings.report(drift, Some(Place::of(record)))?;
        }
        Ok(())
    }

    fn copy(&mut self, key: &str, record: &Record, copy: String, other: &Record) -> anyhow::Result<()> {
        self.findings.outcome.lake_objects += 1;
        self.findings.outcome.lake_records += 1;
        let same = if record == other { "the same values" } else { "other values" };
        let drift = Drift::new(Kind::DuplicateObject, &record.id_treated_data, Some(copy));
        self.findings.report(drift.because(format!("{same} as {key}")), Some(Place::of(record)))
    }

    fn against(&mut self, key: String, record: Record, row: Option<Row>) -> anyhow::Result<()> {
        match row {
            None => self.findings.suspect(Candidate::LakeOnly(key, record)),
            Some(row) if record.differences(&row, &self.shape).is_empty() => self.findings.matched(),
            Some(_) => self.findings.suspect(Candidate::Differing(key, record)),
        }
        Ok(())
    }

    fn natural(&mut self, record: &Option<Record>, key: Option<String>) -> anyhow::Result<()> {
        let Some(record) = record else { return Ok(()) };
        let reading = &record.reading;
        let parts = [&reading.cod_cliente, &reading.id_curral, &reading.id_lote];
        let text = format!("{parts:?} {}", reading.data.timestamp_micros());
        let mut hash = [0; 16];
        hash.copy_from_slice(&Sha256::digest(text)[..16]);
        self.naturals.push(NaturalEntry { hash, id: record.id_treated_data.clone(), key })?;
        Ok(())
    }

    /// A row that no object speaks for is held against the rule at the precision of its own columns.
    fn rule_of_row(&mut self, row: &Row) -> anyhow::Result<()> {
        let Some(record) = row.to_record() else { return Ok(()) };
        let due = Record { consumo_meta: self.audit.rules.consumo_meta(record.reading.peso_medio), ..record.clone() };
        let number = |value: &Value| match value {
            Value::Single(value) => f64::from(*value),
            Value::Double(value) => *value,
            _ => f64::NAN,
        };
        let (found, should) =
            (number(row.get(Column::ConsumoMeta)), number(&due.value(Column::ConsumoMeta, &self.shape)));
        // Weight, target and what is due are each rounded to f32: three half units of the last place.
        if (found - should).abs() > should.abs() * 2.0 * f64::from(f32::EPSILON) {
            let drift = Drift::new(Kind::RuleBreak, row.id(), None)
                .with_field(Column::ConsumoMeta.name(), serde_json::Value::Null, found.into())
                .because(format!("the warehouse's consumo_meta should be {should}"));
            self.findings.report(drift, Some(Place::of(&record)))?;
        }
        Ok(())
    }
}

/// Whether an object lies under the very name that its record has.
fn at_home(key: &str, record: &Record) -> bool {
    let Some(path) = Key::parse(key) else { return false };
    path.fits(record) && path.id.as_ref().is_none_or(|id| *id == record.id_treated_data)
}

/// Equal up to the last bits: older lakes may have multiplied in another order.
fn same_rule(found: f64, due: f64) -> bool {
    (found - due).abs() <= due.abs() * 4.0 * f64::EPSILON
}
