//! A warehouse is one file once its command has ended: what lies in `-wal` is written into it, and the file leaves WAL mode.
//!
//! While a command runs, the file is in WAL mode: an audit reads beside a writer, and a batch needs no more than one
//! sync. Every file that is opened is noted here, and [`close_all`] closes those that are left, however the command ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool};
use sqlx::{ConnectOptions, Connection};

use super::{Sqlite, file};

/// Tries to leave WAL mode, which fails as long as anybody else has the file open.
const TRIES: u32 = 25;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a statement in flight is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The files that are open, with their pools.
static OPEN: Mutex<BTreeMap<PathBuf, Vec<SqlitePool>>> = Mutex::new(BTreeMap::new());
/// Set once the process ends: readings that are under way end.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Notes that a file is open.
pub(super) fn note(path: &Path, pool: &SqlitePool) {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.entry(path.to_owned()).or_default().push(pool.clone());
}

/// Whether the process ends.
pub(super) fn is_ending() -> bool {
    ENDING.load(Ordering::Relaxed)
}

impl Sqlite {
    /// Closes the file, which then is a database by itself unless another process has it open, too.
    ///
    /// Closes it for everybody in this process; what was opened before fails afterwards.
    pub async fn close(&self) {
        let path = self.options.get_filename();
        let pools = OPEN.lock().unwrap_or_else(PoisonError::into_inner).remove(path).unwrap_or_default();
        close(path, pools).await;
    }
}

/// Closes every file that is open; for the end of the process, from any thread.
///
/// Blocks, for some seconds at most. What cannot be closed stays in WAL mode; nothing that was committed is lost by that.
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
    // A thread of its own: this one may belong to a runtime.
    if let Ok(thread) = std::thread::Builder::new().spawn(work) {
        let _ = thread.join();
    }
}

async fn close(path: &Path, pools: Vec<SqlitePool>) {
    for pool in pools {
        if tokio::time::timeout(PATIENCE, pool.close()).await.is_err() {
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
