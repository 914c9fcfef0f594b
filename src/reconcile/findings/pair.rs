//! Findings about a record whose row has other values: the difference, and what the row's values would resolve.

use super::single_record::{forged_id, record_findings};
use crate::reconcile::Audit;
use crate::reconcile::finding::Finding;
use crate::reconcile::intact::{IntactSide, with_row_values};
use crate::reconcile::verdict::DriftKind;
use pipeline::record::row::{Difference, Row, TableSchema};
use pipeline::record::{Column, Record};

/// Returns the finding about a record whose row has other values.
pub(super) fn differing(
    audit: &Audit,
    schema: &TableSchema,
    (key, record): (&str, &Record),
    (row, fields): (&Row, Vec<Difference>),
) -> Finding {
    let finding = Finding::new(DriftKind::Differing, &record.id_treated_data, Some(key.to_owned()));
    let intact = IntactSide::of(record, row, schema);
    let resolves = resolved_by_row(audit, schema, (key, record), row);
    Finding { fields, intact, resolves, ..finding.of_record(record) }
}

/// Returns the kinds of the other findings about an object that would be gone if a repair gave it the values of its row.
fn resolved_by_row(audit: &Audit, schema: &TableSchema, (key, record): (&str, &Record), row: &Row) -> Vec<DriftKind> {
    let differences = record.differences(row, schema);
    let Some(mut after) = with_row_values(record, row, &differences) else { return Vec::new() };
    if differences.iter().any(|difference| difference.column == Column::ConsumoMeta) {
        after = audit.apply_rule(after, row, schema);
    }
    after.mark_repaired();
    let kinds = |record: &Record| -> Vec<DriftKind> {
        let found = forged_id(key, record).into_iter().chain(record_findings(audit, key, record));
        found.map(|finding| finding.kind).collect()
    };
    let remaining = kinds(&after);
    let mut resolved = kinds(record);
    resolved.retain(|kind| !remaining.contains(kind));
    resolved
}
