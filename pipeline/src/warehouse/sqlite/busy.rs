//! Wait for a file that another program is writing. SQLite waits for the end of its transaction, except when a
//! connection changes the journal mode, which fails at once.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::{ConnectOptions, Connection};

use super::Sqlite;
use crate::warehouse::{Error, Reason};

/// Maximum wait for the transaction of another program.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

impl Sqlite {
    /// Waits until the file can be opened in WAL mode, in which it stays while this process has it open. Other errors are left
    /// to the caller's statement.
    pub(super) async fn wait_until_free(&self, timeout: Duration) -> Result<(), Error> {
        if self.pool.size() > 0 {
            return Ok(());
        }
        let started = Instant::now();
        loop {
            let e = match self.options.clone().connect().await {
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
            if started.elapsed() >= timeout {
                return Err(e);
            }
            tokio::time::sleep(PAUSE).await;
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
}
