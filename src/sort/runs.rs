//! The folders that runs lie in: locked while their process lives, and removed once nobody needs them.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

/// A folder for runs, which goes away with its last sorter; what a killed process left of its own is swept away.
#[derive(Debug, Clone)]
pub(crate) struct SortDir(pub(super) Arc<LockedDir>);

/// A folder whose lock says that its process lives.
#[derive(Debug)]
pub(super) struct LockedDir {
    pub(super) dir: TempDir,
    /// Locked while this process lives.
    pub(super) _lock: File,
}

const FOLDER: &str = ".ruminate-sort-";
pub(super) const LOCK: &str = "lock";
/// How long a process may take between the making of a lock and holding it.
pub(super) const YOUNG: Duration = Duration::from_secs(60);

impl SortDir {
    /// A new folder in that one.
    ///
    /// # Errors
    /// It cannot be made there.
    pub(crate) fn in_dir(folder: &Path) -> io::Result<Self> {
        remove_abandoned(folder);
        let dir = tempfile::Builder::new().prefix(FOLDER).tempdir_in(folder)?;
        let lock = File::create(dir.path().join(LOCK))?;
        lock.try_lock().map_err(io::Error::other)?; // nobody else looks at one so young
        Ok(Self(Arc::new(LockedDir { dir, _lock: lock })))
    }
}

/// Removes the folders of processes that are gone: nobody holds their lock.
fn remove_abandoned(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(FOLDER));
        if ours && is_abandoned(&entry.path().join(LOCK)).unwrap_or(false) {
            tracing::info!("removing {}, which a killed process left", entry.path().display());
            let _ = std::fs::remove_dir_all(entry.path()); // somebody else's, or gone meanwhile
        }
    }
}

/// Whether nobody holds a lock any more. One so young may not be held yet: its maker is about to.
fn is_abandoned(lock: &Path) -> io::Result<bool> {
    let lock = open_lock(lock)?;
    let age = lock.metadata()?.modified()?.elapsed().unwrap_or_default();
    Ok(age >= YOUNG && lock.try_lock().is_ok())
}

/// Opens a lock that may be anybody's: a plain file, nothing that leads elsewhere or makes its opener wait.
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

/// Where a sorter's runs lie.
#[derive(Debug)]
pub(super) struct RunFiles {
    pub(super) dir: TempDir,
    /// Goes away after its last sorter.
    _folder: SortDir,
}

impl RunFiles {
    /// A folder of its own in that one.
    ///
    /// # Errors
    /// Returns an error if it cannot be created.
    pub(super) fn in_dir(dir: &SortDir) -> io::Result<Self> {
        Ok(Self { dir: TempDir::new_in(dir.0.dir.path())?, _folder: dir.clone() })
    }
}
