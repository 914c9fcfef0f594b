//! What an audit finds: suspicions that are looked at again, findings that are reported, and the counts of both sides.

use std::collections::{HashMap, HashSet};
use std::io;

use chrono::NaiveDate;
use futures::stream::{self, StreamExt};

use super::Audit;
use super::drift::{Drift, Kind, Sink};
use crate::lake::{Key, Reason};
use crate::record::stored::{Row, Shape, Value};
use crate::record::{Column, Record, Slug, reading_id};
use crate::report::reconcile::Outcome;

/// Suspicions looked at again together.
const RECHECK: usize = 500;
/// Objects looked at again at once.
const GETS: usize = 32;

/// Something that looks like drift.
#[derive(Debug)]
pub(super) enum Candidate {
    LakeOnly(String, Record),
    WarehouseOnly(Row),
    Differing(String, Record),
}

impl Candidate {
    fn id(&self) -> &str {
        match self {
            Self::LakeOnly(_, record) | Self::Differing(_, record) => &record.id_treated_data,
            Self::WarehouseOnly(row) => row.id(),
        }
    }
}

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
}

/// What has been found so far.
pub(super) struct Findings {
    pub outcome: Outcome,
    sink: Sink,
    candidates: Vec<Candidate>,
    /// Ids of rows that were found to be another spelling of a record's id.
    respelled: HashSet<String>,
}

impl Findings {
    pub(super) fn new(outcome: Outcome, sink: Sink) -> Self {
        Self { outcome, sink, candidates: Vec::new(), respelled: HashSet::new() }
    }

    /// Takes a finding down: counted, kept as a sample, written to the drift file.
    pub(super) fn report(&mut self, drift: Drift, place: Option<Place>) -> anyhow::Result<()> {
        self.outcome.count(&drift, place.map(|place| (place.farm, place.day)));
        Ok(self.sink.write(&drift)?)
    }

    pub(super) fn suspect(&mut self, candidate: Candidate) {
        self.candidates.push(candidate);
    }

    pub(super) fn matched(&mut self) {
        self.outcome.matched += 1;
    }

    pub(super) fn saw_record(&mut self, record: &Record, shape: &Shape) {
        self.outcome.lake_objects += 1;
        self.outcome.lake_records += 1;
        let place = Place::of(record);
        self.outcome.cell(place.farm, place.day).lake += 1;
        self.outcome.totals.lake(&record.to_row(shape));
    }

    pub(super) fn saw_row(&mut self, row: &Row) {
        self.outcome.warehouse_rows += 1;
        if let Some(place) = Place::of_row(row) {
            self.outcome.cell(place.farm, place.day).warehouse += 1;
        }
        self.outcome.totals.warehouse(row);
    }

    fn unsaw_row(&mut self, row: &Row) {
        self.outcome.warehouse_rows -= 1;
        if let Some(place) = Place::of_row(row) {
            self.outcome.cell(place.farm, place.day).warehouse -= 1;
        }
    }

    /// Looks again at what has gathered, once it is a batch.
    pub(super) async fn recheck_full(&mut self, audit: &Audit, shape: &Shape) -> anyhow::Result<()> {
        if self.candidates.len() < RECHECK {
            return Ok(());
        }
        self.recheck(audit, shape).await
    }

    /// Looks again at every suspicion: S3 and MySQL share no snapshot, so what differed may only have been on its way.
    pub(super) async fn recheck(&mut self, audit: &Audit, shape: &Shape) -> anyhow::Result<()> {
        let candidates = std::mem::take(&mut self.candidates);
        if candidates.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = candidates.iter().map(|candidate| candidate.id().to_owned()).collect();
        let rows = audit.warehouse.fetch(&ids, shape).await?;
        let folded: HashMap<String, Row> = rows.iter().map(|row| (fold(row.id()), row.clone())).collect();
        let exact: HashMap<String, Row> = rows.into_iter().map(|row| (row.id().to_owned(), row)).collect();
        let mut looked = stream::iter(candidates)
            .map(|candidate| async move {
                let object = object_now(audit, &candidate).await;
                (candidate, object)
            })
            .buffered(GETS);
        while let Some((candidate, object)) = looked.next().await {
            let row = exact.get(candidate.id()).cloned();
            match candidate {
                Candidate::LakeOnly(key, record) => {
                    let row = row.or_else(|| folded.get(&fold(&record.id_treated_data)).cloned());
                    self.lake_only_again(key, record, row, shape)?;
                }
                Candidate::Differing(key, record) => {
                    self.differing_again(key, object?.unwrap_or(record), row, shape)?
                }
                Candidate::WarehouseOnly(old) => self.warehouse_only_again(&old, row, object?, shape)?,
            }
        }
        Ok(())
    }

    fn lake_only_again(&mut self, key: String, record: Record, row: Option<Row>, shape: &Shape) -> anyhow::Result<()> {
        let Some(row) = row else {
            let drift = Drift::new(Kind::LakeOnly, &record.id_treated_data, Some(key));
            let place = Place::of(&record);
            return self.report(about(drift, Some(&record), None, shape), Some(place));
        };
        if row.id() != record.id_treated_data {
            self.respelled.insert(row.id().to_owned());
        }
        self.saw_row(&row);
        self.compare(key, &record, &row, shape)
    }

    fn differing_again(&mut self, key: String, record: Record, row: Option<Row>, shape: &Shape) -> anyhow::Result<()> {
        match row {
            Some(row) => self.compare(key, &record, &row, shape),
            None => {
                self.outcome.warehouse_rows -= 1;
                let drift = Drift::new(Kind::LakeOnly, &record.id_treated_data, Some(key));
                let place = Place::of(&record);
                self.report(about(drift, Some(&record), None, shape), Some(place))
            }
        }
    }

    fn warehouse_only_again(
        &mut self,
        old: &Row,
        row: Option<Row>,
        object: Option<Record>,
        shape: &Shape,
    ) -> anyhow::Result<()> {
        let Some(row) = row.filter(|row| !self.respelled.contains(row.id())) else {
            self.unsaw_row(old);
            self.outcome.settled += 1;
            return Ok(());
        };
        if let Some(record) = object {
            let key = Key::of(&record).map_or_else(String::new, |key| key.to_string());
            self.saw_record(&record, shape);
            return self.compare(key, &record, &row, shape);
        }
        let place = Place::of_row(&row);
        let drift = about(Drift::new(Kind::WarehouseOnly, row.id(), None), None, Some(&row), shape);
        let derives = row.to_record().is_some_and(|record| reading_id(&record.reading).to_string() == row.id());
        let why = if derives {
            "its id is that of its values"
        } else {
            "its id is not that of its values: written by hand or by an older Lambda?"
        };
        self.report(drift.because(why), place)
    }

    fn compare(&mut self, key: String, record: &Record, row: &Row, shape: &Shape) -> anyhow::Result<()> {
        let differences = record.differences(row, shape);
        if differences.is_empty() {
            self.outcome.matched += 1;
            self.outcome.settled += 1;
            return Ok(());
        }
        let drift = Drift::new(Kind::Differing, &record.id_treated_data, Some(key)).with_fields(&differences);
        self.report(drift, Some(Place::of(record)))
    }

    /// Ends the findings: the counts, and the file of them.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn into_parts(self) -> io::Result<(Outcome, Sink)> {
        Ok((self.outcome, self.sink))
    }
}

/// What the lake has now under the name of a suspicion's record.
async fn object_now(audit: &Audit, candidate: &Candidate) -> anyhow::Result<Option<Record>> {
    let (key, id) = match candidate {
        Candidate::LakeOnly(..) => return Ok(None),
        Candidate::Differing(key, record) => (key.clone(), record.id_treated_data.clone()),
        Candidate::WarehouseOnly(row) => match row.to_record().as_ref().and_then(Key::of) {
            Some(key) => (key.to_string(), row.id().to_owned()),
            None => return Ok(None),
        },
    };
    match audit.lake.get(&key).await {
        Ok(body) => Ok(Record::parse(&body).ok().filter(|record| record.id_treated_data == id)),
        Err(e) if e.reason == Reason::NotFound || e.concerns_one_object() => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Who and when, so that a reader of the drift file need not look the id up.
fn about(mut drift: Drift, record: Option<&Record>, row: Option<&Row>, shape: &Shape) -> Drift {
    let json = |value: &Value| serde_json::to_value(value).unwrap_or_default();
    for column in [Column::CodCliente, Column::IdCurral, Column::IdLote, Column::Data] {
        let lake = record.map_or_else(Default::default, |record| json(&record.value(column, shape)));
        let warehouse = row.map_or_else(Default::default, |row| json(row.get(column)));
        drift = drift.with_field(column.name(), lake, warehouse);
    }
    drift
}

/// An id as collations that fold case and trailing space see it.
fn fold(id: &str) -> String {
    id.trim_end().to_lowercase()
}
