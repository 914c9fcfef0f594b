//! Closes SQLite warehouses, so that each is a single file after a command: `-wal` is written into it, and it leaves
//! WAL mode.
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

use super::{Sqlite, file};

/// Attempts to leave WAL mode, which fails while another process has the file open.
const TRIES: u32 = 25;
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(20);
/// Maximum wait for a running statement.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Open files, with their pools.
static OPEN: Mutex<BTreeMap<PathBuf, Vec<SqlitePool>>> = Mutex::new(BTreeMap::new());
/// Set when the process ends: running reads then stop.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Registers an open file.
pub(super) fn note(path: &Path, pool: &SqlitePool) {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.entry(path.to_owned()).or_default().push(pool.clone());
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
        let pools = OPEN.lock().unwrap_or_else(PoisonError::into_inner).remove(path).unwrap_or_default();
        close(path, pools).await;
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
            for (path, pools) in open {
                close(&path, pools).await;
            }
        });
    };
    // Uses a separate thread, because the current one may belong to a runtime.
    if let Ok(thread) = std::thread::Builder::new().spawn(work) {
        let _ = thread.join();
    }
}

async fn close(path: &Path, pools: Vec<SqlitePool>) {
    for pool in pools {
        if tokio::time::timeout(CLOSE_TIMEOUT, pool.close()).await.is_err() {
            tracing::debug!("{} is busy, and is not closed", path.display());
        }
    }
    if !path.exists() || !file::is_open_or_left(path) {
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
