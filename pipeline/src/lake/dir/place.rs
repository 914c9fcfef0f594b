//! Place of a lake's directory on the machine, by which the lake is identified and its other folders are found.

use std::path::{Path, PathBuf};

use super::Dir;

impl Dir {
    /// Returns the absolute path of the directory, without symbolic links and `..`, also if it does not exist yet: then the
    /// existing part of its path is resolved.
    pub(super) fn place(&self) -> PathBuf {
        let whole = std::path::absolute(&self.root).unwrap_or_else(|_| self.root.clone());
        let resolved = whole.ancestors().find_map(|folder| {
            let rest = whole.strip_prefix(folder).ok()?;
            let folder = folder.canonicalize().ok()?;
            Some(rest.components().fold(folder, |path, part| path.join(part)))
        });
        resolved.unwrap_or(whole)
    }

    /// Returns false for the root of a file system: the folders next to a lake would be in it.
    pub fn has_parent(&self) -> bool {
        self.place().parent().is_some()
    }

    /// Returns the path of the folder `name` next to the directory.
    pub(super) fn next_to(&self, name: &str) -> PathBuf {
        let place = self.place();
        place.parent().unwrap_or(Path::new("")).join(name)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::lake::Lake;

    #[test]
    fn a_lake_has_the_same_folders_under_every_path() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        fs::create_dir_all(home.join("lake/farm")).unwrap();
        fs::create_dir(home.join("other")).unwrap();
        symlink(home.join("lake"), home.join("other/link")).unwrap();
        symlink(&home, home.join("other/home")).unwrap();
        for path in ["lake", "lake/farm/..", "lake/.", "other/link", "other/home/lake"] {
            let lake = Dir::new(home.join(path));
            assert_eq!(lake.next_to("parts"), home.join("parts"), "{path}");
            assert_eq!(lake.sibling("parts").identity(), home.join("parts").display().to_string(), "{path}");
            assert_eq!(lake.identity(), home.join("lake").display().to_string(), "{path}");
        }
        // A lake that does not exist yet keeps its identity when it is created.
        let new = Dir::new(home.join("other/home/new"));
        let before = (new.identity(), new.next_to("parts"));
        new.create().unwrap();
        assert_eq!((new.identity(), new.next_to("parts")), before);
        assert_eq!(before, (home.join("new").display().to_string(), home.join("parts")));
        assert!(new.has_parent() && !Dir::new("/").has_parent() && !Dir::new("/tmp/..").has_parent());
    }
}
