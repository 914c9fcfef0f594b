//! Commands that do the same as the steps of the demo, quoted for a shell.

use std::path::{Path, PathBuf};

/// Commands on the files of a demo.
#[derive(Debug, Clone)]
pub(super) struct Commands {
    dir: PathBuf,
}

impl Commands {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Returns the path of a file of the demo.
    pub(super) fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn warehouse(&self) -> String {
        format!("sqlite:{}", self.path("warehouse.db"))
    }

    /// Returns the command that generates a history of this size.
    pub(super) fn generate(&self, size: &str) -> String {
        let out = self.path("histories");
        quoted(&[&["ruminate", "generate"], &words(size)[..], &["--out", &out]].concat())
    }

    /// Returns the command that creates the warehouse.
    pub(super) fn init(&self) -> String {
        quoted(&["ruminate", "init", "--warehouse", &self.warehouse()])
    }

    /// Returns the command that publishes the history.
    pub(super) fn publish(&self) -> String {
        let stores = [&self.path("lake"), &self.warehouse()];
        let mut line = vec!["ruminate", "publish"];
        let histories = self.path("histories");
        line.extend([&histories, "--topic", "local", "--send-invalid", "--lake", stores[0], "--warehouse", stores[1]]);
        quoted(&line)
    }

    /// Returns the command that compacts the lake.
    pub(super) fn compact(&self) -> String {
        quoted(&["ruminate", "compact", "--lake", &self.path("lake")])
    }

    /// Returns a command on both stores, with further flags.
    pub(super) fn on_stores(&self, command: &str, flags: &str) -> String {
        let (lake, warehouse) = (self.path("lake"), self.warehouse());
        let stores = ["ruminate", command, "--lake", &lake, "--warehouse", &warehouse];
        quoted(&[&stores[..], &words(flags)].concat())
    }

    /// Returns the audit with its report and its drift file.
    pub(super) fn report(&self) -> String {
        let files = ["--report", &self.path("audit.html"), "--drift", &self.path("drift.ndjson")].map(str::to_owned);
        format!("{} {}", self.on_stores("reconcile", ""), quoted(&files.each_ref().map(String::as_str)))
    }

    /// Returns the audit with a repair of both sides.
    pub(super) fn repair(&self) -> String {
        let undo = quoted(&["--undo-file", &self.path("undo.ndjson")]);
        format!("{} {undo}", self.on_stores("reconcile", "--repair both"))
    }

    /// Returns the command that deletes the warehouse.
    pub(super) fn delete_warehouse(&self) -> String {
        quoted(&["rm", &self.path("warehouse.db")])
    }

    /// Returns a command that executes a statement in the warehouse.
    pub(super) fn sql(&self, statement: &str) -> String {
        quoted(&["sqlite3", &self.path("warehouse.db"), statement])
    }
}

fn words(flags: &str) -> Vec<&str> {
    flags.split_whitespace().collect()
}

/// Joins words so that a shell reads the same words.
pub(super) fn quoted(words: &[&str]) -> String {
    // Only a NUL cannot be quoted, and no path has one.
    shlex::try_join(words.iter().copied()).unwrap_or_else(|_| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_with_a_space_is_quoted() {
        let commands = Commands::new(Path::new("a b"));
        assert_eq!(commands.init(), "ruminate init --warehouse 'sqlite:a b/warehouse.db'");
        for command in [commands.publish(), commands.report(), commands.repair(), commands.generate("--days 2")] {
            let words = shlex::split(&command).unwrap();
            assert!(words.iter().any(|word| word.contains("a b/")), "{command}");
        }
    }
}
