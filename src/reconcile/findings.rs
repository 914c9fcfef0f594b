//! What an audit finds: suspicions that are looked at again, findings that are reported, and the counts of both sides.

use std::io;

use anyhow::Context as _;
use chrono::{NaiveDate, NaiveDateTime, TimeDelta, Utc};
use xxhash_rust::xxh3::xxh3_128;

use super::drift::{Drift, Sink};
use super::entries::NaturalEntry;
use super::look::{Look, Spoilt, Suspicion, agrees, look_again};
use super::outcome::{Outcome, Store};
use super::sorters::{FULL, Sorters};
use super::unpaired::Unpaired;
use super::verdict::{Counter, Kind};
use super::{Audit, MOVING};
use crate::progress::Progress;
use crate::sort::{OrderedId, Sorted, Sorter};
use crate::stop::Stop;
use pipeline::lake::Key;
use pipeline::record::stored::{Row, Shape, Value};
use pipeline::record::{Column, Record, Slug, reading_id};

/// Suspicions looked at again together.
const RECHECK: usize = 1_000;
/// How far the clocks of those who process records may be ahead.
const CLOCKS_APART: TimeDelta = TimeDelta::minutes(15);

/// The farm and day under which a finding is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub farm: String,
    pub day: NaiveDate,
}

impl Place {
    pub(super) fn of(record: &Record) -> Self {
        Self { farm: record.reading.slug().as_str().to_owned(), day: record.reading.data.date_naive() }
    }

    fn of_row(row: &Row) -> Option<Self> {
        let farm = row.text(Column::CodCliente)?;
        let farm = Slug::of(farm).map_or_else(|_| farm.to_owned(), |slug| slug.as_str().to_owned());
        Some(Self { farm, day: row.instant(Column::Data)?.date() })
    }

    fn of_key(key: &str) -> Option<Self> {
        Key::parse(key).map(|key| Self { farm: key.farm, day: key.day })
    }

    fn named(&self) -> (&str, NaiveDate) {
        (&self.farm, self.day)
    }
}

/// What has been found so far.
pub(super) struct Findings {
    pub outcome: Outcome,
    sink: Sink,
    found: u64,
    /// What has both sides, and is to be looked at again.
    doubts: Vec<Suspicion>,
    /// What has one side.
    unpaired: Unpaired,
    naturals: Sorter<NaturalEntry>,
    sorters: Sorters,
}

impl Findings {
    pub(super) fn new(outcome: Outcome, sink: Sink, sorters: Sorters) -> io::Result<Self> {
        let (unpaired, naturals) = (sorters.unpaired()?, sorters.naturals()?);
        Ok(Self { outcome, sink, found: 0, doubts: Vec::new(), unpaired, naturals, sorters })
    }

    /// Takes a finding down: counted, kept as a sample, written to the drift file.
    pub(super) fn report(&mut self, drift: Drift, place: Option<Place>) -> anyhow::Result<()> {
        self.found += 1;
        self.outcome.count(&drift, place.map(|place| (place.farm, place.day)));
        self.sink.write(&drift).context("a finding cannot be written to the drift file")
    }

    /// Whether so much was found that the rest changes nothing.
    pub(super) fn is_hopeless(&self, audit: &Audit) -> bool {
        audit.halt_after.is_some_and(|most| self.found >= most)
    }

    /// Takes something that looks like a finding.
    pub(super) fn suspect(&mut self, suspicion: Suspicion) -> io::Result<()> {
        if suspicion.row.is_some() && !suspicion.keys.is_empty() {
            self.doubts.push(suspicion);
            return Ok(());
        }
        self.unpaired.push(suspicion)
    }

    /// A record and its row agree, and nothing else is wrong.
    pub(super) fn matched(&mut self, key: &str, record: &Record, row: &Row) -> anyhow::Result<()> {
        self.saw_both(row);
        self.outcome[Counter::Matched] += 1;
        self.natural(record, Some(key))
    }

    /// An object that was not opened has a row: no value of it was compared, so that it is in no total.
    pub(super) fn present(&mut self, key: &str, row: &Row) {
        self.count_record(Place::of_key(key).as_ref());
        self.count_row(Place::of_row(row).as_ref());
        self.outcome[Counter::Present] += 1;
    }

    /// A row whose object is there and cannot be judged.
    pub(super) fn unjudged(&mut self, row: &Row) {
        self.saw_row(row);
        self.outcome[Counter::Unjudged] += 1;
    }

    /// Both sides have this: what is stored is the row that the record should be.
    fn saw_both(&mut self, row: &Row) {
        let place = Place::of_row(row);
        self.outcome.add_matched(row, place.as_ref().map(Place::named));
        self.count_record(place.as_ref());
        self.count_row(place.as_ref());
    }

    fn saw_record(&mut self, record: &Record, shape: &Shape) {
        let place = Place::of(record);
        self.outcome.add(Store::Lake, &record.to_row(shape), Some(place.named()));
        self.count_record(Some(&place));
    }

    fn saw_row(&mut self, row: &Row) {
        let place = Place::of_row(row);
        self.outcome.add(Store::Warehouse, row, place.as_ref().map(Place::named));
        self.count_row(place.as_ref());
    }

    fn count_record(&mut self, place: Option<&Place>) {
        self.outcome[Counter::LakeObjects] += 1;
        self.outcome[Counter::LakeRecords] += 1;
        if let Some(place) = place {
            self.outcome.cell(&place.farm, place.day).lake += 1;
        }
    }

    fn count_row(&mut self, place: Option<&Place>) {
        self.outcome[Counter::WarehouseRows] += 1;
        if let Some(place) = place {
            self.outcome.cell(&place.farm, place.day).warehouse += 1;
        }
    }

    fn natural(&mut self, record: &Record, key: Option<&str>) -> anyhow::Result<()> {
        let id = OrderedId::new(&record.id_treated_data);
        self.naturals.push(NaturalEntry { hash: natural_key(record), id, key: key.map(str::to_owned) }).context(FULL)
    }

    /// Looks again at what has gathered, once it is a batch, or would be enough to end with.
    pub(super) async fn recheck_full(&mut self, audit: &Audit, shape: &Shape) -> anyhow::Result<()> {
        if let Some(most) = audit.halt_after {
            let suspected = self.doubts.len() as u64 + self.unpaired.count;
            if suspected > 0 && self.found + suspected >= most {
                return self.recheck_all(audit, shape, &Progress::Silent, &Stop::default()).await.map(drop);
            }
        }
        if self.doubts.len() >= RECHECK {
            let doubts = std::mem::take(&mut self.doubts);
            self.recheck(audit, shape, doubts).await?;
        }
        Ok(())
    }

    /// Looks again at everything that is suspected; returns whether it came to the end.
    pub(super) async fn recheck_all(
        &mut self,
        audit: &Audit,
        shape: &Shape,
        progress: &Progress,
        stop: &Stop,
    ) -> anyhow::Result<bool> {
        let doubts = std::mem::take(&mut self.doubts);
        let stage = progress.stage("second look", Some(doubts.len() as u64 + self.unpaired.count));
        let unpaired = std::mem::replace(&mut self.unpaired, self.sorters.unpaired()?);
        let mut pairs = unpaired.paired().context(FULL)?;
        let mut batch = doubts;
        loop {
            while batch.len() < RECHECK
                && let Some(suspicion) = pairs.next().transpose().context("what was found cannot be read back")?
            {
                batch.push(suspicion);
            }
            if batch.is_empty() {
                break;
            }
            if stop.is_set() || self.is_hopeless(audit) {
                return Ok(false);
            }
            stage.add(batch.len() as u64);
            self.recheck(audit, shape, std::mem::take(&mut batch)).await?;
        }
        stage.finish();
        Ok(true)
    }

    async fn recheck(&mut self, audit: &Audit, shape: &Shape, doubts: Vec<Suspicion>) -> anyhow::Result<()> {
        for (suspicion, look) in look_again(audit, shape, doubts).await? {
            self.conclude(audit, shape, &suspicion, look)?;
        }
        Ok(())
    }

    /// Says what a suspicion comes to, and counts what is there now.
    fn conclude(&mut self, audit: &Audit, shape: &Shape, before: &Suspicion, now: Look) -> anyhow::Result<()> {
        let agreed = match (&before.record, &before.row) {
            (Some(record), Some(row)) => audit.differences(record, &row.0, shape).is_empty(),
            _ => false,
        };
        if !agreed && agrees(audit, shape, &now) {
            self.outcome[Counter::Settled] += 1;
        }
        let spoilt = !now.spoilt.is_empty();
        for (key, how) in &now.spoilt {
            self.spoilt(before, key, how)?;
        }
        let differences = match (&now.home, &now.row) {
            (Some((_, record)), Some(row)) => audit.differences(record, row, shape),
            _ => Vec::new(),
        };
        match (&now.home, &now.row) {
            (Some(_), Some(row)) if differences.is_empty() => self.saw_both(row),
            (home, row) => {
                home.iter().for_each(|(_, record)| self.saw_record(record, shape));
                row.iter().for_each(|row| self.saw_row(row));
                if let (Some((_, record)), Some(row)) = (home, row)
                    && let Some(strayed) = Place::of_row(row).filter(|place| *place != Place::of(record))
                {
                    self.outcome.cell(&strayed.farm, strayed.day).out_of_window += 1;
                }
            }
        }
        if let Some((key, record)) = &now.home {
            self.home(audit, key, record, &now.copies)?;
        }
        match (&now.home, &now.row) {
            (Some(_), Some(_)) if differences.is_empty() => {
                self.outcome[Counter::Matched] += 1;
                Ok(())
            }
            (Some((key, record)), Some(_)) => {
                let drift = Drift::new(Kind::Differing, &record.id_treated_data, Some(key.clone()));
                self.tell(drift.with_fields(&differences), &now, Some(Place::of(record)))
            }
            (Some((key, record)), None) => {
                let drift = Drift::new(Kind::LakeOnly, &record.id_treated_data, Some(key.clone()));
                let drift = about(drift, Some(record), None, shape);
                self.tell(drift, &now, Some(Place::of(record)))
            }
            (None, Some(row)) => self.row_alone(audit, shape, row, spoilt, &now),
            (None, None) => Ok(()),
        }
    }

    /// Reports with what the second look adds.
    fn tell(&mut self, drift: Drift, now: &Look, place: Option<Place>) -> anyhow::Result<()> {
        let drift = match &now.near {
            Some(near) if drift.kind != Kind::Differing => {
                drift.because(format!("the warehouse has {near:?}, which it takes for the same id"))
            }
            _ => drift,
        };
        if !now.moving {
            return self.report(drift, place);
        }
        self.outcome[Counter::Moving] += 1;
        let reason = drift.reason.clone().map(|reason| format!("; {reason}")).unwrap_or_default();
        self.report(drift.because(format!("{MOVING}: it was another at every look{reason}")), place)
    }

    /// An object that says nothing of its record any more.
    fn spoilt(&mut self, before: &Suspicion, key: &str, how: &Spoilt) -> anyhow::Result<()> {
        self.outcome[Counter::LakeObjects] += 1;
        let drift = |kind, why: &str| Drift::new(kind, &before.id, Some(key.to_owned())).because(why);
        match how {
            Spoilt::Archived => {
                self.outcome[Counter::Archived] += 1;
                Ok(())
            }
            Spoilt::Unreadable(why) => self.report(drift(Kind::Unreadable, why), Place::of_key(key)),
            Spoilt::Rejected(why) => self.report(drift(Kind::Rejected, why), Place::of_key(key)),
        }
    }

    /// What can be said of a record by itself: its place, its rule, its copies.
    fn home(&mut self, audit: &Audit, key: &str, record: &Record, copies: &[(String, Record)]) -> anyhow::Result<()> {
        self.natural(record, Some(key))?;
        for drift in own(audit, key, record) {
            self.report(drift, Some(Place::of(record)))?;
        }
        for (copy, other) in copies {
            self.outcome[Counter::LakeObjects] += 1;
            self.outcome[Counter::LakeRecords] += 1;
            let same = if record == other { "the same values" } else { "other values" };
            let drift = Drift::new(Kind::DuplicateObject, &record.id_treated_data, Some(copy.clone()));
            self.report(drift.because(format!("{same} as {key}")), Some(Place::of(record)))?;
        }
        Ok(())
    }

    /// A row for which no object speaks.
    fn row_alone(&mut self, audit: &Audit, shape: &Shape, row: &Row, spoilt: bool, now: &Look) -> anyhow::Result<()> {
        // Its object may be one of those that were too new to be read; nothing is so new that it is still to come.
        let fence = self.outcome.fence.map_or(NaiveDateTime::MAX, |fence| fence.naive_utc());
        let latest = (Utc::now() + CLOCKS_APART).naive_utc();
        let too_new = row.instant(Column::RowTs).is_some_and(|at| fence <= at && at <= latest);
        if spoilt || too_new {
            self.outcome[Counter::Unjudged] += 1;
            return Ok(());
        }
        let record = row.to_record();
        let place = Place::of_row(row);
        if let Some(record) = &record {
            self.natural(record, None)?;
            if let Some(drift) = rule_of_row(audit, shape, row, record) {
                self.report(drift, place.clone())?;
            }
        }
        let drift = about(Drift::new(Kind::WarehouseOnly, row.id(), None), None, Some(row), shape);
        let why = match &record {
            Some(record) if reading_id(&record.reading).to_string() == row.id() => "its id is that of its values",
            _ => "its id is not that of its values: written by hand or by an older Lambda?",
        };
        self.tell(drift.because(why), now, place)
    }

    /// Ends the findings: the counts, and the file of them.
    pub(super) fn into_parts(self) -> (Outcome, Sink) {
        (self.outcome, self.sink)
    }

    /// Takes the natural keys out, in their order.
    pub(super) fn naturals(&mut self) -> anyhow::Result<Sorted<NaturalEntry>> {
        std::mem::replace(&mut self.naturals, self.sorters.naturals()?).done().context(FULL)
    }
}

/// What is wrong with a record by itself: its place, its rule.
pub(super) fn own(audit: &Audit, key: &str, record: &Record) -> Vec<Drift> {
    let mut found = Vec::new();
    let drift = |kind| Drift::new(kind, &record.id_treated_data, Some(key.to_owned()));
    if Key::parse(key).is_some_and(|path| !path.fits(record)) {
        let home = Key::of(record).map_or_else(String::new, |home| home.to_string());
        found.push(drift(Kind::Misfiled).because(format!("its content belongs under {home}")));
    }
    let due = audit.rules.consumo_meta(record.reading.peso_medio);
    if !same_rule(record.consumo_meta, due) {
        let drift = drift(Kind::RuleBreak)
            .with_field(Column::ConsumoMeta.name(), record.consumo_meta.into(), serde_json::Value::Null)
            .because(format!("the lake's consumo_meta should be {due}"));
        found.push(drift);
    }
    found
}

/// Equal up to the last bits: older lakes may have multiplied in another order.
fn same_rule(found: f64, due: f64) -> bool {
    (found - due).abs() <= due.abs() * 4.0 * f64::EPSILON
}

/// A row that no object speaks for is held against the rule at the precision of its own columns.
fn rule_of_row(audit: &Audit, shape: &Shape, row: &Row, record: &Record) -> Option<Drift> {
    let due = Record { consumo_meta: audit.rules.consumo_meta(record.reading.peso_medio), ..record.clone() };
    let number = |value: &Value| match value {
        Value::Single(value) => f64::from(*value),
        Value::Double(value) => *value,
        _ => f64::NAN,
    };
    let (found, should) = (number(row.get(Column::ConsumoMeta)), number(&due.value(Column::ConsumoMeta, shape)));
    // Weight, target and what is due are each rounded to f32: three half units of the last place.
    let breaks = (found - should).abs() > should.abs() * 2.0 * f64::from(f32::EPSILON);
    let drift = || {
        Drift::new(Kind::RuleBreak, row.id(), None)
            .with_field(Column::ConsumoMeta.name(), serde_json::Value::Null, found.into())
            .because(format!("the warehouse's consumo_meta should be {should}"))
    };
    breaks.then(drift)
}

/// The hash of what is unique in the real files: farm, pen, lot and time (DESIGN §2); XXH3, 128 bits.
fn natural_key(record: &Record) -> u128 {
    let reading = &record.reading;
    let mut bytes = Vec::with_capacity(96);
    for part in [&reading.cod_cliente, &reading.id_curral, &reading.id_lote] {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes.extend_from_slice(&reading.data.timestamp_micros().to_le_bytes());
    xxh3_128(&bytes)
}

/// Who and when, so that a reader of the drift file need not look the id up.
fn about(mut drift: Drift, record: Option<&Record>, row: Option<&Row>, shape: &Shape) -> Drift {
    let json = |value: &Value| serde_json::to_value(value).unwrap_or_default();
    for column in [Column::CodCliente, Column::IdCurral, Column::IdLote, Column::Data, Column::RowTs] {
        let lake = record.map_or_else(Default::default, |record| json(&record.value(column, shape)));
        let warehouse = row.map_or_else(Default::default, |row| json(row.get(column)));
        drift = drift.with_field(column.name(), lake, warehouse);
    }
    drift
}
