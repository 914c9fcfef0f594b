//! The audit as a whole: both sides, the merge, the second look, the natural keys.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;

use super::entries::NaturalKeyEntry;
use super::finding::Finding;
use super::finding_file::DriftWriter;
use super::findings::FindingCollector;
use super::merge::Merge;
use super::outcome::{Outcome, RunInfo, StoreInfo, TruthCounter};
use super::sorters::Sorters;
use super::truth::{self, Corrected, TruthCheck};
use super::verdict::DriftKind;
use super::warehouse_side::WarehouseScan;
use super::window::AuditWindow;
use super::{Audit, emptiness, lake_side};
use crate::cancellation::CancellationToken;
use crate::progress::Progress;
use crate::sort::Sorted;
use pipeline::record::Column;
use pipeline::record::row::Value;

/// What is said of an audit that somebody stopped.
const STOPPED: &str = "asked to stop: the counts are those of a part";

/// Audits lake against warehouse; findings go to the sink as they come.
///
/// # Errors
/// A store cannot be read, or the disk cannot hold what is sorted.
pub async fn run(
    audit: &Audit,
    sink: DriftWriter,
    progress: &Progress,
    cancel: &CancellationToken,
) -> anyhow::Result<(Outcome, DriftWriter)> {
    let started = Instant::now();
    let sorters = Sorters::new(&audit.sort, !audit.truth.files.is_empty()).with_context(|| {
        format!("the folder {} cannot be sorted in: give --sort-dir another", audit.sort.dir.display())
    })?;
    let truth_data = truth::read(&audit.truth, &sorters, progress)?;
    let schema = audit.warehouse.table_schema().await?;
    let status = audit.warehouse.status().await?;
    let Some(()) = stop.run_until_cancelled(emptiness::refuse_warehouse(audit, &schema)).await.transpose()? else {
        return Ok((Outcome { stopped: Some(STOPPED.into()), ..Outcome::default() }, sink));
    };
    let outcome = Outcome {
        lake: audit.lake.address(),
        warehouse: audit.warehouse.address(),
        server: status.version,
        stores: StoreInfo::of(&schema, status.settings),
        run: RunInfo::begin()?,
        quick: audit.quick,
        ..Outcome::default()
    };
    let corrected = truth_data.as_ref().map(|told| told.corrected.clone()).unwrap_or_default();
    let truth_check =
        truth_data.map(|told| TruthCheck::new(told, &audit.truth, &audit.span, sorters.clone())).transpose()?;
    let mut findings = FindingCollector::new(outcome, sink, sorters.clone())?;
    let windows = AuditWindow::windows(&audit.span);
    let scan = WarehouseScan::begin(Arc::clone(&audit.warehouse), schema, windows, audit.sort.dir.clone());
    let lake = lake_side::read(audit, sorters.lake()?, &mut findings, progress, stop).await?;
    let mut ended = !lake.stopped;
    if ended {
        let inside = AuditWindow::of(&audit.span, lake.votes);
        findings.outcome.window_column = inside.as_ref().map_or("", AuditWindow::column).into();
        let stage = progress.stage("warehouse", status.rows.filter(|_| inside.is_none()));
        let mut rows = scan.into_rows(inside.clone(), sorters.late()?);
        let mut merge = Merge { audit, schema, inside, findings: &mut findings, stage, truth_check };
        ended = merge.run(lake.entries, &mut rows, stop).await?;
        merge.stage.finish();
        let proof = merge.truth_check.take();
        findings.outcome.snapshots = rows.snapshots();
        drop(rows);
        ended &= findings.recheck_all(audit, &schema, progress, stop).await?;
        if ended {
            let corrections = natural_keys(findings.naturals()?, &corrected, &mut findings)?;
            if let Some(proof) = proof {
                let truth = proof.resolve(audit, &schema, &mut findings, progress, stop).await?;
                ended = truth.is_some();
                findings.outcome.truth = truth.map(|mut truth| {
                    truth[TruthCounter::Corrections] = corrections;
                    truth
                });
            }
        }
    }
    end(audit, findings, ended, started).await
}

/// Ends an audit: why it did not come to its end, or the checks of one that did, and what follows from the counts.
async fn end(
    audit: &Audit,
    findings: FindingCollector,
    ended: bool,
    started: Instant,
) -> anyhow::Result<(Outcome, DriftWriter)> {
    let hopeless = !ended && findings.reached_limit(audit);
    let (mut outcome, sink) = findings.into_parts();
    if hopeless {
        outcome.halted = audit
            .halt_after
            .map(|max| format!("after {max} findings, as --halt-after asks: the counts are those of a part"));
    } else if !ended {
        outcome.stopped = Some(STOPPED.into());
    }
    outcome.seconds = begun.elapsed().as_secs_f64();
    if ended {
        outcome.check()?;
        emptiness::refuse_nothing_judged(audit, &outcome).await?;
        outcome.find_gaps();
    }
    outcome.finalize();
    Ok((outcome, sink))
}

/// Ids that share a natural key: each one after the first is a finding, but where the truth tells that one of both is a
/// correction; how often it does.
fn natural_keys(
    entries: Sorted<NaturalKeyEntry>,
    corrected: &Corrected,
    findings: &mut FindingCollector,
) -> anyhow::Result<u64> {
    let (mut first, mut corrections): (Option<NaturalKeyEntry>, u64) = (None, 0);
    for entry in entries {
        let entry = entry.context("natural keys cannot be read back from disk")?;
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
