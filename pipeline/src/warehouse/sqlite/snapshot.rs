//! [`Snapshot`] on SQLite: a separate connection in a transaction; the file can be written at the same time (WAL).

use futures::stream::{StreamExt, TryStreamExt};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};

use super::{Sqlite, busy, closing, columns, decode};
use crate::record::row::TableSchema;
use crate::warehouse::snapshot::filter;
use crate::warehouse::{Error, IdRange, Pages, Reason, Snapshot, TimeWindow};

/// Connection in a read-only transaction.
struct SnapshotConnection {
    of: Sqlite,
    connection: SqliteConnection,
    schema: TableSchema,
}

impl Sqlite {
    /// Starts a snapshot.
    pub(super) async fn reading(&self, schema: &TableSchema) -> Result<Box<dyn Snapshot>, Error> {
        self.ensure_open()?;
        self.wait_until_free(busy::TIMEOUT).await?;
        let mut connection = self.options.clone().connect().await.map_err(|e| self.failure(&e))?;
        // The snapshot is taken by the first statement that reads.
        let begin = format!("BEGIN; SELECT 1 FROM \"{}\" LIMIT 1", self.table);
        connection.execute(sqlx::raw_sql(AssertSqlSafe(begin))).await.map_err(|e| self.failure(&e))?;
        Ok(Box::new(SnapshotConnection { of: self.clone(), connection, schema: *schema }))
    }

    /// Returns an error once the process is ending: a running read would prevent closing the file.
    fn ensure_open(&self) -> Result<(), Error> {
        if closing::is_ending() { Err(Error::new(Reason::Other, &self.address, "the command ends")) } else { Ok(()) }
    }
}

impl Snapshot for SnapshotConnection {
    fn scan(&mut self, ids: IdRange, limit: u32, page: usize, windows: &[TimeWindow]) -> Pages<'_> {
        let (filter, times) = filter(windows, &ids);
        let (list, table) = (columns(), &self.of.table);
        let sql = format!("SELECT {list} FROM \"{table}\" {filter} ORDER BY id_treated_data LIMIT ?");
        let query = times.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), sqlx::query::Query::bind);
        let limits = ids.after.into_iter().chain(ids.until);
        let query = limits.fold(query, sqlx::query::Query::bind).bind(limit);
        let (of, schema) = (&self.of, &self.schema);
        let rows = query.fetch(&mut self.connection).map(|row| row.and_then(|row| decode(&row, schema)));
        let pages = rows.try_chunks(page).map_err(|e| of.failure(&e.1));
        pages.and_then(|rows| std::future::ready(of.ensure_open().map(|()| rows))).boxed()
    }
}
