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
    builder.tempfile_in(directory).map_err(|e| without_path(&e, directory))
}

/// Creates a temporary file in the directory of `path`, so that a rename is enough to persist it.
///
/// # Errors
/// Returns an error if the folder is missing or cannot be written.
pub fn temp_file_next_to(path: &Path) -> io::Result<NamedTempFile> {
    temp_file_in(folder_of(path))
}

/// Returns an error without the temporary name, which means nothing to users; a missing directory is named.
fn without_path(e: &io::Error, directory: &Path) -> io::Error {
    if !directory.is_dir() {
        return io::Error::new(e.kind(), format!("{} is not a directory: create it first", directory.display()));
    }
    let text = e.to_string();
    let what = text.split(" at path ").next().unwrap_or(&text);
    io::Error::new(e.kind(), what.to_owned())
}

/// Returns the directory of a file; `.` for a bare name.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_directory_and_not_the_temporary_file() {
        let home = tempfile::tempdir().unwrap();
        let e = temp_file_next_to(&home.path().join("none/report.html")).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::NotFound);
        assert!(e.to_string().ends_with("none is not a directory: create it first"), "{e}");
        std::fs::write(home.path().join("file"), "").unwrap();
        let e = temp_file_next_to(&home.path().join("file/report.html")).unwrap_err().to_string();
        assert!(e.contains("file is not a directory") && !e.contains(PREFIX), "{e}");
    }

    #[test]
    fn a_bare_name_is_in_the_working_directory() {
        for (path, folder) in [("a", "."), ("./a", "."), ("a/b", "a"), ("/a", "/")] {
            assert_eq!(folder_of(Path::new(path)), Path::new(folder), "{path}");
        }
    }
}
