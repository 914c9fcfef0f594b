//! Repair: what of the findings can be mended, in the direction that was asked for; then a second reading of each.
//!
//! lake_only → the row is inserted; differing → the lake's values replace the row's, guarded by the old ones;
//! warehouse_only → the object is written, never over another. Everything else is said, not guessed: objects of the
//! lake are never overwritten, moved or deleted.

use std::collections::BTreeMap;

use bytes::Bytes;
use uuid::Uuid;

use super::Audit;
use super::drift::{Drift, Kind, Sink};
use crate::lake::{Key, Put, Reason};
use crate::progress::Progress;
use crate::record::Record;
use crate::record::stored::{Row, Shape};
use crate::report::reconcile::Repaired;
use crate::stop::Stop;
use crate::warehouse::{self, Loaded, OnConflict, load};

/// Which side is mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Direction {
    /// Rows are inserted and updated from the lake.
    Warehouse,
    /// Objects that are missing are written from the warehouse.
    Lake,
    /// Both.
    Both,
}

impl Direction {
    fn mends_warehouse(self) -> bool {
        matches!(self, Self::Warehouse | Self::Both)
    }

    fn mends_lake(self) -> bool {
        matches!(self, Self::Lake | Self::Both)
    }

    /// What is done about a finding, or why nothing is.
    fn action(self, drift: &Drift) -> Result<Action, &'static str> {
        match drift.kind {
            Kind::LakeOnly if self.mends_warehouse() => Ok(Action::Insert),
            Kind::Differing if self.mends_warehouse() => Ok(Action::Update),
            Kind::WarehouseOnly if self.mends_lake() => Ok(Action::WriteObject),
            Kind::LakeOnly | Kind::WarehouseOnly => {
                Err("its side is not the one to be mended: repair the other side, or both")
            }
            Kind::Differing => Err("objects of the lake are never overwritten: repair the warehouse, or both"),
            Kind::DuplicateObject => Err("objects of the lake are never deleted: remove the copy by hand"),
            Kind::LogicalDuplicate => Err("which reading is right is not to be guessed: ask the farm"),
            Kind::Misfiled => Err("objects of the lake are never moved: move it by hand"),
            Kind::RuleBreak => Err("which side is wrong is not to be guessed: check the rule and who wrote it"),
            Kind::Unreadable | Kind::Rejected => Err(
                "objects of the lake are never overwritten: move it away by hand; if the warehouse has its row, repair then writes it anew",
            ),
        }
    }
}

/// What a repair may do, and what the audit before it saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Which side is mended.
    pub direction: Direction,
    /// Only count what would be done.
    pub dry_run: bool,
    /// Objects that could not be judged and do not name their record: any of them may be that of a row without one.
    pub nameless: u64,
}

/// Why no object is written while such objects are about.
const NAMELESS: &str = "objects without an id in their names could not be judged, and one of them may be this row's: mend or restore them, then audit again";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Insert,
    Update,
    WriteObject,
}

/// Mends what the findings name, or only counts what would be done.
///
/// A store that fails on the way, or the wish to stop, ends it early; the account says so, and repairing again goes on.
///
/// # Errors
/// The warehouse cannot be reached to begin with, or the findings cannot be read back.
pub async fn repair(
    audit: &Audit,
    sink: Sink,
    plan: Plan,
    progress: &Progress,
    stop: &Stop,
) -> anyhow::Result<Repaired> {
    let Plan { direction, dry_run, nameless } = plan;
    let shape = audit.warehouse.shape().await?;
    let stage = progress.stage("repair", None);
    let mut repaired = Repaired { dry_run, ..Repaired::default() };
    let mut reasons: BTreeMap<(Kind, &'static str), u64> = BTreeMap::new();
    for drift in sink.read_back()? {
        let drift = drift?;
        stage.add(1);
        match direction.action(&drift) {
            Err(why) => *reasons.entry((drift.kind, why)).or_default() += 1,
            Ok(action) if dry_run => repaired.planned(action == Action::Insert, action == Action::Update),
            Ok(Action::WriteObject) if nameless > 0 => *reasons.entry((drift.kind, NAMELESS)).or_default() += 1,
            Ok(_) if stop.is_set() => {
                repaired.stopped = Some("asked to stop: the rest is as it was".into());
                break;
            }
            Ok(action) => match mend(audit, &shape, &drift, action).await {
                Ok(Ok(())) => repaired.done(action == Action::Insert, action == Action::Update),
                Ok(Err(why)) => {
                    repaired.failed += 1;
                    let place = drift.key.or(drift.id).unwrap_or_default();
                    repaired.problems.add(drift.kind.name(), place, why);
                }
                // What was mended until now is told, whatever comes in between.
                Err(e) => {
                    repaired.stopped = Some(format!("{e:#}"));
                    break;
                }
            },
        }
    }
    stage.finish();
    for ((kind, why), count) in reasons {
        repaired.left += count;
        repaired.reasons.push(format!("{count} {}: {why}", kind.name()));
    }
    Ok(repaired)
}

/// Mends one finding and reads it again; the inner error says why it could not be.
async fn mend(audit: &Audit, shape: &Shape, drift: &Drift, action: Action) -> anyhow::Result<Result<(), String>> {
    let Some(id) = &drift.id else { return Ok(Err("it has no id".into())) };
    if action == Action::WriteObject {
        return write_object(audit, shape, id).await;
    }
    let Some(key) = &drift.key else { return Ok(Err("it has no key".into())) };
    let record = match audit.lake.get(key).await {
        Ok(body) => match Record::parse(&body) {
            Ok(record) if record.id_treated_data == *id => record,
            Ok(_) => return Ok(Err("the object now holds another record".into())),
            Err(why) => return Ok(Err(format!("the object can no longer be read: {why}"))),
        },
        Err(e) if e.reason == Reason::NotFound => return Ok(Err("the object has vanished".into())),
        Err(e) => return Err(e.into()),
    };
    if action == Action::Insert {
        let loaded = load(&*audit.warehouse, std::slice::from_ref(&record), shape, OnConflict::Keep).await?;
        match loaded.into_iter().next() {
            Some(Loaded::Inserted | Loaded::Identical) => {}
            Some(Loaded::Refused(why)) => return Ok(Err(why)),
            _ => return Ok(Err("a row with other values was written meanwhile: audit again".into())),
        }
    } else if let Some(old) = row(audit, shape, id).await? {
        match audit.warehouse.replace(&old, &record.to_row(shape), shape).await {
            Ok(true) => {}
            Ok(false) => return Ok(Err("the row changed meanwhile: audit again".into())),
            Err(e) if e.reason == warehouse::Reason::BadRow => return Ok(Err(e.message)),
            Err(e) => return Err(e.into()),
        }
    }
    Ok(match row(audit, shape, id).await? {
        Some(row) if record.differences(&row, shape).is_empty() => Ok(()),
        _ => Err("read back with other values: somebody else writes".into()),
    })
}

async fn row(audit: &Audit, shape: &Shape, id: &str) -> anyhow::Result<Option<Row>> {
    Ok(audit.warehouse.fetch(&[id.to_owned()], shape).await?.into_iter().next())
}

async fn write_object(audit: &Audit, shape: &Shape, id: &str) -> anyhow::Result<Result<(), String>> {
    let Some(row) = row(audit, shape, id).await? else { return Ok(Err("the row has vanished".into())) };
    let Some(mut record) = row.to_record() else {
        return Ok(Err("the row has NULLs or values that no record can have".into()));
    };
    if !of_its_time(&record) {
        return Ok(Err(
            "its id speaks of another time than its data: the row was changed, its object lies elsewhere".into()
        ));
    }
    if !audit.span.is_everything() && !made_here(&record) {
        return Ok(Err(
            "its older id does not tell where its object lies, maybe outside this window: audit everything".into(),
        ));
    }
    // The f32 of a FLOAT column is not what the rule gave; where the rule gives that f32, its own value is written.
    let due = Record { consumo_meta: audit.rules.consumo_meta(record.reading.peso_medio), ..record.clone() };
    if due.differences(&row, shape).is_empty() {
        record = due;
    }
    let Some(key) = Key::of(&record) else { return Ok(Err("its id cannot stand in an object's name".into())) };
    let key = key.to_string();
    if audit.lake.put_new(&key, Bytes::from(record.object_from_values())).await? == Put::Exists {
        return Ok(Err(format!("the name {key} is taken by another object")));
    }
    let body = audit.lake.get(&key).await?;
    Ok(match Record::parse(&body) {
        Ok(written) if written.differences(&row, shape).is_empty() => Ok(()),
        _ => Err(format!("{key} reads back with other values")),
    })
}

/// Whether the id is of version 8, which says where the object lies.
fn made_here(record: &Record) -> bool {
    Uuid::parse_str(&record.id_treated_data).is_ok_and(|id| id.get_version_num() == 8)
}

/// Whether an id of this toolkit (version 8) and the row's `data` speak of the same second; other ids say nothing.
fn of_its_time(record: &Record) -> bool {
    let Ok(id) = Uuid::parse_str(&record.id_treated_data) else { return true };
    let millis = id.as_u128() >> 80;
    id.get_version_num() != 8 || millis / 1_000 == u128::from(record.reading.data.timestamp().unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warehouse::conformance::record;

    #[test]
    fn an_id_knows_the_time_of_its_reading() {
        let mut record = record(1);
        assert!(of_its_time(&record));
        record.reading.data += chrono::TimeDelta::days(1);
        assert!(!of_its_time(&record));
        record.id_treated_data = "0f1f4d5c-4a7e-4b0c-9d62-8c7d70e6f6ab".into();
        assert!(of_its_time(&record), "an older id is random");
    }
}
