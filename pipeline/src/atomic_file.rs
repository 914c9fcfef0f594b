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
pub fn half_in(directory: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less what the umask takes
    builder.tempfile_in(directory)
}
