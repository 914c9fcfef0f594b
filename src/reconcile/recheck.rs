//! Rechecks candidates. S3 and MySQL have no common snapshot, so a difference may be a record in transit.
//!
//! The objects of every candidate are read again by GET, and its row by SELECT. An unchanged difference is *confirmed*,
//! and one that has disappeared is *resolved*. One that has changed is read again after a pause. If it changes on every
//! read, it is reported as *unstable*.

use std::collections::HashMap;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};

use super::Audit;
use super::entries::SpooledRow;
use pipeline::lake::{Key, Reason};
use pipeline::record::row::{Row, TableSchema};
use pipeline::record::{MAX_OBJECT_BYTES, Record};

/// Pauses before further rechecks of changing candidates.
const PAUSES: [Duration; 3] = [Duration::from_millis(200), Duration::from_millis(600), Duration::from_millis(1_800)];

/// Candidate for a finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Candidate {
    /// Id in the lake, or in the warehouse without an object.
    pub id: String,
    /// Keys of the objects with the id; the first is the one that is compared.
    pub keys: Vec<String>,
    /// Record of the first object. `None` if it was not opened.
    pub record: Option<Record>,
    /// True if the objects were not opened.
    pub unopened: bool,
    /// Row of the warehouse, possibly with another spelling of the id.
    pub row: Option<SpooledRow>,
}

impl Candidate {
    /// Returns a candidate for a row without an object.
    pub(super) fn of_row(row: Row) -> Self {
        Self { id: row.id().to_owned(), keys: Vec::new(), record: None, unopened: false, row: Some(SpooledRow(row)) }
    }

    fn row_id(&self) -> &str {
        self.row.as_ref().map_or(&*self.id, |row| row.0.id())
    }

    /// Returns true if the observation equals the candidate.
    fn matches(&self, observation: &Observation) -> bool {
        let whole = observation.lost.is_empty() && observation.copies.len() + 1 == self.keys.len().max(1);
        let primary = observation.primary.as_ref().map(|(_, record)| record);
        let records = if self.unopened { primary.is_some() } else { primary == self.record.as_ref() };
        whole && records && observation.row.as_ref() == self.row.as_ref().map(|row| &row.0)
    }
}

/// Current state of both sides.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Observation {
    /// Object that is compared, with its record.
    pub primary: Option<(String, Record)>,
    /// Other objects with its id.
    pub copies: Vec<(String, Record)>,
    /// Objects that no longer contain this record, with the reason.
    pub lost: Vec<(String, LostObject)>,
    /// Row of the warehouse.
    #[serde(with = "spooled")]
    pub row: Option<Row>,
    /// Differently written id that the warehouse considers equal.
    pub id_variant: Option<String>,
    /// True if every read was different.
    pub unstable: bool,
}

/// Reason why an object no longer contains a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum LostObject {
    /// The object is in an archive tier.
    Archived,
    /// The object is not JSON, or cannot be fetched.
    Unreadable(String),
    /// The object contains an invalid or another record.
    Rejected(String),
}

/// Serialized row, without loss of precision.
mod spooled {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Row, SpooledRow};

    pub(super) fn serialize<S: Serializer>(row: &Option<Row>, serializer: S) -> Result<S::Ok, S::Error> {
        row.clone().map(SpooledRow).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Row>, D::Error> {
        Ok(Option::<SpooledRow>::deserialize(deserializer)?.map(|row| row.0))
    }
}

/// Rechecks candidates until they are stable.
pub(super) async fn recheck(
    audit: &Audit,
    schema: &TableSchema,
    candidates: Vec<Candidate>,
) -> anyhow::Result<Vec<(Candidate, Observation)>> {
    let mut observations = observe(audit, schema, &candidates).await?;
    let unstable_at = |observations: &[Observation], before: &dyn Fn(usize, &Observation) -> bool| -> Vec<usize> {
        (0..observations.len())
            .filter(|&at| !agrees(audit, schema, &observations[at]) && !before(at, &observations[at]))
            .collect()
    };
    let mut unstable = unstable_at(&observations, &|at, observation| candidates[at].matches(observation));
    for pause in PAUSES {
        if unstable.is_empty() {
            break;
        }
        tokio::time::sleep(pause).await;
        let again: Vec<Candidate> = unstable.iter().map(|&at| candidates[at].clone()).collect();
        let mut still = Vec::new();
        for (at, now) in unstable.into_iter().zip(observe(audit, schema, &again).await?) {
            if !agrees(audit, schema, &now) && now != observations[at] {
                still.push(at);
            }
            observations[at] = now;
        }
        unstable = still;
    }
    unstable.into_iter().for_each(|at| observations[at].unstable = true);
    Ok(candidates.into_iter().zip(observations).collect())
}

/// Returns true if both sides agree, or both are empty.
pub(super) fn agrees(audit: &Audit, schema: &TableSchema, observation: &Observation) -> bool {
    match (&observation.primary, &observation.row) {
        (Some((_, record)), Some(row)) => audit.differences(record, row, schema).is_empty(),
        (None, None) => true,
        _ => false,
    }
}

async fn observe(audit: &Audit, schema: &TableSchema, candidates: &[Candidate]) -> anyhow::Result<Vec<Observation>> {
    let ids: Vec<String> = candidates.iter().map(|candidate| candidate.row_id().to_owned()).collect();
    let rows = audit.warehouse.fetch(&ids, schema).await?;
    let near: HashMap<String, String> = rows.iter().map(|row| (fold_id(row.id()), row.id().to_owned())).collect();
    let mut exact: HashMap<String, Row> = rows.into_iter().map(|row| (row.id().to_owned(), row)).collect();
    let mut observations = Vec::with_capacity(candidates.len());
    for id in &ids {
        let row = exact.remove(id);
        let near = near.get(&fold_id(id)).filter(|near| *near != id).cloned();
        observations.push(Observation { row, id_variant: near, ..Observation::default() });
    }
    // All keys are read as one flat list, so that the copies of one id are read concurrently.
    let wanted = candidates.iter().zip(&observations).enumerate().flat_map(|(at, (candidate, observation))| {
        let keys = if candidate.keys.is_empty() { observation.row.as_ref().and_then(likely_key) } else { None };
        let keys = candidate.keys.iter().cloned().chain(keys);
        keys.map(move |key| (at, key, candidate.id.as_str())).collect::<Vec<_>>()
    });
    let wanted: Vec<_> = wanted.collect();
    let mut objects = stream::iter(wanted)
        .map(|(at, key, id)| async move { (at, object(audit, &key, id).await, key) })
        .buffered(audit.reads.max(1));
    while let Some((at, object, key)) = objects.next().await {
        let (observation, known) = (&mut observations[at], !candidates[at].keys.is_empty());
        match object? {
            None => {}
            Some(Ok(record)) if observation.primary.is_none() => observation.primary = Some((key, record)),
            Some(Ok(record)) => observation.copies.push((key, record)),
            Some(Err(lost)) if known => observation.lost.push((key, lost)),
            Some(Err(_)) => {} // belongs to another id; the name was only a guess
        }
    }
    observations.iter_mut().for_each(Observation::choose_primary);
    Ok(observations)
}

impl Observation {
    /// Selects the object to compare: the first one with a canonical key.
    fn choose_primary(&mut self) {
        let Some(primary) = self.primary.take() else { return };
        let mut all = std::mem::take(&mut self.copies);
        all.insert(0, primary);
        all.sort_by(|a, b| (!has_canonical_key(&a.0, &a.1), &a.0).cmp(&(!has_canonical_key(&b.0, &b.1), &b.0)));
        let mut all = all.into_iter();
        self.primary = all.next();
        self.copies = all.collect();
    }
}

/// Returns the key under which this toolkit writes the record of a row.
fn likely_key(row: &Row) -> Option<String> {
    row.to_record().as_ref().and_then(Key::of).map(|key| key.to_string())
}

/// Returns the record that an object now contains, or why it does not; `None` without an object.
async fn object(audit: &Audit, key: &str, id: &str) -> anyhow::Result<Option<Result<Record, LostObject>>> {
    let body = match audit.lake.get_within(key, MAX_OBJECT_BYTES).await {
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

/// Returns true if the key of an object is the canonical key of its record.
pub(super) fn has_canonical_key(key: &str, record: &Record) -> bool {
    let Some(path) = Key::parse(key) else { return false };
    path.fits(record) && path.id.as_ref().is_none_or(|id| *id == record.id_treated_data)
}

/// Returns an id without surrounding white space and in lower case. Two ids with the same result are one id in two
/// spellings; collations that ignore case and trailing spaces do not distinguish them.
pub(super) fn fold_id(id: &str) -> String {
    id.trim().to_lowercase()
}
