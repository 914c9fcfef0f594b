//! Which side of a difference is intact: the only one whose values match the id.

use serde::{Deserialize, Serialize};

use pipeline::record::row::{Difference, Row, TableSchema};
use pipeline::record::{Column, IdCheck, Record};

/// Only side whose values match an id of version 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntactSide {
    /// The object matches the id, the row does not.
    Lake,
    /// The row matches the id, the object does not.
    Warehouse,
}

impl IntactSide {
    /// Returns the name of the side, as in the drift file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lake => "lake",
            Self::Warehouse => "warehouse",
        }
    }

    /// Returns the intact side. `None` if the id matches both or neither, or if it is not of version 8.
    pub(super) fn of(record: &Record, row: &Row, schema: &TableSchema) -> Option<Self> {
        let differences = record.differences(row, schema);
        if differences.iter().all(|difference| difference.column.is_treated()) {
            return None; // both have the same reading
        }
        let lake = record.check_id() == IdCheck::Proven;
        // A value that agrees may be stored with less precision, so the record's value is used.
        let warehouse = with_row_values(record, row, &differences);
        let warehouse = warehouse.is_some_and(|record| record.check_id() == IdCheck::Proven);
        match (lake, warehouse) {
            (true, false) => Some(Self::Lake),
            (false, true) => Some(Self::Warehouse),
            _ => None,
        }
    }
}

/// Returns a record with the values of a row in the columns that differ, except for the id. `None` if no record can have
/// them.
pub(super) fn with_row_values(record: &Record, row: &Row, differences: &[Difference]) -> Option<Record> {
    let theirs = row.to_record()?;
    let mut new = record.clone();
    let columns = differences.iter().map(|difference| difference.column);
    columns.filter(|column| *column != Column::IdTreatedData).for_each(|column| new.copy_field(column, &theirs));
    Some(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::record::row::Value;
    use testkit::conformance::warehouse::record;

    #[test]
    fn a_side_is_intact_if_it_alone_matches_the_id() {
        let schema = TableSchema::standard();
        let original = record(1);
        let row = original.to_row(&schema);
        let mut changed = original.clone();
        changed.reading.consumo_real += 1.5;
        assert_eq!(IntactSide::of(&original, &row, &schema), None, "both are");
        assert_eq!(IntactSide::of(&changed, &row, &schema), Some(IntactSide::Warehouse));
        assert_eq!(IntactSide::of(&original, &changed.to_row(&schema), &schema), Some(IntactSide::Lake));
        let mut other = original.clone();
        other.reading.consumo_real += 2.5;
        assert_eq!(IntactSide::of(&changed, &other.to_row(&schema), &schema), None, "neither is");
        // A column that is not part of the id.
        let mut later = original.clone();
        later.row_ts += chrono::TimeDelta::hours(1);
        assert_eq!(IntactSide::of(&later, &row, &schema), None);
        // A row that no record can be.
        let mut empty = row.clone();
        empty.0[Column::IdRaca.index()] = Value::Null;
        assert_eq!(IntactSide::of(&original, &empty, &schema), Some(IntactSide::Lake));
        assert_eq!(IntactSide::of(&changed, &empty, &schema), None);
        // A random id of a legacy lake.
        let old = Record { id_treated_data: "0f1f4d5c-4a7e-4b0c-9d62-8c7d70e6f6ab".into(), ..changed };
        let mut row = row;
        row.0[Column::IdTreatedData.index()] = Value::Text(old.id_treated_data.clone());
        assert_eq!(IntactSide::of(&old, &row, &schema), None);
    }
}
