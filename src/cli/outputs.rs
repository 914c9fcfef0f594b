//! One check of every path that a command writes, before any work: it is no file of the warehouse, is not inside the lake or the
//! run, and is no other file of the same command.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{ArgMatches, Command};

use super::flags::variable;
use super::restore::TARGET;
use crate::publish::hdr::service_file;
use pipeline::lake::LakeUrl;
use pipeline::warehouse::WarehouseUrl;

/// Flags whose files or directories are written.
const OUTPUTS: [&str; 12] = [
    "report",
    "drift",
    "undo-file",
    "evidence",
    "cache",
    "journal",
    "hdr",
    "dead-letters",
    "truth",
    "out",
    "dir",
    SORT_DIR,
];
/// Directory of temporary files, which may be that of another flag.
const SORT_DIR: &str = "sort-dir";
/// Flag that is an input of commands that generate nothing.
const TRUTH: &str = "truth";
/// Flags whose files or directories are read.
const INPUTS: [&str; 9] = [TRUTH, "only", "baseline", "config", "event", "bootstrap", "source", "rds-ca", "pause-file"];
/// Flags with the address of a warehouse.
const WAREHOUSES: [&str; 2] = ["warehouse", "replica"];
/// First bytes of a SQLite database.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// A path as given, and where it leads.
#[derive(Debug)]
struct Named {
    flag: String,
    path: PathBuf,
    real: PathBuf,
}

impl Named {
    fn new(flag: &str, path: &Path) -> Self {
        Self { flag: flag.to_owned(), path: path.to_owned(), real: real(path) }
    }

    fn shown(&self) -> String {
        format!("{} {}", self.flag, self.path.display())
    }
}

/// Files of a command.
#[derive(Debug, Default)]
struct Paths {
    outputs: Vec<Named>,
    inputs: Vec<Named>,
    databases: Vec<Named>,
    /// Directories whose files are all objects of a lake or of a run.
    lakes: Vec<Named>,
}

/// Checks the output paths of a command line. The command must have been built, which parsing does.
///
/// # Errors
/// Returns an error that names the flag and the path if writing there would damage a store or another file of the command.
pub(super) fn check(command: &Command, matches: &ArgMatches) -> Result<(), String> {
    let (mut command, mut matches) = (command, matches);
    while let Some((name, inner)) = matches.subcommand() {
        let Some(found) = command.find_subcommand(name) else { return Ok(()) };
        (command, matches) = (found, inner);
    }
    Paths::of(command, matches).check()
}

/// Checks output paths, given with their flags, against the stores of a run's plan.
///
/// # Errors
/// Returns an error that names the flag and the path if writing there would damage a store.
pub(super) fn check_planned(outputs: &[(&str, &Path)], lake: &str, warehouse: Option<&str>) -> anyhow::Result<()> {
    let mut paths = Paths::default();
    paths.outputs.extend(outputs.iter().map(|(flag, path)| Named::new(flag, path)));
    paths.add_lake("the plan's lake", lake);
    warehouse.into_iter().for_each(|address| paths.add_database("the plan's warehouse", address));
    paths.check().map_err(|e| anyhow::anyhow!(e))
}

impl Paths {
    fn of(command: &Command, matches: &ArgMatches) -> Self {
        let mut paths = Self::default();
        let writes_truth = command.get_name() == "generate" || is_given(matches, "generate");
        for arg in command.get_arguments().filter(|arg| arg.get_action().takes_values()) {
            let id = arg.get_id().as_str();
            let (long, place) = (arg.get_long(), arg.get_value_names().and_then(<[_]>::first).map_or("", |name| name));
            let shown = long.map_or_else(|| place.to_owned(), |long| format!("--{long}"));
            let is_store = id == TARGET || long == Some("lake") || place == "RUN";
            for value in matches.try_get_raw(id).ok().flatten().into_iter().flatten().filter(|value| *value != "-") {
                let (path, text) = (Path::new(value), value.to_string_lossy());
                if is_store {
                    paths.add_lake(&shown, &text);
                }
                match long {
                    Some(long) if WAREHOUSES.contains(&long) => paths.add_database(&shown, &text),
                    Some("out") if place == "RUN" && !is_directory(&text) => {} // in a bucket
                    Some(TRUTH) if !writes_truth => paths.inputs.push(Named::new(&shown, path)),
                    Some(long) if OUTPUTS.contains(&long) => paths.outputs.push(Named::new(&shown, path)),
                    Some(long) if INPUTS.contains(&long) => paths.inputs.push(Named::new(&shown, path)),
                    None if place == "FILE" => paths.inputs.push(Named::new(&shown, path)),
                    _ => {}
                }
                if long == Some("hdr") {
                    paths.outputs.push(Named::new(&shown, &service_file(path)));
                }
            }
        }
        if !is_given(matches, "config") {
            paths.inputs.push(Named::new(super::config::FILE, Path::new(super::config::FILE)));
        }
        let has_warehouse = command.get_arguments().any(|arg| arg.get_long() == Some("warehouse"));
        if let Some(address) = variable("DATABASE_URL").filter(|_| has_warehouse && !is_given(matches, "warehouse")) {
            paths.add_database("DATABASE_URL", &address);
        }
        paths
    }

    /// Adds a SQLite file; other addresses, and invalid ones, have none.
    fn add_database(&mut self, flag: &str, address: &str) {
        if let Ok(WarehouseUrl::Sqlite(path)) = address.parse() {
            self.databases.push(Named::new(flag, &path));
        }
    }

    /// Adds a lake in a directory.
    fn add_lake(&mut self, flag: &str, address: &str) {
        if let Ok(LakeUrl::Dir(path)) = address.parse() {
            self.lakes.push(Named::new(flag, &path));
        }
    }

    fn check(&self) -> Result<(), String> {
        for (at, output) in self.outputs.iter().enumerate() {
            if is_special(&output.path) {
                continue;
            }
            self.outside_stores(output)?;
            if output.flag == format!("--{SORT_DIR}") {
                continue;
            }
            let others = self.outputs[..at].iter().filter(|other| other.flag != format!("--{SORT_DIR}"));
            if let Some(other) = self.inputs.iter().chain(others).find(|other| other.real == output.real) {
                let (one, two) = (&output.flag, &other.flag);
                let path = output.path.display();
                return Err(format!("{one} and {two} are the same file, {path}: use another file for one of them"));
            }
        }
        Ok(())
    }

    fn outside_stores(&self, output: &Named) -> Result<(), String> {
        let shown = output.shown();
        for database in &self.databases {
            let files = ["", "-wal", "-shm", "-journal"].map(|ending| {
                let mut name = database.real.clone().into_os_string();
                name.push(ending);
                PathBuf::from(name)
            });
            if files.contains(&output.real) {
                return Err(format!("{shown} is a file of {}: use another name", database.flag));
            }
        }
        if let Some(lake) =
            self.lakes.iter().find(|lake| lake.flag != output.flag && output.real.starts_with(&lake.real))
        {
            return Err(format!("{shown} is inside {}, whose files are all objects: use a path outside", lake.shown()));
        }
        if is_database(&output.path) {
            return Err(format!("{shown} is a SQLite database, which would be replaced: use another name"));
        }
        Ok(())
    }
}

fn is_given(matches: &ArgMatches, id: &str) -> bool {
    matches.try_get_raw(id).ok().flatten().is_some()
}

fn is_directory(address: &str) -> bool {
    matches!(address.parse(), Ok(LakeUrl::Dir(_)))
}

/// Returns true for a device or a pipe, which several flags may have.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir())
}

fn is_database(path: &Path) -> bool {
    let mut start = [0; SQLITE.len()];
    let is_file = fs::metadata(path).is_ok_and(|meta| meta.is_file());
    is_file && File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *SQLITE
}

/// Returns where a path leads, with the symbolic links of the part that exists resolved.
fn real(path: &Path) -> PathBuf {
    let target = fs::read_link(path).ok().filter(|_| !path.exists());
    let path = target.map_or_else(|| path.to_owned(), |target| path.parent().unwrap_or(Path::new("")).join(target));
    let whole = std::path::absolute(&path).unwrap_or(path);
    let resolved = whole.ancestors().find_map(|folder| {
        let rest = whole.strip_prefix(folder).ok()?;
        let folder = folder.canonicalize().ok()?;
        Some(rest.components().fold(folder, |path, part| path.join(part)))
    });
    resolved.unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::config::Config;

    /// Returns the error of a command line, with HOME replaced by the directory.
    fn error(home: &Path, words: &str) -> Option<String> {
        let home = home.to_str().unwrap();
        let args: Vec<String> = format!("ruminate {words}").split(' ').map(|word| word.replace("HOME", home)).collect();
        crate::cli::parse_from(&args, &Config::default()).err().map(|e| e.to_string())
    }

    #[test]
    fn an_output_never_replaces_a_store_or_another_file_of_the_command() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path();
        fs::create_dir(home.join("lake")).unwrap();
        for database in ["w.sqlite", "other"] {
            fs::write(home.join(database), [SQLITE, &[0; 100]].concat()).unwrap();
        }
        let stores = "--lake HOME/lake --warehouse sqlite:HOME/w.sqlite";
        for (words, expected) in [
            (format!("reconcile {stores} --drift HOME/w.sqlite"), Some("is a file of --warehouse")),
            (format!("reconcile {stores} --drift HOME/lake/../w.sqlite-wal"), Some("is a file of --warehouse")),
            (format!("reconcile {stores} --repair lake --undo-file HOME/w.sqlite"), Some("is a file of --warehouse")),
            (format!("reconcile {stores} --drift HOME/lake/d.ndjson"), Some("is inside --lake")),
            (format!("reconcile {stores} --cache HOME/lake"), Some("is inside --lake")),
            (format!("reconcile {stores} --evidence HOME/lake/a/b"), Some("is inside --lake")),
            (format!("reconcile {stores} --sort-dir HOME/lake"), Some("is inside --lake")),
            (format!("reconcile {stores} --report HOME/other"), Some("is a SQLite database")),
            (format!("reconcile {stores} --report HOME/x.json --drift HOME/x.json"), Some("are the same file")),
            (format!("reconcile {stores} --truth HOME/t --drift HOME/t"), Some("are the same file")),
            (format!("replay {stores} --only HOME/d --undo-file HOME/d"), Some("are the same file")),
            (format!("replay {stores} --report HOME/other"), Some("is a SQLite database")),
            (format!("plan reconcile {stores} --out HOME/lake/run"), Some("is inside --lake")),
            ("merge HOME/run --drift HOME/run/d.ndjson".to_owned(), Some("is inside RUN")),
            (format!("reconcile {stores} --drift ruminate.toml"), Some("are the same file")),
            ("generate --out HOME/h.ndjson --truth HOME/h.ndjson".to_owned(), Some("are the same file")),
            ("publish HOME/a --topic local --dead-letters HOME/a".to_owned(), Some("are the same file")),
            (
                "publish HOME/a --topic local --hdr HOME/h --journal HOME/h.service".to_owned(),
                Some("are the same file"),
            ),
            (format!("reconcile {stores} --drift HOME/d.ndjson --cache HOME/c --sort-dir HOME/c"), None),
            (format!("reconcile {stores} --drift /dev/null --report /dev/null"), None),
            (format!("plan reconcile {stores} --out HOME/run"), None),
            ("generate --out - --truth HOME/t".to_owned(), None),
        ] {
            let found = error(home, &words);
            let is_expected = match (&found, expected) {
                (Some(found), Some(expected)) => found.contains(expected),
                (found, expected) => found.is_none() && expected.is_none(),
            };
            assert!(is_expected, "{words}: {found:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_where_it_leads() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path();
        std::os::unix::fs::symlink(home.join("w.db"), home.join("link")).unwrap();
        assert_eq!(real(&home.join("link")), real(&home.join("w.db")));
        let outputs = home.join("link");
        let warehouse = format!("sqlite:{}", home.join("w.db").display());
        assert!(check_planned(&[("--report", outputs.as_path())], "s3://bucket", Some(&warehouse)).is_err());
    }

    /// A new flag for a file is found here until it is listed.
    #[test]
    fn every_flag_for_a_file_or_a_directory_is_an_output_or_an_input() {
        for (name, command) in crate::cli::help::commands(&crate::cli::command()) {
            for arg in command.get_arguments() {
                let Some(flag) = arg.get_long() else { continue };
                let is_path = |name: &clap::builder::Str| name.contains("FILE") || name.contains("DIR");
                if arg.get_value_names().is_some_and(|names| names.iter().any(is_path)) {
                    assert!(OUTPUTS.contains(&flag) || INPUTS.contains(&flag), "{name} --{flag} is in no list");
                }
            }
        }
    }
}
