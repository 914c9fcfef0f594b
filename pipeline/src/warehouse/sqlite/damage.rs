//! Check of a file for damage, within a time limit.

use std::time::{Duration, Instant};

use sqlx::{ConnectOptions, Connection};

use super::{Sqlite, closing};
use crate::warehouse::Error;

/// Time limit: a file of several gigabytes is checked only in part.
const LIMIT: Duration = Duration::from_secs(5);
/// Instructions of SQLite's virtual machine between two readings of the clock.
const INSTRUCTIONS: i32 = 10_000;
/// Primary code of an interrupted statement, `SQLITE_INTERRUPT`.
const INTERRUPTED: &str = "9";
/// What to do about a damaged file.
pub(super) const ADVICE: &str =
    "the file is damaged: restore a backup, or move it away and run `ruminate init` and `ruminate replay`";

impl Sqlite {
    /// Returns the first damage and what to do about it. `None` if none was found in the time limit.
    pub(super) async fn find_damage(&self) -> Result<Option<String>, Error> {
        let mut connection = self.options.clone().connect().await.map_err(|e| self.failure(&e))?;
        let started = Instant::now();
        let mut handle = connection.lock_handle().await.map_err(|e| self.failure(&e))?;
        handle.set_progress_handler(INSTRUCTIONS, move || started.elapsed() < LIMIT && !closing::is_ending());
        drop(handle);
        let found = sqlx::query_scalar::<_, String>("PRAGMA quick_check(1)").fetch_one(&mut connection).await;
        let _ = connection.close().await;
        match found {
            Ok(found) if found == "ok" => Ok(None),
            Ok(found) => Ok(Some(format!("{ADVICE} ({})", found.replace('\n', " ")))),
            Err(e) if e.as_database_error().and_then(|e| e.code()).as_deref() == Some(INTERRUPTED) => Ok(None),
            Err(e) => Err(self.failure(&e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warehouse::{Reason, TableName, Warehouse};

    #[tokio::test]
    async fn damage_is_found_by_init_and_by_the_check_and_has_an_advice() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("w.db");
        let table = Sqlite::create(&path, TableName::default()).unwrap();
        table.init().await.unwrap();
        assert_eq!(table.damage().await.unwrap(), None);
        table.close().await;
        let mut bytes = std::fs::read(&path).unwrap();
        let page = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
        bytes[page..].fill(0xee);
        std::fs::write(&path, bytes).unwrap();
        let table = Sqlite::open(&path, TableName::default()).unwrap();
        let e = match table.damage().await {
            Ok(found) => found.unwrap(),
            Err(e) => e.to_string(),
        };
        assert!(e.contains(ADVICE), "{e}");
        let e = table.init().await.unwrap_err();
        assert!(e.reason == Reason::BadAddress && e.to_string().contains(ADVICE), "{e}");
        table.close().await;
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_read_only_file_is_to_be_made_writable() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("w.db");
        let table = Sqlite::create(&path, TableName::default()).unwrap();
        table.init().await.unwrap();
        table.close().await;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
        if std::fs::File::options().append(true).open(&path).is_ok() {
            return; // root may write to it
        }
        let table = Sqlite::open(&path, TableName::default()).unwrap();
        let e = table.init().await.unwrap_err().to_string();
        assert!(e.contains("make the file and its folder writable"), "{e}");
    }
}
