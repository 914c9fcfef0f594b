//! Repair: what of the findings can be mended, in the direction that was asked for; then a second reading of each.
//!
//! lake_only → the row is inserted; differing → the lake's values replace the row's, guarded by the old ones;
//! warehouse_only → the object is written, never over another. Everything else is said, not guessed: objects of the
//! lake are never overwritten, moved or deleted.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Audit;
use super::drift::{Drift, Kind, Sink};
use crate::lake::{Key, Put, Reason};
use crate::progress::Progress;
use crate::record::Record;
use crate::record::stored::{Row, Shape};
use crate::report::reconcile::Repaired;
use crate::warehouse::{Loaded, OnConflict, load};

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Insert,
    Update,
    WriteObject,
}

/// Mends what the findings name, or only counts what would be done.
///
/// # Errors
/// A store cannot be reached. What was mended until then is mended, and repairing again goes on.
pub async fn repair(
    audit: &Audit,
    sink: Sink,
    direction: Direction,
    dry_run: bool,
    progress: &Progress,
) -> anyhow::Result<Repaired> {
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
            Ok(action) => match mend(audit, &shape, &drift, action).await? {
                Ok(()) => repaired.done(action == Action::Insert, action == Action::Update),
                Err(why) => {
                    repaired.failed += 1;
                    let place = drift.key.or(drift.id).unwrap_or_default();
                    repaired.problems.add(drift.kind.name(), place, why);
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
    } else if let Some(old) = row(audit, shape, id).await?
        && !audit.warehouse.replace(&old, &record.to_row(shape), shape).await?
    {
        return Ok(Err("the row changed meanwhile: audit again".into()));
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
    let Some(record) = row.to_record() else {
        return Ok(Err("the row has NULLs or values that no record can have".into()));
    };
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
