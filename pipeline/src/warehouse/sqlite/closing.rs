//! Closes SQLite warehouses, so that each is a single file after a command: `-wal` is written into it, and it leaves
//! WAL mode, unless it was in WAL mode before and has no table of ours: then it belongs to another application.
//!
//! During a command, the file is in WAL mode: an audit can read next to a writer, and a batch needs only one sync.
//! Every opened file is registered, and [`close_all`] closes the remaining ones, regardless of how the command ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool};
use sqlx::{ConnectOptions, Connection};

use super::{Sqlite, TableName, file};

/// Attempts to leave WAL mode, which fails while another process has the file open.
const TRIES: u32 = 25;
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(20);
/// Maximum wait for a running statement.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Open files.
static OPEN: Mutex<BTreeMap<PathBuf, OpenFile>> = Mutex::new(BTreeMap::new());
/// Set when the process ends: running reads then stop.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Open file.
#[derive(Debug, Default)]
struct OpenFile {
    /// Its pools, with their tables.
    pools: Vec<(SqlitePool, TableName)>,
    /// True if it was in WAL mode before: of another application, or left by a killed command.
    was_wal: bool,
}

/// Registers an open file.
pub(super) fn note(path: &Path, pool: &SqlitePool, table: &TableName) {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let opened = || OpenFile { pools: Vec::new(), was_wal: file::is_open_or_left(path) };
    open.entry(path.to_owned()).or_insert_with(opened).pools.push((pool.clone(), table.clone()));
}

/// Returns true if the process is ending.
pub(super) fn is_ending() -> bool {
    ENDING.load(Ordering::Relaxed)
}

impl Sqlite {
    /// Closes the file, which is then a single-file database unless another process has it open.
    ///
    /// This closes it for all users in this process; their later statements fail.
    pub async fn close(&self) {
        let path = self.options.get_filename();
        let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner).remove(path).unwrap_or_default();
        close(path, open).await;
    }
}

/// Closes every open file; for the end of the process, from any thread.
///
/// Blocks for a few seconds at most. A file that cannot be closed stays in WAL mode, without loss of committed data.
pub fn close_all() {
    let open = std::mem::take(&mut *OPEN.lock().unwrap_or_else(PoisonError::into_inner));
    if open.is_empty() {
        return;
    }
    ENDING.store(true, Ordering::Relaxed);
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            for (path, open) in open {
                close(&path, open).await;
            }
        });
    };
    // Uses a separate thread, because the current one may belong to a runtime.
    if let Ok(thread) = std::thread::Builder::new().spawn(work) {
        let _ = thread.join();
    }
}

async fn close(path: &Path, open: OpenFile) {
    for (pool, _) in &open.pools {
        if tokio::time::timeout(CLOSE_TIMEOUT, pool.close()).await.is_err() {
            tracing::debug!("{} is busy, and is not closed", path.display());
        }
    }
    if !path.exists() || !file::is_open_or_left(path) || open.was_wal && !has_table(path, &open).await {
        return;
    }
    let options = SqliteConnectOptions::new().filename(path).journal_mode(SqliteJournalMode::Delete);
    let options = options.busy_timeout(Duration::ZERO).disable_statement_logging();
    for _ in 0..TRIES {
        match options.connect().await {
            Ok(connection) => {
                let _ = connection.close().await;
                return;
            }
            Err(e) => tracing::debug!("{} stays in WAL mode: {e}", path.display()),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Returns true if the file has one of the tables. Such a file was left in WAL mode by a killed command.
async fn has_table(path: &Path, open: &OpenFile) -> bool {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::ZERO).disable_statement_logging();
    let Ok(mut connection) = options.connect().await else { return false };
    let mut found = false;
    for (_, table) in &open.pools {
        let count =
            sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?");
        found |= count.bind(table.as_str()).fetch_one(&mut connection).await.is_ok_and(|count| count > 0);
    }
    let _ = connection.close().await;
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warehouse::Warehouse;

    async fn sql(path: &Path, statement: &'static str) {
        let mut connection =
            SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap();
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    #[tokio::test]
    async fn a_database_of_another_application_stays_in_wal_mode() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("app.db");
        sql(&path, "PRAGMA journal_mode = WAL; CREATE TABLE theirs (x)").await;
        let table = Sqlite::open(&path, TableName::default()).unwrap();
        table.table_schema().await.unwrap_err();
        table.close().await;
        assert!(file::is_open_or_left(&path));
        // A warehouse that a killed command left in WAL mode becomes a single file.
        let path = home.path().join("w.db");
        let table = Sqlite::create(&path, TableName::default()).unwrap();
        table.init().await.unwrap();
        table.close().await;
        assert!(!file::is_open_or_left(&path));
        sql(&path, "PRAGMA journal_mode = WAL").await;
        let table = Sqlite::open(&path, TableName::default()).unwrap();
        table.table_schema().await.unwrap();
        table.close().await;
        assert!(!file::is_open_or_left(&path));
    }
}
