//! Lake side of an audit: reads everything once, counts objects that cannot be compared, and sorts the rest by id.

use std::sync::Arc;

use anyhow::Context as _;
use futures::stream::{self, StreamExt};

use super::audit_shard::AuditShard;
use super::entries::{LakeEntry, ObjectState};
use super::finding::Finding;
use super::findings::{FindingCollector, FindingDay};
use super::verdict::{Counter, DriftKind};
use super::window::PathDateVotes;
use super::{Audit, emptiness};
use crate::cancellation::CancellationToken;
use crate::outcome::Counter as _;
use crate::parts::Parts;
use crate::progress::Progress;
use crate::reader::cache::Cache;
use crate::reader::{Cutoff, ObjectContent, ReadEvent, ReadObject, ReadSettings, Reader, Skip};
use crate::sort::{OrderedId, Sorted, Sorter};
use pipeline::lake::{self, Depth, Key, PartitionScan, Reason, Span, head, scan_partitions};
use pipeline::record::{MAX_OBJECT_BYTES, Record};

/// Objects per day that are examined for the date in their path.
const VOTERS: usize = 20;
/// Days that are examined if the window's own days are not conclusive.
const SAMPLES: usize = 16;

/// Content of the lake in id order.
pub(super) struct LakeSide {
    pub entries: Sorted<LakeEntry>,
    /// Which date the paths of legacy names follow.
    pub votes: PathDateVotes,
    /// Number of listed objects.
    pub listed: u64,
    /// True if the audit was cancelled while reading.
    pub stopped: bool,
}

/// Unreadable objects that are retried together.
const RETRIES_AT_ONCE: usize = 500;

/// Error of a full disk.
const FULL: &str = "cannot sort lake records on disk: set --sort-dir to a directory with free space";

/// Reads the lake side of an audit, or of a shard of it.
pub(super) async fn read(
    audit: &Audit,
    shard: Option<&AuditShard>,
    mut sorter: Sorter<LakeEntry>,
    findings: &mut FindingCollector,
    progress: &Progress,
    cancel: &CancellationToken,
) -> anyhow::Result<LakeSide> {
    let Some(opened) = cancel.run_until_cancelled(Opened::of(audit, shard)).await.transpose()? else {
        let entries = sorter.finish().context(FULL)?;
        return Ok(LakeSide { entries, votes: PathDateVotes::default(), listed: 0, stopped: true });
    };
    let Opened { cutoff, reader, found, cache, parts } = opened;
    findings.outcome.cutoff = Some(cutoff.instant());
    let stage = progress.stage("lake", "objects", None);
    let unrecognized = &found.unrecognized;
    let (days, mut closed, mut listed) = (found.days().len(), 0, unrecognized.count() + unrecognized.folder_markers());
    unrecognized.keys().for_each(|key| skipped(findings, key.to_owned(), Skip::Unrecognized));
    findings.outcome[Counter::LakeObjects] += unrecognized.count() + unrecognized.folder_markers();
    findings.outcome[Skip::FolderMarker] += unrecognized.folder_markers();
    findings.outcome[Skip::Unrecognized] += unrecognized.unnamed();
    findings.outcome.problems.add_unnamed("skipped", unrecognized.unnamed());
    let mut collector = LakeCollector { audit, findings, votes: PathDateVotes::default(), to_retry: Vec::new() };
    let mut read = std::pin::pin!(reader.read(found.partitions));
    let mut cancelled = std::pin::pin!(cancel.cancelled());
    let mut stopped;
    loop {
        // Cancellation has a timer, so it is only polled while no object is ready.
        let step = tokio::select! {
            biased;
            step = read.next() => step,
            () = &mut cancelled => None,
        };
        stopped = cancel.is_cancelled() || collector.findings.reached_limit(audit);
        let Some(step) = step.filter(|_| !stopped) else { break };
        match step? {
            ReadEvent::Object(found) => {
                stage.add(1);
                listed += 1;
                if let Some(entry) = collector.take(*found)? {
                    sorter.push(entry).context(FULL)?;
                }
            }
            ReadEvent::DayComplete(_) => {
                closed += 1;
                stage.set_fraction(f64::from(closed) / days as f64);
            }
        }
        if collector.to_retry.len() >= RETRIES_AT_ONCE {
            for entry in collector.retry_unreadable().await? {
                sorter.push(entry).context(FULL)?;
            }
        }
    }
    if !stopped {
        for entry in collector.retry_unreadable().await? {
            sorter.push(entry).context(FULL)?;
        }
    }
    stage.finish();
    collector.findings.outcome.cache = cache.map(|cache| cache.stats());
    collector.findings.outcome.from_parts = parts.map(|parts| parts.stats());
    let mut votes = collector.votes;
    if !stopped && votes.is_empty() && !audit.span.is_everything() && shard.is_none() {
        votes = sample_path_dates(audit, cutoff).await?;
    }
    Ok(LakeSide { entries: sorter.finish().context(FULL)?, votes, listed, stopped })
}

/// The lake of an audit, or of a shard of it, before its objects are read.
struct Opened {
    cutoff: Cutoff,
    reader: Reader,
    found: PartitionScan,
    cache: Option<Arc<Cache>>,
    parts: Option<Arc<Parts>>,
}

impl Opened {
    async fn of(audit: &Audit, shard: Option<&AuditShard>) -> anyhow::Result<Self> {
        let cutoff = match shard {
            None => Cutoff::of(&*audit.lake).await?,
            Some(shard) => shard.cutoff(&*audit.lake).await?,
        };
        let (reader, found) = reader_of(audit, shard, cutoff).await?;
        let cache = open_cache(audit, cutoff)?;
        let parts = Parts::open(&*audit.lake, audit.parts).await?;
        let reader = reader.with_cache(cache.clone()).with_parts(parts.clone());
        Ok(Self { cutoff, reader, found, cache, parts })
    }
}

/// Returns the reader of an audit or a shard of it, and the partitions that it reads.
///
/// # Errors
/// Returns an error if the lake cannot be listed, or if it is empty although this is not accepted.
async fn reader_of(
    audit: &Audit,
    shard: Option<&AuditShard>,
    cutoff: Cutoff,
) -> anyhow::Result<(Reader, PartitionScan)> {
    let wide = if audit.span.is_everything() { audit.span.clone() } else { audit.span.widened(1) };
    let reader = Reader::new(Arc::clone(&audit.lake), ReadSettings { concurrency: audit.reads, cutoff });
    let reader = if audit.quick { reader.ids_only() } else { reader };
    match shard {
        None => {
            let found = scan_partitions(&*audit.lake, &wide).await?;
            emptiness::refuse_lake(audit, &wide, &found).await?;
            Ok((reader, found))
        }
        Some(shard) => {
            let range = shard.range.clone();
            let reader = reader.filtered(move |object| range.has_object(&object.key));
            Ok((reader, shard.scan(&*audit.lake, &wide).await?))
        }
    }
}

/// Opens the cache of earlier audits' objects; `None` if no directory is configured.
fn open_cache(audit: &Audit, cutoff: Cutoff) -> anyhow::Result<Option<Arc<Cache>>> {
    let Some(dir) = &audit.cache else { return Ok(None) };
    let cache = Cache::open(dir, &audit.lake.identity(), cutoff.instant())
        .with_context(|| format!("--cache {} cannot be used: pass a writable directory", dir.display()))?;
    Ok(Some(Arc::new(cache)))
}

/// Determines which date the paths of legacy names follow from days of the complete lake; used if the window's objects
/// are not conclusive.
pub(super) async fn sample_path_dates(audit: &Audit, cutoff: Cutoff) -> anyhow::Result<PathDateVotes> {
    let reader = Reader::new(Arc::clone(&audit.lake), ReadSettings { concurrency: audit.reads, cutoff });
    let everywhere = scan_partitions(&*audit.lake, &Span::default()).await?.partitions;
    let distance = (everywhere.len() / SAMPLES).max(1);
    let last = everywhere.last().filter(|_| (everywhere.len() - 1) % distance != 0);
    let mut votes = PathDateVotes::default();
    for partition in everywhere.iter().step_by(distance).chain(last) {
        let mut objects = audit.lake.list(&partition.prefix(), Depth::Recursive, None).await?.objects;
        objects.retain(|meta| Key::parse(&meta.key).is_some_and(|key| key.id.is_none()));
        objects.truncate(VOTERS);
        let mut read = std::pin::pin!(reader.read_objects(objects));
        while let Some(found) = read.next().await {
            if let ReadObject { key: Some(key), item: ObjectContent::Record(record), .. } = found? {
                votes.count(&key, &record);
            }
        }
    }
    Ok(votes)
}

/// Collects objects: counts those that cannot be compared, and passes on those with an id.
struct LakeCollector<'a> {
    audit: &'a Audit,
    findings: &'a mut FindingCollector,
    votes: PathDateVotes,
    /// Objects that could not be read.
    to_retry: Vec<ReadObject>,
}

impl LakeCollector<'_> {
    fn take(&mut self, found: ReadObject) -> anyhow::Result<Option<LakeEntry>> {
        let ReadObject { meta, key, item } = found;
        match item {
            ObjectContent::Record(record) => {
                if let Some(key) = &key {
                    self.votes.count(key, &record);
                }
                let id = OrderedId::new(&record.id_treated_data);
                Ok(Some(LakeEntry { id, key: meta.key, state: ObjectState::Record(record) }))
            }
            ObjectContent::Unopened => {
                Ok(id_of(&key, |id| LakeEntry { id: OrderedId::new(id), key: meta.key, state: ObjectState::IdOnly }))
            }
            ObjectContent::Unreadable(_) => {
                self.to_retry.push(ReadObject { meta, key, item });
                Ok(None)
            }
            _ => self.count_skipped(ReadObject { meta, key, item }),
        }
    }

    /// Retries unreadable objects, which may have been deleted or overwritten in the meantime.
    async fn retry_unreadable(&mut self) -> anyhow::Result<Vec<LakeEntry>> {
        let (audit, mut entries) = (self.audit, Vec::new());
        let mut looked = stream::iter(std::mem::take(&mut self.to_retry))
            .map(|found| async move {
                let now = audit.lake.get_within(&found.meta.key, MAX_OBJECT_BYTES).await;
                let gone = now.as_ref().is_err_and(|e| e.reason == Reason::NotFound);
                // An object that is still listed but returns not found is unreadable, not deleted.
                let gone = gone && head(&*audit.lake, &found.meta.key).await?.is_none();
                Ok::<_, lake::Error>((now, gone, found))
            })
            .buffered(audit.reads.max(1));
        while let Some(looked) = looked.next().await {
            let (now, gone, ReadObject { meta, key, item }) = looked?;
            if gone {
                self.findings.outcome[Counter::ResolvedOnRecheck] += 1;
                continue;
            }
            let item = match now.map(|body| Record::parse(&body)) {
                Err(e) if e.ends_access() => return Err(e.into()),
                Err(_) => item,
                Ok(Ok(record)) => {
                    self.findings.outcome[Counter::ResolvedOnRecheck] += 1;
                    ObjectContent::Record(Box::new(record))
                }
                Ok(Err(why)) if why.is_unreadable() => ObjectContent::Unreadable(why.to_string()),
                Ok(Err(why)) => ObjectContent::Rejected(why.to_string()),
            };
            let found = ReadObject { meta, key, item };
            entries.extend(match found.item {
                ObjectContent::Record(_) => self.take(found)?,
                _ => self.count_skipped(found)?,
            });
        }
        Ok(entries)
    }

    /// Counts an object without a record. Without content, the path determines if it belongs to the audit.
    fn count_skipped(&mut self, found: ReadObject) -> anyhow::Result<Option<LakeEntry>> {
        let ReadObject { meta, key, item } = found;
        let findings = &mut *self.findings;
        let is_foreign = matches!(item, ObjectContent::Skipped(skip) if !skip.may_be_of_this_lake());
        if id_of(&key, |_| ()).is_none() && !is_foreign {
            findings.outcome[Counter::Unidentified] += 1;
        }
        let place = key.as_ref().map(|key| FindingDay { farm: key.farm.clone(), day: key.day });
        let inside = |place: &FindingDay| self.audit.span.has_day(place.day) && self.audit.span.has_farm(&place.farm);
        if place.as_ref().is_none_or(inside) {
            findings.outcome[Counter::LakeObjects] += 1;
            let id = id_of(&key, str::to_owned);
            let finding = |kind, why: String| {
                Finding { id, ..Finding::without_id(kind, Some(meta.key.clone())) }.with_reason(why)
            };
            match item {
                ObjectContent::Record(_) | ObjectContent::Unopened => {}
                ObjectContent::Rejected(why) => findings.report(finding(DriftKind::Rejected, why), place)?,
                ObjectContent::Unreadable(why) => findings.report(finding(DriftKind::Unreadable, why), place)?,
                ObjectContent::Archived => {
                    findings.outcome[Counter::Archived] += 1;
                    if let Some(FindingDay { farm, day }) = place {
                        findings.outcome.cell(farm, day).archived += 1;
                    }
                }
                ObjectContent::Skipped(skip) => skipped(findings, meta.key.clone(), skip),
            }
        }
        Ok(id_of(&key, |id| LakeEntry { id: OrderedId::new(id), key: meta.key, state: ObjectState::Unavailable }))
    }
}

fn id_of<T>(key: &Option<Key>, then: impl FnOnce(&str) -> T) -> Option<T> {
    key.as_ref()?.id.as_deref().map(then)
}

fn skipped(findings: &mut FindingCollector, key: String, skip: Skip) {
    findings.outcome[skip] += 1;
    if skip.spec().role.is_finding() {
        findings.outcome.problems.add("skipped", key, skip.reason());
    }
}
