//! The second look: S3 and MySQL share no snapshot, so that what differs may only have been on its way.
//!
//! Every suspicion is looked at again: its objects by GET, its row by SELECT. What is as it was is *confirmed*; what has
//! come to agree is *settled*; what differs in another way than before is looked at once more after a pause, and if it
//! never holds still it is reported as *moving*.

use std::collections::HashMap;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};

use super::Audit;
use super::entries::SpooledRow;
use pipeline::lake::{Key, Reason};
use pipeline::record::Record;
use pipeline::record::row::{Row, TableSchema};

/// The pauses before further looks at what moves.
const PAUSES: [Duration; 3] = [Duration::from_millis(200), Duration::from_millis(600), Duration::from_millis(1_800)];

/// Something that looks like a finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Candidate {
    /// The id in the lake, else in the warehouse.
    pub id: String,
    /// The objects with the id, the one that is judged first.
    pub keys: Vec<String>,
    /// The record of the first one; `None` also where it was not opened.
    pub record: Option<Record>,
    /// The objects were not opened.
    pub unopened: bool,
    /// The row, perhaps under another spelling of the id.
    pub row: Option<SpooledRow>,
}

impl Candidate {
    /// Of a row without an object.
    pub(super) fn of_row(row: Row) -> Self {
        Self { id: row.id().to_owned(), keys: Vec::new(), record: None, unopened: false, row: Some(SpooledRow(row)) }
    }

    fn row_id(&self) -> &str {
        self.row.as_ref().map_or(&*self.id, |row| row.0.id())
    }

    /// Whether it is what was seen before.
    fn matches(&self, observation: &Observation) -> bool {
        let whole = observation.lost.is_empty() && observation.copies.len() + 1 == self.keys.len().max(1);
        let home = observation.primary.as_ref().map(|(_, record)| record);
        let records = if self.unopened { home.is_some() } else { home == self.record.as_ref() };
        whole && records && observation.row.as_ref() == self.row.as_ref().map(|row| &row.0)
    }
}

/// What is there now.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Observation {
    /// The object that is judged, and its record.
    pub primary: Option<(String, Record)>,
    /// Further objects with its id.
    pub copies: Vec<(String, Record)>,
    /// Objects that hold this record no more, with what became of them.
    pub lost: Vec<(String, LostObject)>,
    /// The row.
    pub row: Option<Row>,
    /// A row that the warehouse takes for the same although its id is spelled otherwise.
    pub id_variant: Option<String>,
    /// It was never twice the same.
    pub unstable: bool,
}

/// Why an object says nothing of a record any more.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum LostObject {
    /// It is in an archive tier.
    Archived,
    /// It is not JSON, or cannot be fetched.
    Unreadable(String),
    /// It is no valid record, or another one.
    Rejected(String),
}

/// Looks at suspicions until they hold still.
pub(super) async fn recheck(
    audit: &Audit,
    schema: &TableSchema,
    candidates: Vec<Candidate>,
) -> anyhow::Result<Vec<(Candidate, Observation)>> {
    let mut looks = observe(audit, shape, &suspicions).await?;
    let restless = |looks: &[Observation], before: &dyn Fn(usize, &Observation) -> bool| -> Vec<usize> {
        (0..looks.len()).filter(|&at| !agrees(audit, shape, &looks[at]) && !before(at, &looks[at])).collect()
    };
    let mut moving = restless(&looks, &|at, observation| suspicions[at].matches(observation));
    for pause in PAUSES {
        if moving.is_empty() {
            break;
        }
        tokio::time::sleep(pause).await;
        let again: Vec<Candidate> = moving.iter().map(|&at| suspicions[at].clone()).collect();
        let mut still = Vec::new();
        for (at, now) in moving.into_iter().zip(observe(audit, shape, &again).await?) {
            if !agrees(audit, shape, &now) && now != looks[at] {
                still.push(at);
            }
            looks[at] = now;
        }
        moving = still;
    }
    moving.into_iter().for_each(|at| looks[at].unstable = true);
    Ok(suspicions.into_iter().zip(looks).collect())
}

/// Whether both sides agree, or neither has anything.
pub(super) fn agrees(audit: &Audit, schema: &TableSchema, observation: &Observation) -> bool {
    match (&observation.primary, &observation.row) {
        (Some((_, record)), Some(row)) => audit.differences(record, row, schema).is_empty(),
        (None, None) => true,
        _ => false,
    }
}

async fn observe(audit: &Audit, schema: &TableSchema, candidates: &[Candidate]) -> anyhow::Result<Vec<Observation>> {
    let ids: Vec<String> = suspicions.iter().map(|candidate| candidate.row_id().to_owned()).collect();
    let rows = audit.warehouse.fetch(&ids, shape).await?;
    let near: HashMap<String, String> = rows.iter().map(|row| (fold_id(row.id()), row.id().to_owned())).collect();
    let mut exact: HashMap<String, Row> = rows.into_iter().map(|row| (row.id().to_owned(), row)).collect();
    let mut looks = Vec::with_capacity(suspicions.len());
    for id in &ids {
        let row = exact.remove(id);
        let near = near.get(&fold_id(id)).filter(|near| *near != id).cloned();
        looks.push(Observation { row, id_variant: near, ..Observation::default() });
    }
    // A flat list, so that many copies of one id do not stand in a row.
    let wanted = suspicions.iter().zip(&looks).enumerate().flat_map(|(at, (suspicion, look))| {
        let keys = if suspicion.keys.is_empty() { look.row.as_ref().and_then(likely_key) } else { None };
        let keys = suspicion.keys.iter().cloned().chain(keys);
        keys.map(move |key| (at, key, suspicion.id.as_str())).collect::<Vec<_>>()
    });
    let wanted: Vec<_> = wanted.collect();
    let mut objects = stream::iter(wanted)
        .map(|(at, key, id)| async move { (at, object(audit, &key, id).await, key) })
        .buffered(audit.reads.max(1));
    while let Some((at, object, key)) = objects.next().await {
        let (look, known) = (&mut looks[at], !suspicions[at].keys.is_empty());
        match object? {
            None => {}
            Some(Ok(record)) if look.primary.is_none() => look.primary = Some((key, record)),
            Some(Ok(record)) => look.copies.push((key, record)),
            Some(Err(spoilt)) if known => look.lost.push((key, spoilt)),
            Some(Err(_)) => {} // another's object, under a name that this one might have had
        }
    }
    looks.iter_mut().for_each(Observation::choose_primary);
    Ok(looks)
}

impl Observation {
    /// The object that lies where it belongs is the one that is judged; the first of them where several do.
    fn choose_primary(&mut self) {
        let Some(home) = self.primary.take() else { return };
        let mut all = std::mem::take(&mut self.copies);
        all.insert(0, home);
        all.sort_by(|a, b| (!has_canonical_key(&a.0, &a.1), &a.0).cmp(&(!has_canonical_key(&b.0, &b.1), &b.0)));
        let mut all = all.into_iter();
        self.primary = all.next();
        self.copies = all.collect();
    }
}

/// The name under which this toolkit writes the record of a row.
fn likely_key(row: &Row) -> Option<String> {
    row.to_record().as_ref().and_then(Key::of).map(|key| key.to_string())
}

/// What an object holds of a record now; `None` where there is no object.
async fn object(audit: &Audit, key: &str, id: &str) -> anyhow::Result<Option<Result<Record, LostObject>>> {
    let body = match audit.lake.get(key).await {
        Ok(body) => body,
        Err(e) if e.reason == Reason::NotFound => return Ok(None),
        Err(e) if e.reason == Reason::Archived => return Ok(Some(Err(LostObject::Archived))),
        Err(e) if e.concerns_one_object() => return Ok(Some(Err(LostObject::Unreadable(e.message)))),
        Err(e) => return Err(e.into()),
    };
    Ok(Some(match Record::parse(&body) {
        Ok(record) if record.id_treated_data == id => Ok(record),
        Ok(record) => Err(LostObject::Rejected(format!("it now holds the record {}", record.id_treated_data))),
        Err(why) if why.is_unreadable() => Err(LostObject::Unreadable(why.to_string())),
        Err(why) => Err(LostObject::Rejected(why.to_string())),
    }))
}

/// Whether an object lies under the very name that its record has.
pub(super) fn has_canonical_key(key: &str, record: &Record) -> bool {
    let Some(path) = Key::parse(key) else { return false };
    path.fits(record) && path.id.as_ref().is_none_or(|id| *id == record.id_treated_data)
}

/// An id as collations that fold case and trailing space see it.
pub(super) fn fold_id(id: &str) -> String {
    id.trim_end().to_lowercase()
}
