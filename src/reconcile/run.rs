//! Runs an audit: both sides, the merge, the rechecks, and the natural keys.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;

use super::comparison::Merge;
use super::entries::NaturalKeyEntry;
use super::finding::Finding;
use super::finding_file::DriftWriter;
use super::findings::FindingCollector;
use super::outcome::{Outcome, RunInfo, StoreInfo, TruthCounter};
use super::sorters::Sorters;
use super::truth::{self, Corrected, TruthCheck};
use super::verdict::DriftKind;
use super::warehouse_side::WarehouseScan;
use super::window::AuditWindow;
use super::{Audit, emptiness, lake_side};
use crate::cancellation::CancellationToken;
use crate::outcome::counted;
use crate::progress::Progress;
use crate::sort::Sorted;
use pipeline::lake;
use pipeline::record::Column;
use pipeline::record::row::Value;
use pipeline::warehouse::IdRange;

/// Reason in the outcome of a cancelled audit.
pub(super) const STOPPED: &str = "interrupted: the counts are incomplete";

/// Compares lake and warehouse; findings are written as they are found.
///
/// # Errors
/// Returns an error if a store cannot be read, or if the disk cannot store the sorted entries.
pub async fn run(
    audit: &Audit,
    sink: DriftWriter,
    progress: &Progress,
    cancel: &CancellationToken,
) -> anyhow::Result<(Outcome, DriftWriter)> {
    let started = Instant::now();
    let sorters = Sorters::new(&audit.sort, !audit.truth.files.is_empty())
        .with_context(|| format!("cannot sort in directory {}: set --sort-dir to another", audit.sort.dir.display()))?;
    let truth_data = truth::read(&audit.truth, &sorters, progress)?;
    let schema = audit.warehouse.table_schema().await?;
    let status = audit.warehouse.status().await?;
    let Some(()) = cancel.run_until_cancelled(emptiness::refuse_warehouse(audit, &schema)).await.transpose()? else {
        return Ok((Outcome { stopped: Some(STOPPED.into()), ..Outcome::default() }, sink));
    };
    let outcome = Outcome {
        lake: audit.lake.address(),
        warehouse: audit.warehouse.address(),
        server: status.version,
        stores: StoreInfo::of(&schema, status.settings),
        run: RunInfo::begin(),
        quick: audit.quick,
        listing: audit.listing.clone(),
        ..Outcome::default()
    };
    let corrected = truth_data.as_ref().map(|data| data.corrected.clone()).unwrap_or_default();
    let truth_check =
        truth_data.map(|data| TruthCheck::new(data, &audit.truth, &audit.span, sorters.clone())).transpose()?;
    let mut findings = FindingCollector::new(outcome, sink, sorters.clone())?;
    let windows = AuditWindow::windows(&audit.span);
    let (warehouse, dir) = (Arc::clone(&audit.warehouse), audit.sort.dir.clone());
    let scan = WarehouseScan::begin(warehouse, schema, IdRange::default(), windows, dir);
    let compared = async {
        let lake = lake_side::read(audit, None, sorters.lake()?, &mut findings, progress, cancel).await?;
        if lake.stopped {
            return Ok(false);
        }
        let inside = AuditWindow::of(&audit.span, lake.votes);
        findings.outcome.window_column = inside.as_ref().map_or("", AuditWindow::column).into();
        let stage = progress.stage("warehouse", "rows", status.rows.filter(|_| inside.is_none()));
        let mut rows = scan.into_rows(inside.clone(), sorters.late()?);
        let mut merge = Merge { audit, schema, inside, findings: &mut findings, stage, truth_check };
        let mut ended = merge.run(lake.entries, &mut rows, cancel).await?;
        merge.stage.finish();
        let truth_check = merge.truth_check.take();
        findings.outcome.snapshots = rows.snapshots();
        drop(rows);
        ended &= findings.recheck_all(audit, &schema, progress, cancel).await?;
        if ended {
            let corrections = natural_keys(findings.naturals()?, &corrected, &mut findings)?;
            if let Some(truth_check) = truth_check {
                let truth = truth_check.resolve(audit, &schema, &mut findings, progress, cancel).await?;
                ended = truth.is_some();
                findings.outcome.truth = truth.map(|mut truth| {
                    truth[TruthCounter::Corrections] = corrections;
                    truth
                });
            }
        }
        anyhow::Ok(ended)
    };
    let compared = compared.await;
    let ended = compared.or_else(|e| lost_access(&mut findings.outcome, e))?;
    end(audit, findings, ended, started).await
}

/// Stops an audit that has started to read when its access to the lake ends, as with expired credentials.
///
/// # Errors
/// Returns any other error.
fn lost_access(outcome: &mut Outcome, e: anyhow::Error) -> anyhow::Result<bool> {
    let lost = e.downcast_ref::<lake::Error>().is_some_and(lake::Error::ends_access);
    // Without a cutoff the lake was never reached.
    if !lost || outcome.cutoff.is_none() {
        return Err(e);
    }
    outcome.stopped = Some(format!("{e}: then run the audit again; the counts are incomplete"));
    Ok(false)
}

/// Completes an audit: sets the reason of an early stop, or runs the final checks, and derives values from the counts.
pub(super) async fn end(
    audit: &Audit,
    findings: FindingCollector,
    ended: bool,
    started: Instant,
) -> anyhow::Result<(Outcome, DriftWriter)> {
    let limit_reached = !ended && findings.reached_limit(audit);
    let (mut outcome, sink) = findings.into_parts();
    if limit_reached {
        outcome.halted = audit.halt_after.map(|max| {
            format!("by --halt-after after {}: the counts cover only a part", counted(max, "finding", "findings"))
        });
    } else if !ended {
        outcome.stopped.get_or_insert_with(|| STOPPED.into());
    }
    outcome.seconds = started.elapsed().as_secs_f64();
    if ended {
        outcome.check()?;
        emptiness::refuse_nothing_judged(audit, &outcome).await?;
        outcome.find_gaps();
    }
    outcome.finalize();
    Ok((outcome, sink))
}

/// Finds ids with the same natural key. Each one after the first is a finding, unless the truth shows that one of the
/// two is a correction; these are counted.
pub(super) fn natural_keys(
    entries: Sorted<NaturalKeyEntry>,
    corrected: &Corrected,
    findings: &mut FindingCollector,
) -> anyhow::Result<u64> {
    let (mut first, mut corrections): (Option<NaturalKeyEntry>, u64) = (None, 0);
    let mut last = None;
    for entry in entries {
        let entry = entry.context("natural keys cannot be read back from disk")?;
        let this = (entry.hash, entry.id.clone());
        if last.as_ref() == Some(&this) {
            continue; // reported by two parts of an audit
        }
        last = Some(this);
        match &first {
            Some(first) if first.hash == entry.hash && first.id != entry.id => {
                if corrected.has(&first.id) || corrected.has(&entry.id) {
                    corrections += 1;
                    continue;
                }
                let id = entry.id.text();
                let finding = Finding::new(DriftKind::LogicalDuplicate, id.as_ref(), entry.key.clone())
                    .with_field(Column::IdTreatedData, Value::Text(id.to_string()), Value::Null)
                    .with_reason(format!("{} has the same farm, pen, lot and time", first.id));
                findings.report(finding, None)?;
            }
            _ => first = Some(entry),
        }
    }
    Ok(corrections)
}
