//! Where flags get their values besides the command line: environment variables, then `ruminate.toml`, then defaults.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command, Error};
use toml::{Table, Value};

const FILE: &str = "ruminate.toml";

/// Gives every flag its variable `RUMINATE_<FLAG>`.
pub(super) fn with_environment(command: Command) -> Command {
    let named = |arg: Arg| match (arg.get_long(), arg.get_action()) {
        (Some(long), ArgAction::Set | ArgAction::Append | ArgAction::SetTrue) => {
            let variable = format!("RUMINATE_{}", long.replace('-', "_").to_uppercase());
            // Shown once in the help's last line instead of with each flag.
            arg.env(variable).hide_env(true)
        }
        _ => arg,
    };
    command.mut_args(named).mut_subcommands(with_environment)
}

/// Takes the values of the settings file as defaults.
///
/// # Errors
/// The file cannot be read, is no TOML, or has a key that no command knows.
pub(super) fn with_file(command: Command) -> Result<Command, Error> {
    let Some(path) = path().filter(|path| *path != Path::new(FILE) || path.is_file()) else { return Ok(command) };
    let refuse = |what: String| {
        let message = format!("settings file {}: {what}\n", path.display());
        Error::raw(ErrorKind::ValueValidation, message)
    };
    let text = std::fs::read_to_string(&path).map_err(|e| refuse(e.to_string()))?;
    let keys = keys(&text, profile().as_deref()).map_err(refuse)?;
    if let Some((unknown, _)) = keys.iter().find(|(key, _)| !knows(&command, key)) {
        return Err(refuse(format!("no command has a flag --{unknown}")));
    }
    Ok(with_defaults(command, &keys))
}

/// The settings file: the one that is named, else the one of the working directory, which need not be there.
fn path() -> Option<PathBuf> {
    let named = raw_flag_value("--config").or_else(|| std::env::var_os("RUMINATE_CONFIG")).map(PathBuf::from);
    named.or_else(|| Some(FILE.into()))
}

fn profile() -> Option<String> {
    asked_text("--profile").or_else(|| std::env::var("RUMINATE_PROFILE").ok())
}

/// The settings file while a command runs: what is edited in it is the newest word, whatever the command line said.
#[derive(Debug)]
pub(super) struct ConfigWatcher {
    path: PathBuf,
    profile: Option<String>,
    seen: Option<(SystemTime, u64)>,
    /// The values of the watched keys when they were last looked at.
    values: BTreeMap<&'static str, Option<String>>,
}

impl ConfigWatcher {
    /// Watches these keys.
    pub(super) fn new(watched: &[&'static str]) -> Option<Self> {
        let values = watched.iter().map(|key| (*key, None)).collect();
        let mut this = Self { path: path()?, profile: profile(), seen: None, values };
        this.poll_changes();
        Some(this)
    }

    /// The keys whose values have changed since they were last asked for, with their new ones; `None` for one that is gone.
    ///
    /// A file that cannot be read or understood changes nothing, and a warning says so once.
    pub(super) fn poll_changes(&mut self) -> Vec<(&'static str, Option<String>)> {
        let seen = std::fs::metadata(&self.path).and_then(|meta| Ok((meta.modified()?, meta.len()))).ok();
        if seen == self.seen {
            return Vec::new();
        }
        self.seen = seen;
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => {
                tracing::warn!("settings file {}: {e}", self.path.display());
                return Vec::new();
            }
        };
        let keys = match keys(&text, self.profile.as_deref()) {
            Ok(keys) => keys,
            Err(e) => {
                tracing::warn!("settings file {}: {e}: nothing of it is taken", self.path.display());
                return Vec::new();
            }
        };
        let mut changes = Vec::new();
        for (key, value) in &mut self.values {
            let now = keys.iter().find(|(name, _)| name == key).map(|(_, values)| values.join(","));
            if now != *value {
                changes.push((*key, now.clone()));
                *value = now;
            }
        }
        changes
    }
}

fn raw_flag_value(flag: &str) -> Option<OsString> {
    let mut args = std::env::args_os().skip(1);
    while let Some(arg) = args.next() {
        if arg == flag {
            return args.next();
        }
        if let Some(value) = arg.to_str().and_then(|arg| arg.strip_prefix(flag)).and_then(|rest| rest.strip_prefix('='))
        {
            return Some(value.into());
        }
    }
    None
}

fn asked_text(flag: &str) -> Option<String> {
    raw_flag_value(flag).and_then(|value| value.into_string().ok())
}

/// The file's keys with their values, those of the profile over the others.
fn keys(text: &str, profile: Option<&str>) -> Result<Vec<(String, Vec<String>)>, String> {
    let mut table: Table = text.parse().map_err(|e: toml::de::Error| e.to_string())?;
    let profiles = match table.remove("profile") {
        Some(Value::Table(profiles)) => profiles,
        Some(_) => return Err("profile is no table: write [profile.NAME]".into()),
        None => Table::new(),
    };
    if let Some(name) = profile {
        match profiles.get(name) {
            Some(Value::Table(chosen)) => table.extend(chosen.clone()),
            _ => return Err(format!("there is no [profile.{name}]")),
        }
    }
    table.into_iter().map(|(key, value)| Ok((key.replace('_', "-"), texts(&key, value)?))).collect()
}

fn texts(key: &str, value: Value) -> Result<Vec<String>, String> {
    Ok(match value {
        Value::String(text) => vec![text],
        Value::Integer(number) => vec![number.to_string()],
        Value::Float(number) => vec![number.to_string()],
        Value::Boolean(truth) => vec![truth.to_string()],
        Value::Datetime(at) => vec![at.to_string()],
        Value::Array(values) => {
            let texts: Result<Vec<_>, _> = values.into_iter().map(|value| texts(key, value)).collect();
            texts?.concat()
        }
        Value::Table(_) => return Err(format!("{key} is a table: only [profile.NAME] may be")),
    })
}

fn knows(command: &Command, key: &str) -> bool {
    command.get_arguments().any(|arg| arg.get_long() == Some(key))
        || command.get_subcommands().any(|sub| knows(sub, key))
}

fn with_defaults(command: Command, keys: &[(String, Vec<String>)]) -> Command {
    let set = |arg: Arg| match keys.iter().find(|(key, _)| arg.get_long() == Some(key.as_str())) {
        Some((_, values)) => {
            let arg = arg.required(false).default_values(values.clone());
            // A value of the file may be an address with a password, which is not for the help.
            if arg.get_action().takes_values() { arg.hide_default_value(true) } else { arg }
        }
        None => arg,
    };
    command.mut_args(set).mut_subcommands(|sub| with_defaults(sub, keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_wins_over_the_rest_of_the_file() {
        let text = "lake = 'a'\nfarm = ['x', 'y']\n[profile.prod]\nlake = 'b'\nmeta_rate = 0.018\n";
        let found = keys(text, Some("prod")).unwrap();
        let of = |key: &str| found.iter().find(|(name, _)| name == key).map(|(_, values)| values.join(","));
        assert_eq!(of("lake").as_deref(), Some("b"));
        assert_eq!(of("farm").as_deref(), Some("x,y"));
        assert_eq!(of("meta-rate").as_deref(), Some("0.018"));
        assert!(keys(text, Some("none")).unwrap_err().contains("no [profile.none]"));
    }

    #[test]
    fn a_watched_file_tells_what_changed_in_it_and_a_broken_one_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("ruminate.toml");
        let mut watched = ConfigWatcher {
            path: path.clone(),
            profile: None,
            seen: None,
            values: [("pause-file", None), ("rows-per-second", None)].into(),
        };
        assert_eq!(watched.poll_changes(), []);
        std::fs::write(&path, "rows_per_second = 500").unwrap();
        assert_eq!(watched.poll_changes(), [("rows-per-second", Some("500".to_owned()))]);
        assert_eq!(watched.poll_changes(), []);
        std::fs::write(&path, "rows_per_second = ").unwrap();
        assert_eq!(watched.poll_changes(), []);
        std::fs::write(&path, "pause_file = 'x'").unwrap();
        assert_eq!(watched.poll_changes(), [("pause-file", Some("x".to_owned())), ("rows-per-second", None)]);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(watched.poll_changes(), [("pause-file", None)]);
    }

    #[test]
    fn the_command_line_is_sound_with_and_without_a_file() {
        super::super::command().debug_assert();
        let keys = keys("lake = 'a'\noutput = 'json'\nno-progress = true", None).unwrap();
        with_defaults(super::super::command(), &keys).debug_assert();
    }
}
