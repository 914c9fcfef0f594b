//! Wait for a file that another program is writing.
//!
//! The first connection may have to change the journal mode. If another program reads, SQLite takes the PENDING lock and keeps it
//! while it waits (`pager_wait_on_lock`), which stops every new reader. So each attempt fails at once and releases its locks, and
//! the pause is here. Attempts are counted: a machine that was suspended must not use up the time without one.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::{ConnectOptions, Connection};

use super::Sqlite;
use crate::warehouse::{Error, Reason};

/// Maximum wait for the transaction of another program.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);
/// Wait after which it is named.
const NAMED: Duration = Duration::from_secs(5);

/// Returns the number of pauses in a wait.
fn attempts(timeout: Duration) -> u128 {
    timeout.as_millis() / PAUSE.as_millis()
}

impl Sqlite {
    /// Waits until the file can be opened in WAL mode, in which it stays while this process has it open. Other errors are left
    /// to the caller's statement.
    pub(super) async fn wait_until_free(&self, timeout: Duration) -> Result<(), Error> {
        if self.pool.size() > 0 {
            return Ok(());
        }
        let (started, mut left, mut is_named) = (Instant::now(), attempts(timeout), false);
        loop {
            let e = match self.options.clone().busy_timeout(Duration::ZERO).connect().await {
                Ok(connection) => {
                    // The pool's connection is opened first: a file without connections may leave WAL mode.
                    let _ = self.pool.acquire().await;
                    let _ = connection.close().await;
                    return Ok(());
                }
                Err(e) => self.failure(&e),
            };
            if e.reason != Reason::Busy {
                return Ok(());
            }
            if left == 0 {
                return Err(e);
            }
            left -= 1;
            if !is_named && started.elapsed() >= NAMED {
                tracing::warn!(
                    "waiting for {}: another program writes to it or opens it",
                    self.options.get_filename().display()
                );
                is_named = true;
            }
            // Two programs that start at once must not stay in step.
            tokio::time::sleep(PAUSE + Duration::from_millis(fastrand::u64(..50))).await;
        }
    }
}

/// Returns what to do about a file that stays locked.
pub(super) fn advice(file: &Path, details: &str) -> String {
    format!(
        "another program is writing to {}: end its transaction or close it, for example a database browser with unsaved \
         changes, then run this again ({details})",
        file.display()
    )
}

#[cfg(test)]
mod tests {
    use sqlx::Executor as _;
    use sqlx::sqlite::SqliteConnectOptions;

    use super::*;
    use crate::warehouse::{TableName, Warehouse as _};

    #[tokio::test]
    async fn a_file_that_another_program_writes_is_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("w.db");
        let first = Sqlite::create(&path, TableName::default()).unwrap();
        first.init().await.unwrap();
        first.close().await;
        let mut other = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
        other.execute("BEGIN IMMEDIATE").await.unwrap();
        let table = Sqlite::open(&path, TableName::default()).unwrap();
        let e = table.wait_until_free(Duration::from_millis(250)).await.unwrap_err();
        assert!(e.reason == Reason::Busy && e.message.contains("close it"), "{e}");
        let end = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            other.execute("COMMIT").await.unwrap();
        };
        let (schema, ()) = tokio::join!(table.table_schema(), end);
        schema.unwrap();
        assert!(table.status().await.unwrap().rows.is_some());
    }

    /// A reader in rollback mode delays the change of the journal mode, which must not keep other readers out.
    #[tokio::test]
    async fn a_wait_for_a_reader_keeps_no_other_reader_out() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("w.db");
        let first = Sqlite::create(&path, TableName::default()).unwrap();
        first.init().await.unwrap();
        first.close().await;
        let plain = SqliteConnectOptions::new().filename(&path).busy_timeout(Duration::ZERO);
        let mut reader = plain.clone().connect().await.unwrap();
        reader.execute("BEGIN; SELECT COUNT(*) FROM historico_consumo").await.unwrap();
        let table = Sqlite::new(&path, TableName::default());
        let others = async {
            let mut failed = 0;
            for _ in 0..30 {
                tokio::time::sleep(Duration::from_millis(20)).await;
                let mut other = plain.clone().connect().await.unwrap();
                failed += u32::from(other.execute("SELECT COUNT(*) FROM historico_consumo").await.is_err());
                other.close().await.unwrap();
            }
            reader.execute("COMMIT").await.unwrap();
            failed
        };
        let (opened, failed) = tokio::join!(table.wait_until_free(Duration::from_secs(5)), others);
        opened.unwrap();
        assert!(failed <= 3, "{failed} of 30 reads were kept out");
    }
}
