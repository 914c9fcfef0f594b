//! What a table and its server must fulfil before records are stored: version, storage engine, and a key on the id.
//!
//! A partitioned table cannot have a unique key on the id alone: MySQL requires the partitioning column in it. There, a
//! key that starts with the id is accepted, and inserts look for existing ids in the same transaction.

use sqlx::Row as _;
use sqlx::mysql::MySqlRow;

use super::MySql;
use crate::record::Column;
use crate::warehouse::{Error, Reason};

/// Uniqueness of the ids of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdKey {
    /// A key ensures it.
    Unique,
    /// The table is partitioned, and its key has further columns.
    WithFurtherColumns,
}

/// A column of an index.
struct IndexColumn {
    index: String,
    is_unique: bool,
    /// `None` for an expression.
    column: Option<String>,
    is_nullable: bool,
}

/// Facts about a table.
struct Facts {
    engine: Option<String>,
    has_transactions: bool,
    is_partitioned: bool,
    indexes: Vec<IndexColumn>,
}

impl MySql {
    /// Checks the table; returns how ids are kept unique.
    pub(super) async fn check_table(&self) -> Result<IdKey, Error> {
        let facts = self.facts().await?;
        let bad = |reason, message: String| Error::new(reason, &self.address, message);
        if !facts.has_transactions {
            let engine = facts.engine.as_deref().unwrap_or("none");
            return Err(bad(
                Reason::BadSchema,
                format!(
                    "the table's storage engine {engine} has no transactions, so that journal, undo and snapshots would not hold: ALTER TABLE `{}` ENGINE = InnoDB",
                    self.table
                ),
            ));
        }
        facts.id_key().ok_or_else(|| {
            let what = if facts.is_partitioned {
                "the table is partitioned and has no unique NOT NULL key that starts with id_treated_data: add one of id_treated_data and the partitioning columns"
            } else {
                "id_treated_data has no primary or unique NOT NULL key: add one"
            };
            bad(Reason::BadSchema, what.into())
        })
    }

    async fn facts(&self) -> Result<Facts, Error> {
        // MySQL shows the table's engine, and for partitions `partitioned` in the options.
        let table = sqlx::query(
            "SELECT CAST(t.engine AS CHAR), CAST(COALESCE(e.transactions, '') = 'YES' AS SIGNED), \
             CAST(COALESCE(t.create_options, '') LIKE '%partitioned%' AS SIGNED) \
             FROM information_schema.tables t LEFT JOIN information_schema.engines e ON e.engine = t.engine \
             WHERE t.table_schema = DATABASE() AND t.table_name = ?",
        );
        let indexes = sqlx::query(
            "SELECT CAST(index_name AS CHAR), CAST(non_unique = 0 AS SIGNED), CAST(column_name AS CHAR), \
             CAST(COALESCE(nullable, '') = 'YES' AS SIGNED) FROM information_schema.statistics \
             WHERE table_schema = DATABASE() AND table_name = ? ORDER BY index_name, seq_in_index",
        );
        let table = self.sessions.rows(table.bind(self.table.as_str())).await?;
        let indexes = self.sessions.rows(indexes.bind(self.table.as_str())).await?;
        let failure = |e: sqlx::Error| self.sessions.failure(&e);
        let row = table.first().ok_or(sqlx::Error::RowNotFound).map_err(failure)?;
        let read = |row: &MySqlRow| -> Result<Facts, sqlx::Error> {
            Ok(Facts {
                engine: row.try_get(0)?,
                has_transactions: row.try_get::<i64, _>(1)? == 1,
                is_partitioned: row.try_get::<i64, _>(2)? == 1,
                indexes: indexes.iter().map(index_column).collect::<Result<_, _>>()?,
            })
        };
        read(row).map_err(failure)
    }
}

fn index_column(row: &MySqlRow) -> Result<IndexColumn, sqlx::Error> {
    Ok(IndexColumn {
        index: row.try_get(0)?,
        is_unique: row.try_get::<i64, _>(1)? == 1,
        column: row.try_get(2)?,
        is_nullable: row.try_get::<i64, _>(3)? == 1,
    })
}

impl Facts {
    /// Returns how ids are kept unique; `None` if nothing does.
    fn id_key(&self) -> Option<IdKey> {
        let is_id = |column: &IndexColumn| {
            column.column.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(Column::IdTreatedData.name()))
        };
        let keys: Vec<&[IndexColumn]> = self
            .indexes
            .chunk_by(|a, b| a.index == b.index)
            .filter(|columns| columns[0].is_unique && is_id(&columns[0]) && columns.iter().all(|c| !c.is_nullable))
            .collect();
        if keys.iter().any(|columns| columns.len() == 1) {
            return Some(IdKey::Unique);
        }
        (self.is_partitioned && !keys.is_empty()).then_some(IdKey::WithFurtherColumns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(is_partitioned: bool, columns: &[(&str, bool, &str, bool)]) -> Facts {
        let column = |&(index, is_unique, column, is_nullable): &(&str, bool, &str, bool)| IndexColumn {
            index: index.into(),
            is_unique,
            column: Some(column.to_owned()).filter(|name| !name.is_empty()),
            is_nullable,
        };
        let indexes = columns.iter().map(column).collect();
        Facts { engine: None, has_transactions: true, is_partitioned, indexes }
    }

    #[test]
    fn only_a_partitioned_table_may_have_further_columns_in_the_key() {
        let id = ("PRIMARY", true, "id_treated_data", false);
        let data = ("PRIMARY", true, "data", false);
        assert_eq!(facts(false, &[id]).id_key(), Some(IdKey::Unique));
        assert_eq!(facts(true, &[id]).id_key(), Some(IdKey::Unique));
        assert_eq!(facts(true, &[id, data]).id_key(), Some(IdKey::WithFurtherColumns));
        assert_eq!(facts(false, &[id, data]).id_key(), None);
        assert_eq!(facts(true, &[data, id]).id_key(), None, "a lookup by id would read every partition");
        assert_eq!(facts(true, &[id, ("PRIMARY", true, "data", true)]).id_key(), None);
        assert_eq!(facts(true, &[("i", false, "id_treated_data", false)]).id_key(), None);
        assert_eq!(facts(false, &[("e", true, "", false)]).id_key(), None);
        let own = ("own", true, "ID_TREATED_DATA", false);
        assert_eq!(facts(false, &[("PRIMARY", true, "other", false), own]).id_key(), Some(IdKey::Unique));
    }
}
