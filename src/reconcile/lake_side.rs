//! The lake's side of an audit: read everything once, count what cannot be judged, sort the rest by id.

use std::sync::Arc;

use chrono::NaiveDate;
use futures::StreamExt;

use super::drift::{Drift, Kind};
use super::findings::{Findings, Place};
use super::sorted::{LakeEntry, OrderedId, Sorted, Sorter};
use super::{Audit, warehouse_side};
use crate::lake::{Depth, Found, Item, Key, Pace, ReadSettings, Reader, Skip, Span, Step, survey};
use crate::progress::Progress;
use crate::record::Column;
use crate::stop::Stop;

/// Objects of a day that are asked what their path follows.
const VOTERS: usize = 20;

/// What was read of the lake, in the order of ids.
pub(super) struct LakeSide {
    pub entries: Sorted<LakeEntry>,
    /// The column that paths follow: `data`, or `row_ts` in lakes of the older Lambda.
    pub column: Column,
    /// The wish to stop came while reading.
    pub stopped: bool,
}

/// Votes on which column the paths follow.
#[derive(Default)]
struct Votes {
    data: u64,
    row_ts: u64,
}

/// Reads the lake's side.
pub(super) async fn read(
    audit: &Audit,
    findings: &mut Findings,
    progress: &Progress,
    stop: &Stop,
) -> anyhow::Result<LakeSide> {
    let fence = audit.lake.clock().await?;
    findings.outcome.fence = Some(fence);
    let wide = if audit.span.is_everything() { audit.span.clone() } else { audit.span.widened(1) };
    let found = survey(&*audit.lake, &wide).await?;
    let reader = Reader::new(Arc::clone(&audit.lake), ReadSettings { concurrency: audit.reads, fence });
    let stage = progress.stage("lake", None);
    let (mut sorter, mut votes, mut stopped) = (Sorter::new(), Votes::default(), false);
    for stray in found.strays {
        findings.outcome.lake_objects += 1;
        foreign(findings, stray.key);
    }
    let mut pace = Pace::new(found.partitions.len());
    let mut read = std::pin::pin!(reader.read(found.partitions));
    while let Some(step) = read.next().await {
        if stop.is_set() {
            stopped = true;
            break;
        }
        let Step::Found(found) = step? else { continue };
        stage.add(1);
        if let Some(share) = pace.share(found.key.as_ref()) {
            stage.share(share);
        }
        if let Some(entry) = take(audit, findings, &mut votes, *found)? {
            sorter.push(entry)?;
        }
    }
    stage.finish();
    if !stopped && votes.data + votes.row_ts == 0 && !audit.span.is_everything() {
        votes = learn_elsewhere(audit, &reader).await?;
    }
    let column = if votes.row_ts > votes.data { Column::RowTs } else { Column::Data };
    Ok(LakeSide { entries: sorter.done()?, column, stopped })
}

/// What paths follow, learnt from the first and last day of the whole lake: for a window in which no object tells.
async fn learn_elsewhere(audit: &Audit, reader: &Reader) -> anyhow::Result<Votes> {
    let everywhere = survey(&*audit.lake, &Span::default()).await?.partitions;
    let ends = everywhere.iter().take(1).chain(everywhere.iter().skip(1).last());
    let mut votes = Votes::default();
    for partition in ends {
        let mut objects = audit.lake.list(&partition.prefix(), Depth::Everything, None).await?.objects;
        objects.truncate(VOTERS);
        let mut read = std::pin::pin!(reader.read_objects(objects));
        while let Some(found) = read.next().await {
            if let Found { key: Some(key), item: Item::Record(record), .. } = found? {
                votes.count(&key, record.reading.data.date_naive(), record.row_ts.date_naive());
            }
        }
    }
    Ok(votes)
}

/// Counts an object; what has an id goes on into the merge.
fn take(audit: &Audit, findings: &mut Findings, votes: &mut Votes, found: Found) -> anyhow::Result<Option<LakeEntry>> {
    let Found { meta, key, item } = found;
    let path = key.as_ref().map(|key| (key.day, key.farm.as_str()));
    if let Item::Record(record) = item {
        if let Some(key) = &key {
            votes.count(key, record.reading.data.date_naive(), record.row_ts.date_naive());
        }
        let id = OrderedId::new(&record.id_treated_data);
        return Ok(Some(LakeEntry { id, key: meta.key, record: Some(*record) }));
    }
    // Without content, the path says whether it belongs to the audit.
    if id_of(&key).is_none() && !matches!(item, Item::Skipped(Skip::Foreign)) {
        findings.outcome.nameless += 1;
    }
    let inside = path.is_none_or(|(day, farm)| audit.span.has_day(day) && audit.span.has_farm(farm));
    let place = path.map(|(day, farm)| Place { farm: farm.to_owned(), day });
    let id = key.as_ref().and_then(|key| key.id.clone());
    if inside {
        findings.outcome.lake_objects += 1;
        let drift =
            |kind, why: String| Drift { id: id.clone(), ..Drift::new(kind, "", Some(meta.key.clone())) }.because(why);
        match item {
            Item::Record(_) => {}
            Item::Rejected(why) => findings.report(drift(Kind::Rejected, why), place)?,
            Item::Unreadable(why) => findings.report(drift(Kind::Unreadable, why), place)?,
            Item::Archived => findings.outcome.archived += 1,
            Item::Skipped(Skip::AfterFence) => findings.outcome.skipped_after_fence += 1,
            Item::Skipped(Skip::Foreign) => foreign(findings, meta.key.clone()),
        }
    }
    Ok(id.map(|id| LakeEntry { id: OrderedId::new(&id), key: meta.key, record: None }))
}

fn id_of(key: &Option<Key>) -> Option<&str> {
    key.as_ref()?.id.as_deref()
}

fn foreign(findings: &mut Findings, key: String) {
    findings.outcome.skipped_foreign += 1;
    findings.outcome.problems.add("skipped", key, "not a name of this lake");
}

impl Votes {
    fn count(&mut self, key: &Key, data: NaiveDate, row_ts: NaiveDate) {
        match (key.day == data, key.day == row_ts) {
            (true, false) => self.data += 1,
            (false, true) => self.row_ts += 1,
            _ => {}
        }
    }
}

impl LakeSide {
    /// The window of the audit on the column that paths follow.
    pub(super) fn window(&self, audit: &Audit) -> Option<warehouse_side::Inside> {
        warehouse_side::Inside::of(&audit.span, self.column)
    }
}
