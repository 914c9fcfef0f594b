//! Atomic file creation: a file is written under a temporary name in the same directory and then renamed.

use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

/// Prefix of temporary names. A killed writer can leave such files behind; they can be deleted.
pub const PREFIX: &str = ".ruminate-";

/// Creates a temporary file in a directory, to be persisted under its final name. It is deleted if dropped before that.
///
/// # Errors
/// Returns an error if the directory is missing or not writable.
pub fn temp_file_in(directory: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // minus the umask
    builder.tempfile_in(directory)
}

/// Creates a temporary file in the directory of `path`, so that a rename is enough to persist it.
///
/// # Errors
/// Returns an error if the folder is missing or cannot be written.
pub fn temp_file_beside(path: &Path) -> io::Result<NamedTempFile> {
    temp_file_in(folder_of(path))
}

/// Returns the directory of a file; `.` for a bare name.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_in_the_working_directory() {
        for (path, folder) in [("a", "."), ("./a", "."), ("a/b", "a"), ("/a", "/")] {
            assert_eq!(folder_of(Path::new(path)), Path::new(folder), "{path}");
        }
    }
}
