//! Watches the config file during a run for changed values.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use super::Config;
use super::file::{self, Chosen};

/// Config file during a run: an edited value overrides the command line.
#[derive(Debug)]
pub(in crate::cli) struct ConfigWatcher {
    path: PathBuf,
    chosen: Chosen,
    profile: Option<String>,
    command: &'static str,
    seen: Option<(SystemTime, u64)>,
    /// Values of the watched keys at the last poll.
    values: BTreeMap<&'static str, Option<String>>,
}

impl ConfigWatcher {
    /// Returns a watcher for these flags of a command.
    pub(in crate::cli) fn new(config: &Config, command: &'static str, watched: &[&'static str]) -> Self {
        let values = watched.iter().map(|flag| (*flag, None)).collect();
        let (path, chosen, profile) = (config.path.clone(), config.chosen, config.profile.clone());
        let mut this = Self { path, chosen, profile, command, seen: None, values };
        this.poll_changes();
        this
    }

    /// Returns the keys whose values have changed since the last poll, with the new values; `None` for a removed key.
    ///
    /// If the file cannot be read or parsed, nothing changes, and one warning is logged.
    pub(in crate::cli) fn poll_changes(&mut self) -> Vec<(&'static str, Option<String>)> {
        let seen = std::fs::metadata(&self.path).and_then(|meta| Ok((meta.modified()?, meta.len()))).ok();
        if seen == self.seen {
            return Vec::new();
        }
        self.seen = seen;
        let text = match file::read(&self.path, self.chosen) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => {
                tracing::warn!("config file {}: {e}", self.path.display());
                return Vec::new();
            }
        };
        let config = match Config::parse(&text, self.profile.as_deref()) {
            Ok(config) => config,
            Err(e) => {
                tracing::warn!("config file {}: {e}; file ignored", self.path.display());
                return Vec::new();
            }
        };
        let mut changes = Vec::new();
        for (key, value) in &mut self.values {
            let now = config.value(self.command, key).map(|values| values.join(","));
            if now != *value {
                changes.push((*key, now.clone()));
                *value = now;
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watched_file_reports_what_changed_in_it_and_a_broken_one_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("ruminate.toml");
        let config = Config { path: path.clone(), ..Config::default() };
        let mut watched = ConfigWatcher::new(&config, "replay", &["pause-file", "rows-per-second"]);
        assert_eq!(watched.poll_changes(), []);
        std::fs::write(&path, "[replay]\nrows_per_second = 500").unwrap();
        assert_eq!(watched.poll_changes(), [("rows-per-second", Some("500".to_owned()))]);
        assert_eq!(watched.poll_changes(), []);
        std::fs::write(&path, "rows_per_second = ").unwrap();
        assert_eq!(watched.poll_changes(), []);
        std::fs::write(&path, "pause_file = 'x'").unwrap();
        assert_eq!(watched.poll_changes(), [("pause-file", Some("x".to_owned())), ("rows-per-second", None)]);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(watched.poll_changes(), [("pause-file", None)]);
    }
}
