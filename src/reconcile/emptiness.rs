//! Whether a side of an audit is empty, which is an error unless it is meant: of a mistyped lake every row would be a finding,
//! and a repair would write all of them into it.

use anyhow::bail;
use futures::StreamExt;

use super::Audit;
use crate::reader::{Empty, why_empty};
use crate::reconcile::{Counter, Outcome};
use pipeline::lake::{Partition, PartitionScan, Span, scan_partitions};
use pipeline::record::row::TableSchema;

/// What says that it is meant.
const MEANT: &str = "where that is meant, give --allow-empty";

/// Refuses an empty warehouse before either side is read.
///
/// # Errors
/// It has no row, or cannot be read.
pub(super) async fn refuse_warehouse(audit: &Audit, schema: &TableSchema) -> anyhow::Result<()> {
    if audit.allow_empty || has_rows(audit, shape).await? {
        return Ok(());
    }
    let found = scan_partitions(&*audit.lake, &audit.span).await?;
    let (warehouse, lake) = (audit.warehouse.address(), audit.lake.address());
    match why(audit, &audit.span, &found.partitions, &found).await? {
        Some(why) => bail!("both sides are empty: {warehouse} has no rows; lake {lake}: {why}; {MEANT}"),
        None => bail!(
            "the warehouse {warehouse} has no rows, and the lake {lake} has records: check --warehouse and --table; to bring \
             the rows back from the lake, run `ruminate replay` with the same --lake and --warehouse; to audit or repair an \
             empty warehouse all the same, give --allow-empty"
        ),
    }
}

/// Refuses a lake of which nothing that is asked for can be there, before it is read.
///
/// # Errors
/// There is nothing, or the lake cannot be listed.
pub(super) async fn refuse_lake(audit: &Audit, span: &Span, found: &PartitionScan) -> anyhow::Result<()> {
    if audit.allow_empty {
        return Ok(());
    }
    match why(audit, span, &found.partitions, found).await? {
        None => Ok(()),
        Some(why) => bail!("nothing of the lake {} can be audited: {why}; {MEANT}", audit.lake.address()),
    }
}

/// Refuses an audit that came to its end without an object of the lake: those that were listed belong to other days or farms.
///
/// # Errors
/// There was none.
pub(super) async fn refuse_nothing_judged(audit: &Audit, outcome: &Outcome) -> anyhow::Result<()> {
    if audit.allow_empty
        || outcome[Counter::LakeObjects] > outcome[Counter::SkippedUnrecognized]
        || outcome[Counter::ResolvedOnRecheck] > 0
    {
        return Ok(());
    }
    let found = scan_partitions(&*audit.lake, &audit.span).await?;
    let lake = audit.lake.address();
    match why(audit, &audit.span, &found.partitions, &found).await? {
        Some(why) => bail!("nothing of the lake {lake} belongs to this audit: {why}; {MEANT}"),
        None => bail!("no record of the lake {lake} belongs to this audit: check --farm, --from and --to; {MEANT}"),
    }
}

async fn why(
    audit: &Audit,
    span: &Span,
    partitions: &[Partition],
    found: &PartitionScan,
) -> Result<Option<Empty>, pipeline::lake::Error> {
    why_empty(&*audit.lake, span, partitions, &found.unrecognized).await
}

/// Whether the warehouse has any row at all, of whatever farm and day.
async fn has_rows(audit: &Audit, schema: &TableSchema) -> anyhow::Result<bool> {
    let mut snapshot = audit.warehouse.snapshot(shape).await?;
    let mut pages = snapshot.scan(None, 1, 1, &[]);
    Ok(pages.next().await.transpose()?.is_some_and(|page| !page.is_empty()))
}
