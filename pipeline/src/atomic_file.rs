//! A file on its way to its name: written under a temporary one beside it, so that no half file ever has the name.

use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

/// How temporary names begin; what a killed writer left under one is nobody's.
pub const PREFIX: &str = ".ruminate-";

/// A new file in this directory, to be persisted under its name; goes away when dropped before that.
///
/// # Errors
/// The directory is missing or cannot be written.
pub fn temp_file_in(directory: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less what the umask takes
    builder.tempfile_in(directory)
}

/// A new file next to this path, to be persisted under it: in the same folder, so that a rename suffices.
///
/// # Errors
/// Returns an error if the folder is missing or cannot be written.
pub fn temp_file_beside(path: &Path) -> io::Result<NamedTempFile> {
    temp_file_in(folder_of(path))
}

/// The folder that a file is in; `.` for a bare name.
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
