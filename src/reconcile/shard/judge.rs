//! Runs a shard of an audit: reads its range of both sides, and compares the ids for which it has all evidence.

use std::sync::Arc;

use anyhow::Context as _;

use super::{AuditShard, Counted, Judged, ShardCounts};
use crate::cancellation::CancellationToken;
use crate::exchange::ExchangeWriter;
use crate::progress::Progress;
use crate::reconcile::comparison::Merge;
use crate::reconcile::deferred::Deferred;
use crate::reconcile::findings::FindingCollector;
use crate::reconcile::sorters::{FULL, Sorters};
use crate::reconcile::warehouse_side::WarehouseScan;
use crate::reconcile::window::AuditWindow;
use crate::reconcile::{Audit, Outcome, lake_side};

/// Runs a shard of an audit, and writes its counts and deferred entries to `to`. `None` if it was cancelled.
///
/// # Errors
/// Returns an error if a store cannot be read, or if the disk cannot store the entries.
pub async fn judge_shard(
    audit: &Audit,
    shard: &AuditShard,
    to: Box<dyn ExchangeWriter>,
    progress: &Progress,
    cancel: &CancellationToken,
) -> anyhow::Result<Option<Judged>> {
    let sorters = Sorters::new(&audit.sort, false)
        .with_context(|| format!("cannot sort in directory {}: set --sort-dir to another", audit.sort.dir.display()))?;
    let schema = audit.warehouse.table_schema().await?;
    let sorts = (sorters.findings().context(FULL)?, sorters.naturals().context(FULL)?);
    let deferred = Deferred::new(to, shard.range.ids, sorts);
    let empty = || Outcome { cutoff: Some(shard.cutoff), quick: audit.quick, ..Outcome::default() };
    let mut findings = FindingCollector::of_shard(empty(), sorters.clone(), deferred)?;
    let (warehouse, dir) = (Arc::clone(&audit.warehouse), audit.sort.dir.clone());
    let windows = AuditWindow::windows(&audit.span);
    let scan = WarehouseScan::begin(warehouse, schema, shard.range.ids.of_rows(), windows, dir);
    let lake = lake_side::read(audit, Some(shard), sorters.lake()?, &mut findings, progress, cancel).await?;
    if lake.stopped {
        return Ok(None);
    }
    let mut read = std::mem::replace(&mut findings.outcome, empty());
    let from_parts = read.from_parts.take();
    let inside = AuditWindow::undecided(&audit.span);
    let mut rows = scan.into_rows(inside.clone(), sorters.late()?);
    let stage = progress.stage("warehouse", "rows", None);
    let mut merge = Merge { audit, schema, inside, findings: &mut findings, stage, truth_check: None };
    let ended = merge.run(lake.entries, &mut rows, cancel).await?;
    merge.stage.finish();
    let snapshots = rows.snapshots();
    drop(rows);
    if !ended || !findings.recheck_all(audit, &schema, progress, cancel).await? {
        return Ok(None);
    }
    let (judged, deferred) = findings.into_part();
    let counted = serde_json::to_vec(&Counted { read, judged, votes: lake.votes })?;
    let left = deferred.map(|deferred| deferred.finish(&counted)).transpose().context(FULL)?.unwrap_or_default();
    Ok(Some(Judged { counts: ShardCounts { listed: lake.listed, left }, snapshots, from_parts }))
}
