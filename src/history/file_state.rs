//! State of a file on disk, by which a file that changes between its inspection and the end of the run is recognized.

use std::path::Path;
use std::time::{Duration, SystemTime};

/// Time without a change after which a file counts as complete if its last line has no line feed.
const QUIET: Duration = Duration::from_secs(2);

/// Size and time of the last change of a regular file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileState {
    bytes: u64,
    changed: Option<SystemTime>,
}

impl FileState {
    /// Returns the state of a regular file; `None` for anything else.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let meta = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        Some(Self { bytes: meta.len(), changed: meta.modified().ok() })
    }

    /// Returns how long to wait until the file has not been changed for a moment; zero for most files.
    pub(super) fn until_quiet(&self) -> Duration {
        // A time in the future comes from another clock.
        let age = self.changed.map_or(QUIET, |changed| changed.elapsed().unwrap_or(QUIET));
        QUIET.saturating_sub(age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_just_written_is_not_quiet() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("x");
        std::fs::write(&path, "a").unwrap();
        let state = FileState::of(&path).unwrap();
        assert!(state.until_quiet() <= QUIET);
        assert_eq!(FileState::of(home.path()), None);
        let at = |age| FileState { changed: Some(SystemTime::now() - age), ..state }.until_quiet();
        assert!(at(Duration::ZERO) > Duration::from_secs(1));
        assert_eq!(at(Duration::from_secs(60)), Duration::ZERO);
        let future = FileState { changed: Some(SystemTime::now() + Duration::from_secs(60)), ..state };
        assert_eq!(future.until_quiet(), Duration::ZERO, "the clock of another machine");
        std::fs::write(&path, "ab").unwrap();
        assert_ne!(FileState::of(&path), Some(state));
    }
}
