//! Reading of a config file. One that was found in the working directory, and not named, is read only if no account but the
//! user and root can have changed it: it could set the addresses of the stores and a throttle query.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Origin of the config file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Chosen {
    /// Found in the working directory.
    #[default]
    Found,
    /// Named by the user.
    Named,
}

/// Reads a config file.
///
/// # Errors
/// Returns an error if the file cannot be read, or if it was found and others may have changed it, or if it is a link without a
/// target or no regular file.
pub(super) fn read(path: &Path, chosen: Chosen) -> io::Result<String> {
    let invalid = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    match fs::metadata(path) {
        Err(_) if path.is_symlink() => return invalid("it is a symbolic link, and there is no file where it leads"),
        // A pipe would block; one that was named is read.
        Ok(meta) if chosen == Chosen::Found && !meta.is_file() => return invalid("it is not a regular file"),
        _ => {}
    }
    let mut file = File::open(path)?;
    if chosen == Chosen::Found {
        // Of the open file, which cannot be exchanged any more.
        check(&file.metadata()?, path)?;
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(unix)]
fn check(file: &std::fs::Metadata, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let refused = |what: String| {
        let todo = "or name it with --config if you trust everyone who can change it";
        Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{what}, {todo}")))
    };
    let user = rustix::process::geteuid().as_raw();
    let link = std::fs::symlink_metadata(path).map(|link| link.uid()).unwrap_or(user);
    if let Some(other) = [file.uid(), link].into_iter().find(|owner| ![0, user].contains(owner)) {
        return refused(format!("it belongs to another user (uid {other}): take it over with `chown`"));
    }
    let mode = file.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return refused(format!("others can write to it (mode {mode:o}): `chmod go-w {}`", path.display()));
    }
    Ok(())
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "a permission check of other systems")]
fn check(_: &std::fs::Metadata, _: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_found_file_that_others_can_write_is_rejected_and_a_named_one_is_read() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("ruminate.toml");
        fs::write(&path, "lake = 'x'").unwrap();
        for (mode, accepted) in [(0o644, true), (0o600, true), (0o664, false), (0o646, false), (0o666, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let found = read(&path, Chosen::Found);
            assert_eq!(found.is_ok(), accepted, "{mode:o}: {found:?}");
            assert_eq!(read(&path, Chosen::Named).unwrap(), "lake = 'x'");
        }
        let e = read(&path, Chosen::Found).unwrap_err().to_string();
        assert!(e.contains("mode 666") && e.contains("chmod go-w") && e.contains("--config"), "{e}");
    }

    #[test]
    fn a_link_without_a_target_and_a_pipe_are_no_missing_file() {
        let home = tempfile::tempdir().unwrap();
        let (link, pipe) = (home.path().join("link.toml"), home.path().join("pipe.toml"));
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for (path, words) in [(&link, "symbolic link"), (&pipe, "not a regular file")] {
            let e = read(path, Chosen::Found).unwrap_err();
            assert!(e.kind() == io::ErrorKind::InvalidInput && e.to_string().contains(words), "{e}");
        }
    }

    #[test]
    fn a_found_file_of_another_user_is_rejected() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("ruminate.toml");
        fs::write(&path, "").unwrap();
        // Only root can give a file away, and its own link.
        if std::os::unix::fs::chown(&path, Some(12_345), None).is_err() {
            return;
        }
        let e = read(&path, Chosen::Found).unwrap_err().to_string();
        assert!(e.contains("another user (uid 12345)"), "{e}");
        read(&path, Chosen::Named).unwrap();
        let (own, link) = (home.path().join("own.toml"), home.path().join("link.toml"));
        fs::write(&own, "").unwrap();
        std::os::unix::fs::symlink(&own, &link).unwrap();
        read(&link, Chosen::Found).unwrap();
        std::os::unix::fs::lchown(&link, Some(12_345), None).unwrap();
        assert!(read(&link, Chosen::Found).is_err(), "the link of another user");
    }
}
