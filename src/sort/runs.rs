//! Directories of runs: locked while their process runs, and removed when no longer needed.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

/// A directory for runs, removed with its last sorter. Creating one also removes those of killed processes.
#[derive(Debug, Clone)]
pub(crate) struct SortDir(pub(super) Arc<LockedDir>);

/// A directory whose lock shows that its process is running.
#[derive(Debug)]
pub(super) struct LockedDir {
    pub(super) dir: TempDir,
    /// Locked while this process runs.
    pub(super) _lock: File,
}

const FOLDER: &str = ".ruminate-sort-";
pub(super) const LOCK: &str = "lock";
/// Maximum time between creating a lock and holding it.
pub(super) const YOUNG: Duration = Duration::from_secs(60);

impl SortDir {
    /// Creates a directory for runs in `folder`.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be created there.
    pub(crate) fn in_dir(folder: &Path) -> io::Result<Self> {
        remove_abandoned(folder);
        let dir = tempfile::Builder::new().prefix(FOLDER).tempdir_in(folder)?;
        let lock = File::create(dir.path().join(LOCK))?;
        lock.try_lock().map_err(io::Error::other)?; // no other process checks a lock this new
        Ok(Self(Arc::new(LockedDir { dir, _lock: lock })))
    }

    /// Returns the path, for other temporary files that must not outlive the process.
    pub(crate) fn path(&self) -> &Path {
        self.0.dir.path()
    }
}

/// Removes the directories of ended processes, whose locks are no longer held.
fn remove_abandoned(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(FOLDER));
        if ours && is_abandoned(&entry.path().join(LOCK)).unwrap_or(false) {
            tracing::debug!("removing {}, which a killed process left", entry.path().display());
            let _ = std::fs::remove_dir_all(entry.path()); // it may belong to another user, or be removed already
        }
    }
}

/// Returns true if the lock is no longer held. A new one may not be held yet, because its creator is about to lock it.
fn is_abandoned(lock: &Path) -> io::Result<bool> {
    let lock = open_lock(lock)?;
    let age = lock.metadata()?.modified()?.elapsed().unwrap_or_default();
    Ok(age >= YOUNG && lock.try_lock().is_ok())
}

/// Opens a lock file that may belong to anyone: only a regular file, without following links or blocking.
fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK | libc::O_NOFOLLOW);
    let lock = options.open(path)?;
    match lock.metadata()?.is_file() {
        true => Ok(lock),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "no plain file")),
    }
}

/// Directory of one sorter's runs.
#[derive(Debug)]
pub(super) struct RunFiles {
    pub(super) dir: TempDir,
    /// Removed after its last sorter.
    _folder: SortDir,
}

impl RunFiles {
    /// Creates a separate directory in that one.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be created.
    pub(super) fn in_dir(dir: &SortDir) -> io::Result<Self> {
        Ok(Self { dir: TempDir::new_in(dir.0.dir.path())?, _folder: dir.clone() })
    }
}
