//! Rejects an audit in which one side is empty, unless this is explicitly allowed. With a mistyped lake address, every
//! row would be a finding, and a repair would write all of them into that lake.

use anyhow::bail;
use futures::StreamExt;

use super::Audit;
use crate::reader::{Empty, Skip, why_empty};
use crate::reconcile::{Counter, Outcome};
use pipeline::lake::{Partition, PartitionScan, Span, scan_partitions};
use pipeline::record::row::TableSchema;
use pipeline::warehouse::IdRange;

/// Hint for an audit in which an empty side is intended.
const IF_INTENDED: &str = "if that is intended, add --allow-empty";

/// Checks that neither side of an audit is empty, before it is planned.
///
/// # Errors
/// Returns an error if one is empty or cannot be read.
pub async fn refuse_empty(audit: &Audit, wide: &Span) -> anyhow::Result<()> {
    let schema = audit.warehouse.table_schema().await?;
    refuse_warehouse(audit, &schema).await?;
    refuse_lake(audit, wide, &scan_partitions(&*audit.lake, wide).await?).await
}

/// Checks that the warehouse is not empty, before either side is read.
///
/// # Errors
/// Returns an error if the warehouse has no rows or cannot be read.
pub(super) async fn refuse_warehouse(audit: &Audit, schema: &TableSchema) -> anyhow::Result<()> {
    if audit.allow_empty || has_rows(audit, schema).await? {
        return Ok(());
    }
    let found = scan_partitions(&*audit.lake, &audit.span).await?;
    let (warehouse, lake) = (audit.warehouse.address(), audit.lake.address());
    match why(audit, &audit.span, &found.partitions, &found).await? {
        Some(why) => bail!("both sides are empty: {warehouse} has no rows; lake \"{lake}\": {why}; {IF_INTENDED}"),
        None => bail!(
            "the warehouse {warehouse} has no rows, and the lake \"{lake}\" has records: check --warehouse and --table; to bring \
             the rows back from the lake, run `ruminate replay` with the same --lake and --warehouse; to audit or repair an \
             empty warehouse anyway, give --allow-empty"
        ),
    }
}

/// Checks that the lake can contain a part of the audit, before it is read.
///
/// # Errors
/// Returns an error if it contains nothing in the span or cannot be listed.
pub(super) async fn refuse_lake(audit: &Audit, span: &Span, found: &PartitionScan) -> anyhow::Result<()> {
    if audit.allow_empty {
        return Ok(());
    }
    match why(audit, span, &found.partitions, found).await? {
        None => Ok(()),
        Some(why) => bail!("nothing in the lake \"{}\" can be audited: {why}; {IF_INTENDED}", audit.lake.address()),
    }
}

/// Checks that a completed audit found an object of the lake; listed objects may all belong to other days or farms.
///
/// # Errors
/// Returns an error if there was none.
pub(super) async fn refuse_nothing_judged(audit: &Audit, outcome: &Outcome) -> anyhow::Result<()> {
    if audit.allow_empty
        || outcome[Counter::LakeObjects] > outcome[Skip::Unrecognized] + outcome[Skip::FolderMarker]
        || outcome[Counter::ResolvedOnRecheck] > 0
    {
        return Ok(());
    }
    let found = scan_partitions(&*audit.lake, &audit.span).await?;
    let lake = audit.lake.address();
    match why(audit, &audit.span, &found.partitions, &found).await? {
        Some(why) => bail!("nothing in the lake \"{lake}\" belongs to this audit: {why}; {IF_INTENDED}"),
        None => bail!(
            "no record in the lake \"{lake}\" belongs to this audit: check --farm, --from and --to; {IF_INTENDED}"
        ),
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

/// Returns true if the warehouse has any row, of any farm and day.
async fn has_rows(audit: &Audit, schema: &TableSchema) -> anyhow::Result<bool> {
    let mut snapshot = audit.warehouse.snapshot(schema).await?;
    let mut pages = snapshot.scan(IdRange::default(), 1, 1, &[]);
    Ok(pages.next().await.transpose()?.is_some_and(|page| !page.is_empty()))
}
