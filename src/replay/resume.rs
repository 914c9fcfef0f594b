//! Where a replay was when it stopped: a small file that a later run with `--resume` goes on from.
//!
//! The bookmark names a day before which everything was loaded. It trusts that the warehouse has not been set back
//! since; without `--resume` a replay reads everything again, which is always right.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What identifies a run: the same lake, warehouse, span and policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bookmark {
    /// The lake's address.
    pub lake: String,
    /// The warehouse's address, without secrets.
    pub warehouse: String,
    /// Span and policy, as text.
    pub settings: String,
    /// The first day that may be incomplete.
    pub day: Option<NaiveDate>,
}

impl Bookmark {
    fn path(&self, dir: &Path) -> PathBuf {
        let identity = format!("{}\n{}\n{}", self.lake, self.warehouse, self.settings);
        let name: String = Sha256::digest(identity).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        dir.join(format!("replay-{name}.json"))
    }

    /// The day to go on from, where an earlier run of the same identity left a bookmark.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn find(&self, dir: &Path) -> io::Result<Option<NaiveDate>> {
        match fs::read(self.path(dir)) {
            Ok(text) => Ok(serde_json::from_slice::<Self>(&text)?.day),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Writes the bookmark: to a temporary name, then renamed.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)?;
        let path = self.path(dir);
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        fs::write(&temporary, serde_json::to_vec_pretty(self)?)?;
        fs::rename(temporary, path)
    }

    /// Takes the bookmark away: the run has ended.
    pub fn remove(&self, dir: &Path) {
        match fs::remove_file(self.path(dir)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => tracing::warn!("the bookmark stays: {e}"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bookmark_is_found_only_by_the_same_run() {
        let home = tempfile::tempdir().unwrap();
        let mut mark = Bookmark { lake: "l".into(), warehouse: "w".into(), settings: "s".into(), day: None };
        assert_eq!(mark.find(home.path()).unwrap(), None);
        mark.day = NaiveDate::from_ymd_opt(2023, 1, 2);
        mark.save(home.path()).unwrap();
        assert_eq!(mark.find(home.path()).unwrap(), mark.day);
        let other = Bookmark { settings: "t".into(), ..mark.clone() };
        assert_eq!(other.find(home.path()).unwrap(), None);
        mark.remove(home.path());
        assert_eq!(mark.find(home.path()).unwrap(), None);
    }
}
