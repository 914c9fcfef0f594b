//! Statements about the warehouse's table, derived from the columns of `pipeline`, so that a new column changes no test.

use pipeline::record::{Column, ColumnKind};

/// Returns the CREATE TABLE statement of a table that other software created: the type of the primary key, and of weights.
pub fn create_table(key: &str, weight: &str) -> String {
    let columns = Column::ALL.map(|column| match (column, column.kind()) {
        (Column::IdTreatedData, _) => format!("{column} {key} PRIMARY KEY"),
        (_, ColumnKind::Text) => format!("{column} VARCHAR(255)"),
        (_, ColumnKind::Weight) => format!("{column} {weight}"),
        (_, ColumnKind::Count) => format!("{column} INT"),
        (_, ColumnKind::Instant) => format!("{column} DATETIME"),
    });
    format!("CREATE TABLE historico_consumo ({})", columns.join(", "))
}

/// Returns the INSERT of copies of rows with other values: pairs of a column and its SQL expression. `of` is the end of
/// the SELECT, such as `LIMIT 1`.
pub fn copy_rows(values: &[(Column, &str)], of: &str) -> String {
    let value = |column: Column| {
        let other = values.iter().find(|(changed, _)| *changed == column);
        other.map_or(column.name(), |(_, value)| *value)
    };
    let (names, values) = (Column::ALL.map(Column::name).join(", "), Column::ALL.map(value).join(", "));
    format!("INSERT INTO historico_consumo ({names}) SELECT {values} FROM historico_consumo {of}")
}
