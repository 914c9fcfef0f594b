//! The output directory of a bundle: written completely or not at all, without overwriting other files.
//!
//! `SHA256SUMS` lists the files of the previous bundle. A file that is not listed, or has another checksum, is the
//! user's and is kept, unless replacing is requested.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use sha2::{Digest, Sha256};

use super::{BundleFile, Program};
use crate::generate::IfExists;
use pipeline::atomic_file::{folder_of, temp_file_in, temp_file_next_to};
use pipeline::hex::hex;

/// Name of the checksum file, in the format of `sha256sum -c`.
pub(super) const SUMS: &str = "SHA256SUMS";

/// The files of a bundle by their paths in it, with `/` as separator.
pub(super) type BundleFiles = BTreeMap<String, Vec<u8>>;

/// The output directory.
#[derive(Debug)]
pub(super) struct OutputDir {
    path: PathBuf,
    existing: IfExists,
}

/// Result of writing a bundle.
#[derive(Debug)]
pub(super) struct WriteSummary {
    /// Every file including the checksums, sorted.
    pub files: Vec<BundleFile>,
    /// Remaining files of a previous bundle that this one does not contain.
    pub left: Vec<String>,
}

impl OutputDir {
    pub(super) fn new(path: PathBuf, existing: IfExists) -> Self {
        Self { path, existing }
    }

    /// Returns the path of a file of the bundle.
    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Checks that files with these names may be written. Also called before a long build.
    ///
    /// # Errors
    ///
    /// Returns an error if the directory cannot be written, or contains the user's own files of these names.
    pub(super) fn check<'a>(&self, names: impl Iterator<Item = &'a str>) -> anyhow::Result<()> {
        let out = self.path.display();
        if fs::metadata(&self.path).is_ok_and(|meta| !meta.is_dir()) {
            bail!("--out {out} is not a directory: use another");
        }
        let there = self.path.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
        temp_file_in(there).with_context(|| format!("--out {out} cannot be written"))?;
        let previous = self.previous_checksums()?;
        let mut modified = Vec::new();
        for name in names.chain([SUMS]) {
            if !self.is_unmodified_output(name, &previous)? {
                modified.push(name);
            }
        }
        if modified.is_empty() || self.existing == IfExists::Replace {
            return Ok(());
        }
        bail!(
            "--out {out} has {} that was not written by a bundle, or was modified since: use another --out, or --force to overwrite it",
            modified.join(", ")
        )
    }

    /// Returns true if no file has that name, or the file is unchanged since the previous bundle.
    fn is_unmodified_output(&self, name: &str, previous: &Checksums) -> anyhow::Result<bool> {
        let path = self.path_of(name);
        let context = || path.display().to_string();
        match fs::metadata(&path) {
            Ok(meta) if meta.is_dir() => bail!("{} is a directory: use another --out", path.display()),
            Ok(_) if name == SUMS => Ok(previous.look_like_bundle()),
            Ok(meta) if !meta.is_file() => Ok(false),
            Ok(_) => Ok(previous.has(name, &sha256(&fs::read(&path).with_context(context)?))),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(true),
            Err(e) => Err(e).with_context(context),
        }
    }

    fn previous_checksums(&self) -> anyhow::Result<Checksums> {
        let path = self.path_of(SUMS);
        match fs::metadata(&path) {
            Ok(meta) if meta.is_file() => {
                let text = fs::read(&path).with_context(|| path.display().to_string())?;
                Ok(Checksums::parse(&String::from_utf8_lossy(&text)))
            }
            _ => Ok(Checksums::default()),
        }
    }

    /// Writes a bundle. All files are first written under temporary names, so a full disk leaves a previous bundle
    /// unchanged.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`check`](Self::check), or an error if a file cannot be written.
    pub(super) fn write(&self, files: &BundleFiles) -> anyhow::Result<WriteSummary> {
        self.check(files.keys().map(String::as_str))?;
        let (previous, sums) = (self.previous_checksums()?, Checksums::of(files));
        let mut halves = Vec::new();
        // A kill between two renames leaves files of two bundles; these checksums identify both next time.
        halves.push(self.temp_file(SUMS, previous.text() + &sums.text())?);
        for (name, bytes) in files {
            halves.push(self.temp_file(name, bytes)?);
        }
        halves.push(self.temp_file(SUMS, sums.text())?);
        for (half, path) in halves {
            half.persist(&path).map_err(|e| e.error).with_context(|| format!("cannot write {}", path.display()))?;
        }
        let mut listed: Vec<_> = files.iter().map(|(name, bytes)| BundleFile::of(name, bytes)).collect();
        listed.push(BundleFile::of(SUMS, sums.text().as_bytes()));
        listed.sort_by(|a, b| a.path.cmp(&b.path));
        let gone = previous.0.into_keys().filter(|name| !files.contains_key(name) && is_inside(name));
        Ok(WriteSummary { files: listed, left: gone.filter(|name| self.path_of(name).is_file()).collect() })
    }

    fn temp_file(&self, name: &str, bytes: impl AsRef<[u8]>) -> anyhow::Result<(tempfile::NamedTempFile, PathBuf)> {
        let path = self.path_of(name);
        let context = || format!("cannot write {}", path.display());
        fs::create_dir_all(folder_of(&path)).with_context(context)?;
        let mut half = temp_file_next_to(&path).with_context(context)?;
        half.write_all(bytes.as_ref()).and_then(|()| half.as_file().sync_all()).with_context(context)?;
        Ok((half, path))
    }
}

/// Returns true if a listed name stays within the directory.
fn is_inside(name: &str) -> bool {
    Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)))
}

/// Returns the SHA-256 in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Checksums by name; several per name if a replacement was interrupted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Checksums(BTreeMap<String, BTreeSet<String>>);

impl Checksums {
    fn of(files: &BundleFiles) -> Self {
        Self(files.iter().map(|(name, bytes)| (name.clone(), BTreeSet::from([sha256(bytes)]))).collect())
    }

    /// Parses the output of `sha256sum`; other lines are skipped.
    fn parse(text: &str) -> Self {
        let mut sums = Self::default();
        for (sum, name) in text.lines().filter_map(|line| line.split_once("  ")) {
            if sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit()) {
                sums.0.entry(name.to_owned()).or_default().insert(sum.to_ascii_lowercase());
            }
        }
        sums
    }

    fn text(&self) -> String {
        let lines = self.0.iter().flat_map(|(name, sums)| sums.iter().map(move |sum| format!("{sum}  {name}\n")));
        lines.collect()
    }

    fn has(&self, name: &str, sum: &str) -> bool {
        self.0.get(name).is_some_and(|sums| sums.contains(sum))
    }

    /// Returns true if it lists the files that every bundle has.
    fn look_like_bundle(&self) -> bool {
        let has_template = |program: Program| self.0.contains_key(program.template_name());
        self.0.contains_key(super::ZIP) && [Program::Intake, Program::Fanout].into_iter().any(has_template)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(texts: &[(&str, &str)]) -> BundleFiles {
        texts.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
    }

    fn folder(path: &Path) -> OutputDir {
        OutputDir::new(path.to_owned(), IfExists::Fail)
    }

    fn refused(path: &Path, files: &BundleFiles) -> String {
        format!("{:#}", folder(path).write(files).unwrap_err())
    }

    /// Returns every file below a directory with its text.
    fn held(path: &Path) -> BTreeMap<PathBuf, String> {
        let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        let text = |path: PathBuf| BTreeMap::from([(path.clone(), fs::read_to_string(path).unwrap())]);
        entries.flat_map(|path| if path.is_dir() { held(&path) } else { text(path) }).collect()
    }

    const ONE: [(&str, &str); 3] = [("bootstrap.zip", "zip"), ("sql/mysql/1.sql", "one"), ("template.yaml", "t")];
    const TWO: [(&str, &str); 3] = [("bootstrap.zip", "zap"), ("sql/mysql/2.sql", "two"), ("template.yaml", "t")];

    #[test]
    fn a_bundle_replaces_the_previous_one_and_reports_leftover_files() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b");
        let written = folder(&path).write(&files(&ONE)).unwrap();
        let names: Vec<_> = written.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(names, ["SHA256SUMS", "bootstrap.zip", "sql/mysql/1.sql", "template.yaml"]);
        fs::write(path.join("samconfig.toml"), "mine").unwrap();
        let first = held(&path);
        assert_eq!(folder(&path).write(&files(&ONE)).unwrap().left, [""; 0]);
        assert_eq!(held(&path), first, "a repeated run changes nothing and leaves no temporary file");
        assert_eq!(folder(&path).write(&files(&TWO)).unwrap().left, ["sql/mysql/1.sql"]);
        let sums = fs::read_to_string(path.join(SUMS)).unwrap();
        assert!(sums.contains("  sql/mysql/2.sql\n") && !sums.contains("1.sql"), "{sums}");
        assert_eq!(fs::read_to_string(path.join("samconfig.toml")).unwrap(), "mine");
    }

    #[test]
    fn other_or_modified_files_are_kept_unless_forced() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("template.yaml"), "mine").unwrap();
        let why = refused(home.path(), &files(&ONE));
        assert!(why.contains("template.yaml") && why.contains("--force"), "{why}");
        assert_eq!(held(home.path()).len(), 1, "nothing was written");
        OutputDir::new(home.path().to_owned(), IfExists::Replace).write(&files(&ONE)).unwrap();
        fs::write(home.path().join("template.yaml"), "edited").unwrap();
        assert!(refused(home.path(), &files(&TWO)).contains("template.yaml"));
        assert_eq!(fs::read_to_string(home.path().join("bootstrap.zip")).unwrap(), "zip");
    }

    #[test]
    fn checksums_of_other_files_are_not_replaced() {
        let home = tempfile::tempdir().unwrap();
        for text in ["", "\u{0}", &format!("{}  ubuntu.iso\n", "0".repeat(64))] {
            fs::write(home.path().join(SUMS), text).unwrap();
            assert!(refused(home.path(), &files(&ONE)).contains(SUMS), "{text:?}");
        }
    }

    #[test]
    fn a_run_killed_between_two_renames_does_not_block_the_next() {
        let home = tempfile::tempdir().unwrap();
        folder(home.path()).write(&files(&ONE)).unwrap();
        let both = Checksums::of(&files(&ONE)).text() + &Checksums::of(&files(&TWO)).text();
        fs::write(home.path().join(SUMS), both).unwrap();
        fs::write(home.path().join("bootstrap.zip"), "zap").unwrap();
        folder(home.path()).write(&files(&[("bootstrap.zip", "third"), ("template.yaml", "t")])).unwrap();
    }

    #[test]
    fn a_file_in_place_of_a_directory_is_reported_and_vice_versa() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), "").unwrap();
        assert!(refused(&home.path().join("file"), &files(&ONE)).contains("not a directory"));
        assert!(refused(&home.path().join("file/x"), &files(&ONE)).contains("file/x"));
        fs::create_dir_all(home.path().join("out/template.yaml")).unwrap();
        assert!(refused(&home.path().join("out"), &files(&ONE)).contains("template.yaml is a directory"));
        fs::create_dir_all(home.path().join("sql")).unwrap();
        fs::write(home.path().join("sql/mysql"), "").unwrap();
        assert!(refused(home.path(), &files(&ONE)).contains("sql/mysql"));
    }

    #[test]
    fn names_outside_the_directory_are_ignored() {
        let home = tempfile::tempdir().unwrap();
        folder(home.path()).write(&files(&ONE)).unwrap();
        let sums = fs::read_to_string(home.path().join(SUMS)).unwrap();
        let outside = format!("{sums}{}  ../outside\n{0}  /etc/passwd\n", "0".repeat(64));
        fs::write(home.path().join(SUMS), outside).unwrap();
        assert_eq!(folder(home.path()).write(&files(&ONE)).unwrap().left, [""; 0]);
    }
}
