//! Checks of a single record or row: its id, its location, and the rule of `consumo_meta`.

use crate::reconcile::Audit;
use crate::reconcile::finding::Finding;
use crate::reconcile::verdict::DriftKind;
use pipeline::lake::Key;
use pipeline::record::row::{Row, TableSchema, Value};
use pipeline::record::{Column, IdCheck, Record, reading_id};

/// Returns the finding about an id of version 8 that is not the one of its record's content.
pub(super) fn forged_id(key: &str, record: &Record) -> Option<Finding> {
    let finding = || {
        let why = format!("the id of its content is {}", reading_id(&record.reading));
        Finding::new(DriftKind::ForgedId, &record.id_treated_data, Some(key.to_owned())).with_reason(why)
    };
    (record.check_id() == IdCheck::Forged).then(finding)
}

/// Returns the other findings about a single record: its location, its rule.
pub(in crate::reconcile) fn record_findings(audit: &Audit, key: &str, record: &Record) -> Vec<Finding> {
    let mut found = Vec::new();
    let finding = |kind| Finding::new(kind, &record.id_treated_data, Some(key.to_owned()));
    if Key::parse(key).is_some_and(|path| !path.fits(record)) {
        let home = Key::of(record).map_or_else(String::new, |home| home.to_string());
        found.push(finding(DriftKind::Misfiled).with_reason(format!("its content belongs under {home}")));
    }
    let due = audit.rules.consumo_meta(record.reading.peso_medio);
    if !same_rule(record.consumo_meta, due) {
        let finding = finding(DriftKind::RuleBreak)
            .with_field(Column::ConsumoMeta, Value::Double(record.consumo_meta), Value::Null)
            .with_reason(format!("the lake's consumo_meta should be {due}"));
        found.push(finding);
    }
    found
}

/// Returns true if both values are equal except for the last bits; legacy lakes may have multiplied in another order.
fn same_rule(found: f64, due: f64) -> bool {
    (found - due).abs() <= due.abs() * 4.0 * f64::EPSILON
}

/// Returns the findings about a row without an object, apart from the one that it has none: its rule.
pub(super) fn row_findings(audit: &Audit, schema: &TableSchema, row: &Row, record: &Record) -> Vec<Finding> {
    rule_of_row(audit, schema, row, record).into_iter().collect()
}

/// Checks the rule for a row without an object, at the precision of the row's columns.
fn rule_of_row(audit: &Audit, schema: &TableSchema, row: &Row, record: &Record) -> Option<Finding> {
    let due = Record { consumo_meta: audit.rules.consumo_meta(record.reading.peso_medio), ..record.clone() };
    let number = |value: &Value| match value {
        Value::Float(value) => f64::from(*value),
        Value::Double(value) => *value,
        _ => f64::NAN,
    };
    let (found, should) = (number(row.get(Column::ConsumoMeta)), number(&due.value(Column::ConsumoMeta, schema)));
    // Weight, target and expected value are each rounded to f32: three half units in the last place.
    let breaks = (found - should).abs() > should.abs() * 2.0 * f64::from(f32::EPSILON);
    let finding = || {
        Finding::new(DriftKind::RuleBreak, row.id(), None)
            .with_field(Column::ConsumoMeta, Value::Null, Value::Double(found))
            .with_reason(format!("the warehouse's consumo_meta should be {should}"))
    };
    breaks.then(finding)
}
