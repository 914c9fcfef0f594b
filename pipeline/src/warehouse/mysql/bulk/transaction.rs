//! Applies a change in one transaction. It is retried if this is safe; after a lost COMMIT, its result is looked up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::facts::IdKey;
use super::super::repeated_ids::{ISOLATION, id_chunks, lookup_sql};
use super::super::{MySql, guard_values, insert_sql, remove_sql, replace_sql, replace_values};
use super::journal;
use super::session::{SendResult, Session, size};
use crate::error::Kind;
use crate::record::row::{Row, TableSchema};
use crate::warehouse::bulk::{ChangeSet, IdempotencyToken, LoadMethod};
use crate::warehouse::{Error, InsertResult, Reason};

/// Rows per statement. Sizes are fixed, because each size is a statement that the server prepares once.
const BATCH_SIZES: [usize; 4] = [1_000, 100, 10, 1];

/// Bytes of a row in the text of an INSERT: `(?, ?, …), `.
const MARKS: usize = 41;

/// Maximum number of attempts after a deadlock, and for rows that others have locked.
const LOCKED: u32 = 4;

impl MySql {
    pub(super) async fn change(&self, change: &ChangeSet<'_>, schema: &TableSchema) -> Result<InsertResult, Error> {
        let no_rows = change.insert.is_empty() && change.replace.is_empty() && change.remove.is_empty();
        if no_rows && change.journal_writes.is_empty() && change.journal_deletes.is_empty() {
            return Ok(InsertResult::Inserted);
        }
        self.reach().await?;
        let own = IdempotencyToken::unique();
        let token = change.token.unwrap_or(&own);
        let (id, locked) = (token.id(), AtomicU32::new(0));
        let run = |_| async {
            let was_lost = token.is_lost() && !change.journal_writes.is_empty();
            if was_lost && self.is_journaled(&change.journal_writes[0], id).await? {
                return Ok(InsertResult::Inserted);
            }
            let done = self.change_once(change, schema, id).await;
            match &done {
                Err(e) if e.reason == Reason::Unreachable => token.mark_lost(),
                Err(e) if matches!(e.reason, Reason::Locked | Reason::Deadlock) => {
                    locked.fetch_add(1, Ordering::Relaxed);
                }
                // The lost session may have committed, so that its own rows now exist.
                Ok(InsertResult::IdTaken) if was_lost && self.is_journaled(&change.journal_writes[0], id).await? => {
                    return Ok(InsertResult::Inserted);
                }
                _ => {}
            }
            done
        };
        let kind = |e: &Error| match e.reason {
            // A caller with a token repeats the change, and may be cancelled before it waits for the locks again.
            Reason::Locked if change.token.is_some() => Kind::Permanent,
            Reason::Locked | Reason::Deadlock if locked.load(Ordering::Relaxed) >= LOCKED => Kind::Permanent,
            _ => e.kind(),
        };
        self.retry.run(kind, run).await
    }

    async fn change_once(&self, change: &ChangeSet<'_>, schema: &TableSchema, id: &str) -> Result<InsertResult, Error> {
        let mut method = if change.insert.is_empty() { LoadMethod::Insert } else { self.load_method().await?.kind };
        let ids_may_repeat = !change.insert.is_empty() && self.id_key().await? == IdKey::WithFurtherColumns;
        loop {
            let mut session = Session::open(self, method).await?;
            if ids_may_repeat {
                session.execute_static(ISOLATION).await?;
            }
            session.execute_static("START TRANSACTION").await?;
            let done = self.fill(&mut session, method, change, schema, id).await;
            let ended = match done {
                Ok(SendResult::Inserted) => session.execute_static("COMMIT").await,
                _ => session.execute_static("ROLLBACK").await,
            };
            if ended.is_ok() {
                session.close();
            }
            match done? {
                SendResult::Inserted => return ended.map(|()| InsertResult::Inserted),
                SendResult::IdTaken => return Ok(InsertResult::IdTaken),
                SendResult::NeedsInsert => method = LoadMethod::Insert,
                SendResult::LocalInfileRefused(message) => {
                    self.loader.fall_back_to_insert(message, &self.address)?;
                    method = LoadMethod::Insert;
                }
            }
        }
    }

    /// Executes all parts of a change, between the begin and the end of its transaction.
    async fn fill(
        &self,
        session: &mut Session<'_>,
        method: LoadMethod,
        change: &ChangeSet<'_>,
        schema: &TableSchema,
        id: &str,
    ) -> Result<SendResult, Error> {
        let sent = match method {
            _ if change.insert.is_empty() => SendResult::Inserted,
            _ if self.finds_existing_ids(session, change.insert).await? => SendResult::IdTaken,
            LoadMethod::LoadData => session.load(change.insert, schema).await?,
            LoadMethod::Insert => self.insert_rows(session, change.insert).await?,
        };
        if sent != SendResult::Inserted {
            return Ok(sent);
        }
        for (old, new) in change.replace {
            let sql: Arc<str> = replace_sql(&self.table, schema, old).into();
            if session.run(&sql, replace_values(old, new)).await? == 0 {
                return Ok(SendResult::IdTaken);
            }
        }
        for row in change.remove {
            let sql: Arc<str> = remove_sql(&self.table, schema, row).into();
            if session.run(&sql, guard_values(row)).await? == 0 {
                return Ok(SendResult::IdTaken);
            }
        }
        journal::write(session, &self.table, change, id).await?;
        Ok(SendResult::Inserted)
    }

    /// Returns true if an id of the rows exists and the table's key would not show it.
    async fn finds_existing_ids(&self, session: &mut Session<'_>, rows: &[Row]) -> Result<bool, Error> {
        if self.id_key().await? == IdKey::Unique {
            return Ok(false);
        }
        for (size, ids) in id_chunks(rows) {
            if session.finds(&lookup_sql(&self.table, size).into(), ids).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn insert_rows(&self, session: &mut Session<'_>, rows: &[Row]) -> Result<SendResult, Error> {
        let statements = BATCH_SIZES.map(|size| -> Arc<str> { insert_sql(&self.table, size).into() });
        let mut rest = rows;
        while !rest.is_empty() {
            let at = fits(rest, session.packet / 2);
            let (batch, later) = rest.split_at(BATCH_SIZES[at]);
            match session.run(&statements[at], batch.iter().flat_map(|row| &row.0)).await {
                Ok(_) => rest = later,
                Err(e) if e.reason == Reason::AlreadyExists => return Ok(SendResult::IdTaken),
                Err(e) => return Err(e),
            }
        }
        Ok(SendResult::Inserted)
    }
}

/// Returns the largest batch size whose statement and values fit into `bytes`; at least 1.
fn fits(rows: &[Row], bytes: usize) -> usize {
    let within = |count: usize| {
        let values = || rows[..count].iter().flat_map(|row| &row.0).map(size).sum::<usize>();
        count <= rows.len() && count * MARKS < bytes && values() < bytes
    };
    BATCH_SIZES.iter().position(|&count| within(count)).unwrap_or(BATCH_SIZES.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Reading, Record, Rules};

    /// Returns record number `n` of a synthetic lot.
    fn record(n: u32) -> Record {
        let reading = format!(
            r#"{{"id_curral":"25994051003275","id_raca":"9000001","id_lote":"7357874101{n:04}","peso_entrada":234.941,
            "peso_medio":1234.567891,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":51,"dia_confinamento":66,
            "consumo_real":9.076451,"cod_cliente":"Fazenda São João"}}"#
        );
        let processed = chrono::DateTime::from_timestamp(1_800_000_000, 600_000_000).unwrap();
        Record::from_reading(Reading::parse(reading.as_bytes()).unwrap(), Rules::default(), processed)
    }

    #[test]
    fn statements_are_as_large_as_a_packet_allows() {
        let rows: Vec<Row> = (0..1_500).map(|n| record(n).to_row(&TableSchema::standard())).collect();
        for (bytes, count, size) in
            [(1 << 24, 1_500, 1_000), (1 << 24, 999, 100), (40_000, 1_500, 100), (8_000, 1_500, 10), (500, 9, 1)]
        {
            assert_eq!(BATCH_SIZES[fits(&rows[..count], bytes)], size, "{bytes} {count}");
        }
    }
}
