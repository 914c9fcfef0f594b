//! Combines the shards of an audit: joins the evidence that they deferred, rechecks it, and concludes.

use std::collections::HashSet;
use std::time::Instant;

use anyhow::Context as _;
use chrono::{DateTime, Utc};

use super::naturals;
use super::withdrawn::{Contested, Withdrawn};
use crate::cancellation::CancellationToken;
use crate::exchange::ExchangeReader;
use crate::job_range::IdLimits;
use crate::progress::Progress;
use crate::reader::Cutoff;
use crate::reconcile::comparison::Merge;
use crate::reconcile::deferred::{FindingEntry, NaturalFilter, RecheckedEntry, decode, stream};
use crate::reconcile::entries::{LakeEntry, ObjectState, SpooledRow, WarehouseEntry};
use crate::reconcile::finding_file::DriftWriter;
use crate::reconcile::findings::{FindingCollector, FindingDay};
use crate::reconcile::outcome::{RunInfo, StoreInfo};
use crate::reconcile::recheck::agrees;
use crate::reconcile::run::{end, natural_keys};
use crate::reconcile::sorters::{FULL, Sorters};
use crate::reconcile::truth::Corrected;
use crate::reconcile::warehouse_side::RowStream;
use crate::reconcile::window::{AuditWindow, PathDateVotes};
use crate::reconcile::{Audit, Outcome, lake_side};
use crate::sort::{OrderedId, Sorter};
use pipeline::record::row::TableSchema;

/// All shards of an audit.
pub struct Shards<'a> {
    /// Ids of the shards, in ascending order and without gaps.
    pub ranges: Vec<IdLimits>,
    /// Entries that the shards deferred.
    pub exchange: &'a dyn ExchangeReader,
    /// Cutoff of the audit.
    pub cutoff: DateTime<Utc>,
    /// Number of snapshots that were lost.
    pub lost_snapshots: u64,
}

impl Shards<'_> {
    fn numbers(&self) -> Vec<u32> {
        (0..).take(self.ranges.len()).collect()
    }
}

/// Concludes an audit whose shards are all complete.
///
/// # Errors
/// Returns an error if a store cannot be read, if the entries of a shard are not those that it wrote, or if the disk
/// cannot store them.
pub async fn combine(
    audit: &Audit,
    shards: &Shards<'_>,
    sink: DriftWriter,
    progress: &Progress,
    cancel: &CancellationToken,
) -> anyhow::Result<(Outcome, DriftWriter)> {
    let started = Instant::now();
    let sorters = Sorters::new(&audit.sort, false)
        .with_context(|| format!("cannot sort in directory {}: set --sort-dir to another", audit.sort.dir.display()))?;
    let schema = audit.warehouse.table_schema().await?;
    let status = audit.warehouse.status().await?;
    let outcome = Outcome {
        lake: audit.lake.address(),
        warehouse: audit.warehouse.address(),
        server: status.version,
        stores: StoreInfo::of(&schema, status.settings),
        run: RunInfo::begin(),
        quick: audit.quick,
        cutoff: Some(shards.cutoff),
        snapshots: 1 + shards.lost_snapshots,
        ..Outcome::default()
    };
    let filter = NaturalFilter::new(shards.ranges.clone());
    let findings = FindingCollector::new(outcome, sink, sorters.clone())?.with_natural_filter(filter);
    let mut combined = Combined { audit, shards, schema, findings, sorters };
    let ended = combined.run(progress, cancel).await?;
    end(audit, combined.findings, ended, started).await
}

/// Evidence of all shards.
struct Combined<'a> {
    audit: &'a Audit,
    shards: &'a Shards<'a>,
    schema: TableSchema,
    findings: FindingCollector,
    sorters: Sorters,
}

/// Evidence of both sides that must be compared.
struct Evidence {
    objects: Sorter<LakeEntry>,
    rows: Sorter<WarehouseEntry>,
    /// Ids whose result was withdrawn.
    withdrawn: HashSet<[u8; 16]>,
    votes: PathDateVotes,
}

impl Combined<'_> {
    /// Concludes; returns true if it reached the end.
    async fn run(&mut self, progress: &Progress, cancel: &CancellationToken) -> anyhow::Result<bool> {
        let (audit, schema) = (self.audit, self.schema);
        let Evidence { objects, rows, withdrawn, mut votes } = self.join().await?;
        if votes.is_empty() && !audit.span.is_everything() {
            let cutoff = Cutoff::at(audit.lake.clock().await?).resumed(self.shards.cutoff);
            votes = lake_side::sample_path_dates(audit, cutoff).await?;
        }
        let inside = AuditWindow::of(&audit.span, votes);
        self.findings.outcome.window_column = inside.as_ref().map_or("", AuditWindow::column).into();
        let mut rows = RowStream::of_sorted(rows.finish().context(FULL)?, inside.clone());
        let stage = progress.stage("shards", "ids", None);
        let mut merge = Merge { audit, schema, inside, findings: &mut self.findings, stage, truth_check: None };
        let ended = merge.run(objects.finish().context(FULL)?, &mut rows, cancel).await?;
        merge.stage.finish();
        drop(rows);
        if !ended || !self.findings.recheck_all(audit, &schema, progress, cancel).await? {
            return Ok(false);
        }
        self.findings_of_objects().await?;
        let (numbers, exchange) = (self.shards.numbers(), self.shards.exchange);
        let entries = naturals::with_judged(&mut self.findings, &numbers, exchange, &withdrawn).await?;
        natural_keys(entries, &Corrected::default(), &mut self.findings)?;
        Ok(true)
    }

    /// Joins the evidence that the shards deferred, and that of contested ids.
    async fn join(&mut self) -> anyhow::Result<Evidence> {
        let (shards, numbers) = (self.shards, self.shards.numbers());
        let mut contested = Contested::default();
        let (mut objects, mut rows) = (self.sorters.lake().context(FULL)?, self.sorters.rows().context(FULL)?);
        let mut object = |shard: u32, entry: &[u8]| {
            let entry: LakeEntry = decode(entry)?;
            contested.add(shard, &entry.id, &shards.ranges);
            objects.push(entry).context(FULL)
        };
        shards.exchange.read(stream::OBJECTS, &numbers, &mut object).await?;
        let mut row = |_: u32, entry: &[u8]| {
            let row: SpooledRow = decode(entry)?;
            rows.push(WarehouseEntry { id: OrderedId::new(row.0.id()), row }).context(FULL)
        };
        shards.exchange.read(stream::ROWS, &numbers, &mut row).await?;
        let outcome = &mut self.findings.outcome;
        let withdrawn = contested.resolve(self.audit, &numbers, shards.exchange, outcome).await?;
        let Withdrawn { objects: of_lake, rows: of_warehouse, ids, votes } = withdrawn;
        of_lake.into_iter().try_for_each(|entry| objects.push(entry)).context(FULL)?;
        of_warehouse.into_iter().try_for_each(|entry| rows.push(entry)).context(FULL)?;
        let mut evidence = Evidence { objects, rows, withdrawn: ids, votes };
        self.rechecked(&contested, &mut evidence).await?;
        Ok(evidence)
    }

    /// Counts the ids that agreed when a shard rechecked them. The evidence of all others is joined, so that they are compared
    /// and rechecked now: contested ids with that of other shards, and differences because they may have been repaired since.
    async fn rechecked(&mut self, contested: &Contested, evidence: &mut Evidence) -> anyhow::Result<()> {
        let (audit, schema, findings) = (self.audit, &self.schema, &mut self.findings);
        let Evidence { objects, rows, .. } = evidence;
        let mut each = |shard: u32, entry: &[u8]| {
            let RecheckedEntry { candidate, observation } = decode(entry)?;
            let id = OrderedId::new(&candidate.id);
            if !contested.has(shard, &id) && agrees(audit, schema, &observation) {
                return findings.resolve_candidate(audit, schema, &candidate, observation);
            }
            let mut record = candidate.record;
            for key in candidate.keys {
                let state = record.take().map_or(ObjectState::IdOnly, |record| ObjectState::Record(Box::new(record)));
                objects.push(LakeEntry { id: id.clone(), key, state }).context(FULL)?;
            }
            candidate.row.map_or(Ok(()), |row| rows.push(WarehouseEntry { id, row }).context(FULL))
        };
        self.shards.exchange.read(stream::RECHECKED, &self.shards.numbers(), &mut each).await
    }

    /// Reports the findings about objects without a record.
    async fn findings_of_objects(&mut self) -> anyhow::Result<()> {
        let findings = &mut self.findings;
        let mut each = |_: u32, entry: &[u8]| {
            let FindingEntry { finding, place } = decode(entry)?;
            findings.report(finding, place.map(|(farm, day)| FindingDay { farm, day }))
        };
        self.shards.exchange.read(stream::FINDINGS, &self.shards.numbers(), &mut each).await
    }
}
