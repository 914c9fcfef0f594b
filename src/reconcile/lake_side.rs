//! The lake's side of an audit: read everything once, count what cannot be judged, sort the rest by id.

use std::sync::Arc;

use anyhow::Context as _;
use futures::stream::{self, StreamExt};

use super::entries::{Held, LakeEntry};
use super::finding::Finding;
use super::findings::{FindingCollector, FindingDay};
use super::verdict::{Counter, Kind};
use super::window::Votes;
use super::{Audit, emptiness};
use crate::outcome::Counter as _;
use crate::progress::Progress;
use crate::reader::cache::Cache;
use crate::reader::{Cutoff, Found, Item, ReadSettings, Reader, Skip, Step};
use crate::sort::{OrderedId, Sorted, Sorter};
use crate::stop::Stop;
use pipeline::lake::{self, Depth, Key, Reason, Span, look_up, survey};
use pipeline::record::Record;

/// Objects of a day that are asked what their path follows.
const VOTERS: usize = 20;
/// Days that are asked where the window's own do not tell.
const SAMPLES: usize = 16;

/// What was read of the lake, in the order of ids.
pub(super) struct LakeSide {
    pub entries: Sorted<LakeEntry>,
    /// What the paths of older names follow.
    pub votes: Votes,
    /// The wish to stop came while reading.
    pub stopped: bool,
}

/// Objects that could not be read, looked at again together.
const DOUBTS: usize = 500;

/// Reads the lake's side.
pub(super) async fn read(
    audit: &Audit,
    mut sorter: Sorter<LakeEntry>,
    findings: &mut FindingCollector,
    progress: &Progress,
    stop: &Stop,
) -> anyhow::Result<LakeSide> {
    const FULL: &str = "cannot sort lake records on disk: set --sort-dir to a directory with free space";
    let cutoff = Cutoff::of(&*audit.lake).await?;
    findings.outcome.fence = Some(cutoff.instant());
    let wide = if audit.span.is_everything() { audit.span.clone() } else { audit.span.widened(1) };
    let found = survey(&*audit.lake, &wide).await?;
    emptiness::refuse_lake(audit, &wide, &found).await?;
    let mut reader = Reader::new(Arc::clone(&audit.lake), ReadSettings { concurrency: audit.reads, cutoff });
    if audit.quick {
        reader = reader.by_name();
    }
    let cache = open_cache(audit, cutoff)?;
    reader = reader.recalling(cache.clone());
    let stage = progress.stage("lake", None);
    let (days, mut closed) = (found.days().len(), 0);
    for stray in found.strays {
        findings.outcome[Counter::LakeObjects] += 1;
        skipped(findings, stray.key, Skip::Foreign);
    }
    let mut taking = Taking { audit, findings, votes: Votes::default(), doubts: Vec::new() };
    let (mut read, mut stopped) = (std::pin::pin!(reader.read(found.partitions)), false);
    while let Some(step) = read.next().await {
        if stop.is_set() || taking.findings.is_hopeless(audit) {
            stopped = true;
            break;
        }
        match step? {
            Step::Found(found) => {
                stage.add(1);
                if let Some(entry) = taking.take(*found)? {
                    sorter.push(entry).context(FULL)?;
                }
            }
            Step::Closed(_) => {
                closed += 1;
                stage.share(f64::from(closed) / days as f64);
            }
        }
        if taking.doubts.len() >= DOUBTS {
            for entry in taking.look_again().await? {
                sorter.push(entry).context(FULL)?;
            }
        }
    }
    if !stopped {
        for entry in taking.look_again().await? {
            sorter.push(entry).context(FULL)?;
        }
    }
    stage.finish();
    taking.findings.outcome.cache = cache.map(|cache| cache.served());
    let mut votes = taking.votes;
    if !stopped && votes.are_silent() && !audit.span.is_everything() {
        votes = learn_elsewhere(audit, cutoff).await?;
    }
    Ok(LakeSide { entries: sorter.done().context(FULL)?, votes, stopped })
}

/// What earlier audits learnt of objects; `None` where no folder is given for it.
fn open_cache(audit: &Audit, cutoff: Cutoff) -> anyhow::Result<Option<Arc<Cache>>> {
    let Some(folder) = &audit.cache else { return Ok(None) };
    let cache = Cache::open(folder, &audit.lake.identity(), cutoff.instant())
        .with_context(|| format!("--cache {} cannot be used: pass a writable directory", folder.display()))?;
    Ok(Some(Arc::new(cache)))
}

/// What the paths of older names follow, learnt from days all over the lake: for a window in which no object tells.
async fn learn_elsewhere(audit: &Audit, cutoff: Cutoff) -> anyhow::Result<Votes> {
    let reader = Reader::new(Arc::clone(&audit.lake), ReadSettings { concurrency: audit.reads, cutoff });
    let everywhere = survey(&*audit.lake, &Span::default()).await?.partitions;
    let apart = (everywhere.len() / SAMPLES).max(1);
    let last = everywhere.last().filter(|_| (everywhere.len() - 1) % apart != 0);
    let mut votes = Votes::default();
    for partition in everywhere.iter().step_by(apart).chain(last) {
        let mut objects = audit.lake.list(&partition.prefix(), Depth::Everything, None).await?.objects;
        objects.retain(|meta| Key::parse(&meta.key).is_some_and(|key| key.id.is_none()));
        objects.truncate(VOTERS);
        let mut read = std::pin::pin!(reader.read_objects(objects));
        while let Some(found) = read.next().await {
            if let Found { key: Some(key), item: Item::Record(record), .. } = found? {
                votes.count(&key, &record);
            }
        }
    }
    Ok(votes)
}

/// Takes objects as they are found: counts what cannot be judged, passes on what has an id.
struct Taking<'a> {
    audit: &'a Audit,
    findings: &'a mut FindingCollector,
    votes: Votes,
    /// Objects that could not be read.
    doubts: Vec<Found>,
}

impl Taking<'_> {
    fn take(&mut self, found: Found) -> anyhow::Result<Option<LakeEntry>> {
        let Found { meta, key, item } = found;
        match item {
            Item::Record(record) => {
                if let Some(key) = &key {
                    self.votes.count(key, &record);
                }
                let id = OrderedId::new(&record.id_treated_data);
                Ok(Some(LakeEntry { id, key: meta.key, held: Held::Record(record) }))
            }
            Item::Unopened => {
                Ok(id_of(&key, |id| LakeEntry { id: OrderedId::new(id), key: meta.key, held: Held::Name }))
            }
            Item::Unreadable(_) => {
                self.doubts.push(Found { meta, key, item });
                Ok(None)
            }
            _ => self.set_aside(Found { meta, key, item }),
        }
    }

    /// Looks again at what could not be read: it may have been deleted or written over meanwhile.
    async fn look_again(&mut self) -> anyhow::Result<Vec<LakeEntry>> {
        let (audit, mut entries) = (self.audit, Vec::new());
        let mut looked = stream::iter(std::mem::take(&mut self.doubts))
            .map(|found| async move {
                let now = audit.lake.get(&found.meta.key).await;
                let gone = now.as_ref().is_err_and(|e| e.reason == Reason::NotFound);
                // A store that goes on listing what it does not give is no store that has deleted it.
                let gone = gone && look_up(&*audit.lake, &found.meta.key).await?.is_none();
                Ok::<_, lake::Error>((now, gone, found))
            })
            .buffered(audit.reads.max(1));
        while let Some(looked) = looked.next().await {
            let (now, gone, Found { meta, key, item }) = looked?;
            if gone {
                self.findings.outcome[Counter::Settled] += 1;
                continue;
            }
            let item = match now.map(|body| Record::parse(&body)) {
                Err(_) => item,
                Ok(Ok(record)) => {
                    self.findings.outcome[Counter::Settled] += 1;
                    Item::Record(Box::new(record))
                }
                Ok(Err(why)) if why.is_unreadable() => Item::Unreadable(why.to_string()),
                Ok(Err(why)) => Item::Rejected(why.to_string()),
            };
            let found = Found { meta, key, item };
            entries.extend(match found.item {
                Item::Record(_) => self.take(found)?,
                _ => self.set_aside(found)?,
            });
        }
        Ok(entries)
    }

    /// Counts an object without a record. Without content, the path says whether it belongs to the audit.
    fn set_aside(&mut self, found: Found) -> anyhow::Result<Option<LakeEntry>> {
        let Found { meta, key, item } = found;
        let findings = &mut *self.findings;
        let is_foreign = matches!(item, Item::Skipped(skip) if !skip.may_be_of_this_lake());
        if id_of(&key, |_| ()).is_none() && !is_foreign {
            findings.outcome[Counter::Nameless] += 1;
        }
        let place = key.as_ref().map(|key| FindingDay { farm: key.farm.clone(), day: key.day });
        let inside = |place: &FindingDay| self.audit.span.has_day(place.day) && self.audit.span.has_farm(&place.farm);
        if place.as_ref().is_none_or(inside) {
            findings.outcome[Counter::LakeObjects] += 1;
            let id = id_of(&key, str::to_owned);
            let finding =
                |kind, why: String| Finding { id, ..Finding::without_id(kind, Some(meta.key.clone())) }.because(why);
            match item {
                Item::Record(_) | Item::Unopened => {}
                Item::Rejected(why) => findings.report(finding(Kind::Rejected, why), place)?,
                Item::Unreadable(why) => findings.report(finding(Kind::Unreadable, why), place)?,
                Item::Archived => {
                    findings.outcome[Counter::Archived] += 1;
                    if let Some(FindingDay { farm, day }) = place {
                        findings.outcome.cell(farm, day).archived += 1;
                    }
                }
                Item::Skipped(skip) => skipped(findings, meta.key.clone(), skip),
            }
        }
        Ok(id_of(&key, |id| LakeEntry { id: OrderedId::new(id), key: meta.key, held: Held::Nothing }))
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
