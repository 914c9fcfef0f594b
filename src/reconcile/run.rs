//! The audit as a whole: both sides, the merge, the second look, the natural keys.

use std::sync::Arc;
use std::time::Instant;

use super::drift::{Drift, Kind, Sink};
use super::entries::{NaturalEntry, RUN};
use super::findings::Findings;
use super::merge::Merge;
use super::warehouse_side::Rows;
use super::{Audit, lake_side};
use crate::progress::Progress;
use crate::report::reconcile::Outcome;
use crate::sort::Sorter;
use crate::stop::Stop;

/// Audits lake against warehouse; findings go to the sink as they come.
///
/// # Errors
/// A store cannot be read, or the disk cannot hold the sorted lake side.
pub async fn run(audit: &Audit, sink: Sink, progress: &Progress, stop: &Stop) -> anyhow::Result<(Outcome, Sink)> {
    let begun = Instant::now();
    let shape = audit.warehouse.shape().await?;
    let status = audit.warehouse.status().await?;
    let outcome = Outcome {
        lake: audit.lake.address(),
        warehouse: audit.warehouse.address(),
        server: status.version,
        ..Outcome::default()
    };
    let mut findings = Findings::new(outcome, sink);
    let lake = lake_side::read(audit, &mut findings, progress, stop).await?;
    let mut ended = !lake.stopped;
    if ended {
        findings.outcome.window_column = lake.column.name();
        let inside = lake.window(audit);
        let rows = Rows::new(Arc::clone(&audit.warehouse), shape, inside.clone());
        let stage = progress.stage("warehouse", status.rows.filter(|_| inside.is_none()));
        let mut merge = Merge { audit, shape, inside, findings: &mut findings, naturals: Sorter::new(RUN), stage };
        ended = merge.run(lake, rows, stop).await?;
        let Merge { naturals, stage, .. } = merge;
        stage.finish();
        findings.recheck(audit, &shape).await?;
        if ended {
            natural_keys(naturals, &mut findings)?;
        }
    }
    let (mut outcome, sink) = findings.into_parts()?;
    if !ended {
        outcome.stopped = Some("asked to stop: the counts are those of a part".into());
    }
    outcome.seconds = begun.elapsed().as_secs_f64();
    if ended {
        outcome.check()?;
    }
    Ok((outcome, sink))
}

/// Ids that share a natural key: each one after the first is a finding.
fn natural_keys(naturals: Sorter<NaturalEntry>, findings: &mut Findings) -> anyhow::Result<()> {
    let mut first: Option<NaturalEntry> = None;
    for entry in naturals.done()? {
        let entry = entry?;
        match &first {
            Some(first) if first.hash == entry.hash && first.id != entry.id => {
                let drift = Drift::new(Kind::LogicalDuplicate, &entry.id, entry.key.clone())
                    .with_field("id_treated_data", entry.id.clone().into(), serde_json::Value::Null)
                    .because(format!("{} has the same farm, pen, lot and time", first.id));
                findings.report(drift, None)?;
            }
            _ => first = Some(entry),
        }
    }
    Ok(())
}
