//! Where flags get their values besides the command line: environment variables, then `ruminate.toml`, then defaults.
//!
//! A key of the file is a flag. At the top it is for every command that has the flag; in a section `[COMMAND]` it is for
//! that command and wins over the top. `[profile.NAME]` and `[profile.NAME.COMMAND]` win over both if the profile is chosen.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::SystemTime;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, Error};
use toml::{Table, Value};

use super::renamed::{self, variable};

const FILE: &str = "ruminate.toml";

/// Flags that change or delete data, or agree to it: accepted on the command line only.
const TYPED_ONLY: [&str; 6] = ["repair", "trust", "on-conflict", "into-new-table", "force", "yes"];

/// How alike two names are for one to be proposed for the other; clap's own threshold.
const ALIKE: f64 = 0.7;

/// Gives every flag its variable `RUMINATE_<FLAG>`, except for those that have to be typed.
pub(super) fn with_environment(command: Command) -> Command {
    let named = |arg: Arg| match (arg.get_long(), arg.get_action()) {
        (Some(long), ArgAction::Set | ArgAction::Append | ArgAction::SetTrue) if !TYPED_ONLY.contains(&long) => {
            let variable = variable(long);
            // Shown once in the help's last line instead of with each flag.
            arg.env(variable).hide_env(true)
        }
        _ => arg,
    };
    command.mut_args(named).mut_subcommands(with_environment)
}

/// Fails if a variable is set that would change or delete data.
///
/// # Errors
/// Returns an error that names the flag to type instead.
pub(super) fn refuse_variables(is_set: impl Fn(&str) -> bool) -> Result<(), Error> {
    match TYPED_ONLY.into_iter().find(|flag| is_set(&variable(flag))) {
        None => Ok(()),
        Some(flag) => {
            Err(Error::raw(ErrorKind::ValueValidation, format!("{}: {}\n", variable(flag), typed_only(flag))))
        }
    }
}

fn typed_only(flag: &str) -> String {
    format!("--{flag} is accepted on the command line only")
}

/// What the command line and the environment say, before the file is read.
pub(super) struct Typed {
    command: Command,
    matches: Option<ArgMatches>,
}

impl Typed {
    /// Parses leniently: what is wrong is reported later, when the file's values are known.
    pub(super) fn new(command: &Command, args: &[OsString]) -> Self {
        let mut command = command.clone().ignore_errors(true);
        let matches = command.try_get_matches_from_mut(args).ok();
        Self { command, matches }
    }

    fn global<T: Clone + Send + Sync + 'static>(&self, id: &str) -> Option<T> {
        self.matches.as_ref()?.try_get_one::<T>(id).ok().flatten().cloned()
    }

    fn subcommand(&self) -> Option<(&Command, &ArgMatches)> {
        let (name, matches) = self.matches.as_ref()?.subcommand()?;
        Some((self.command.find_subcommand(name)?, matches))
    }

    /// Returns true if an argument cannot be used with one that was typed, so that a value of the file has to give way.
    fn excludes(&self, arg: &Arg) -> bool {
        let Some((command, matches)) = self.subcommand() else { return false };
        let conflicts = |one: &Arg, other: &Arg| command.get_arg_conflicts_with(one).contains(&other);
        let is_typed = |other: &&Arg| {
            let source = matches.value_source(other.get_id().as_str());
            matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable))
        };
        let Some(arg) = command.get_arguments().find(|own| own.get_id() == arg.get_id()) else { return false };
        command.get_arguments().filter(is_typed).any(|other| {
            let alternatives = command.get_groups().filter(|group| !(*group).clone().is_multiple());
            let mut of_one_group = alternatives.map(|group| group.get_args().collect::<Vec<_>>());
            other.get_id() != arg.get_id()
                && (conflicts(arg, other)
                    || conflicts(other, arg)
                    || of_one_group.any(|ids| ids.contains(&arg.get_id()) && ids.contains(&other.get_id())))
        })
    }
}

/// The values of the config file.
#[derive(Debug, Clone, Default)]
pub struct Config {
    path: PathBuf,
    profile: Option<String>,
    /// The strongest last.
    entries: Vec<Entry>,
}

/// A key with its values.
#[derive(Debug, Clone)]
struct Entry {
    /// The command that it is for; `None` for all that have the flag.
    section: Option<String>,
    flag: String,
    values: Vec<String>,
}

impl Config {
    /// Reads the file that `--config` names, or `ruminate.toml` if it exists.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is not TOML, or has a key that no command knows.
    pub(super) fn load(typed: &Typed) -> Result<Self, Error> {
        let named: Option<PathBuf> = typed.global("config");
        let profile: Option<String> = typed.global("profile");
        let is_optional = named.is_none();
        let path = named.unwrap_or_else(|| FILE.into());
        let refuse = |what: String| {
            let message = format!("config file {}: {what}\n", path.display());
            Error::raw(ErrorKind::ValueValidation, message)
        };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && is_optional && profile.is_none() => String::new(),
            Err(e) => return Err(refuse(e.to_string())),
        };
        let config = Self::parse(&text, profile.as_deref()).map_err(refuse)?;
        Ok(Self { path, profile, ..config })
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// Returns an error if it is not TOML, or has a key that no command knows.
    pub(super) fn parse(text: &str, profile: Option<&str>) -> Result<Self, String> {
        let mut table: Table = text.parse().map_err(|e: toml::de::Error| e.to_string())?;
        let mut profiles = match table.remove("profile") {
            Some(Value::Table(profiles)) => profiles,
            Some(_) => return Err("profile is not a table: write [profile.NAME]".into()),
            None => Table::new(),
        };
        let chosen = match profile.map(|name| (name, profiles.remove(name))) {
            None => Table::new(),
            Some((_, Some(Value::Table(chosen)))) => chosen,
            Some((name, _)) => return Err(format!("there is no [profile.{name}]")),
        };
        let mut config = Self::default();
        // The other profiles are read too: a mistake in them is found before they are needed.
        for (_, other) in profiles {
            if let Value::Table(other) = other {
                config.add(other)?;
            }
        }
        config.entries.clear();
        config.add(table)?;
        config.add(chosen)?;
        Ok(config)
    }

    /// Adds a table: first its own keys, then those of its sections, which win over them.
    fn add(&mut self, table: Table) -> Result<(), String> {
        let command = super::command();
        let mut sections = Vec::new();
        for (key, value) in table {
            match value {
                Value::Table(section) if command.find_subcommand(&key).is_some() => sections.push((key, section)),
                value => self.entries.push(Entry::new(&command, None, &key, value)?),
            }
        }
        for (name, section) in sections {
            for (key, value) in section {
                self.entries.push(Entry::new(&command, Some(&name), &key, value)?);
            }
        }
        Ok(())
    }

    /// The values of a command's flag.
    pub(super) fn value(&self, command: &str, flag: &str) -> Option<&[String]> {
        let is_meant =
            |entry: &&Entry| entry.flag == flag && entry.section.as_deref().is_none_or(|section| section == command);
        self.entries.iter().rfind(is_meant).map(|entry| &*entry.values)
    }

    /// Takes the values as defaults of the flags.
    pub(super) fn apply(&self, command: Command, typed: &Typed) -> Command {
        let selected = typed.subcommand().map(|(command, _)| command.get_name().to_owned()).unwrap_or_default();
        let set = |command: &str, arg: Arg| match arg.get_long().and_then(|flag| self.value(command, flag)) {
            Some(values) => {
                let arg = arg.required(false).default_values(values.to_vec());
                // A value of the file may be an address with a password, which is not for the help.
                if arg.get_action().takes_values() { arg.hide_default_value(true) } else { arg }
            }
            None => arg,
        };
        command.mut_args(|arg| set(&selected, arg)).mut_subcommands(|sub| {
            let name = sub.get_name().to_owned();
            sub.mut_args(|arg| if name == selected && typed.excludes(&arg) { arg } else { set(&name, arg) })
        })
    }
}

impl Entry {
    /// A key of a section, or of no section, if a command has such a flag.
    fn new(command: &Command, section: Option<&str>, key: &str, value: Value) -> Result<Self, String> {
        let flag = key.replace('_', "-");
        let place = section.map(|section| format!(" in [{section}]")).unwrap_or_default();
        let of = commands_with(command, &flag);
        if let Some(new) = renamed::new_name(&flag) {
            return Err(format!("{key} is now {}", new.replace('-', "_")));
        }
        if flag == "undo" {
            return Err("undo is now a command: ruminate undo FILE".into());
        }
        if TYPED_ONLY.contains(&&*flag) {
            return Err(format!("{key}{place}: {}", typed_only(&flag)));
        }
        let is_known = match section {
            None => !of.is_empty(),
            Some(section) => of.iter().any(|name| name == section || name.is_empty()),
        };
        if !is_known {
            return Err(format!("unknown key {key}{place}{}", hint(command, section, &flag, &of)));
        }
        if value.is_table() {
            return Err(format!("{key} is a flag, not a section: sections are [COMMAND] and [profile.NAME]"));
        }
        Ok(Self { section: section.map(str::to_owned), flag, values: texts(value) })
    }
}

/// The commands that have a flag; an empty name for a flag of all commands.
fn commands_with(command: &Command, flag: &str) -> Vec<String> {
    let has = |command: &Command| command.get_arguments().any(|arg| arg.get_long() == Some(flag));
    if has(command) {
        return vec![String::new()];
    }
    command.get_subcommands().filter(|sub| has(sub)).map(|sub| sub.get_name().to_owned()).collect()
}

/// What may be meant by an unknown key.
fn hint(command: &Command, section: Option<&str>, flag: &str, of: &[String]) -> String {
    if !of.is_empty() {
        return format!(": --{flag} is a flag of {}", of.join(", "));
    }
    let is_searched = |sub: &&Command| section.is_none_or(|section| sub.get_name() == section);
    let commands = std::iter::once(command).chain(command.get_subcommands().filter(is_searched));
    let flags = commands.flat_map(|command| command.get_arguments().filter_map(Arg::get_long));
    let alike = flags.map(|known| (strsim::jaro(flag, known), known)).filter(|(alike, _)| *alike > ALIKE);
    let Some((_, nearest)) = alike.max_by(|(one, _), (other, _)| one.total_cmp(other)) else {
        let sections = command.get_subcommands().map(Command::get_name).collect::<Vec<_>>();
        return format!(": it is neither a flag nor a command ({})", sections.join(", "));
    };
    let of = commands_with(command, nearest).join(", ");
    let of = if of.is_empty() { "every command".to_owned() } else { of };
    format!(": did you mean {}? (--{nearest} of {of})", nearest.replace('-', "_"))
}

fn texts(value: Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text],
        Value::Integer(number) => vec![number.to_string()],
        Value::Float(number) => vec![number.to_string()],
        Value::Boolean(truth) => vec![truth.to_string()],
        Value::Datetime(at) => vec![at.to_string()],
        Value::Array(values) => values.into_iter().flat_map(texts).collect(),
        Value::Table(_) => Vec::new(),
    }
}

/// The config file during a run: an edited value wins over the command line.
#[derive(Debug)]
pub(super) struct ConfigWatcher {
    path: PathBuf,
    profile: Option<String>,
    command: &'static str,
    seen: Option<(SystemTime, u64)>,
    /// The values of the watched keys when they were last looked at.
    values: BTreeMap<&'static str, Option<String>>,
}

impl ConfigWatcher {
    /// Watches these flags of a command.
    pub(super) fn new(config: &Config, command: &'static str, watched: &[&'static str]) -> Self {
        let values = watched.iter().map(|flag| (*flag, None)).collect();
        let (path, profile) = (config.path.clone(), config.profile.clone());
        let mut this = Self { path, profile, command, seen: None, values };
        this.poll_changes();
        this
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

    fn joined(config: &Config, command: &str, flag: &str) -> Option<String> {
        config.value(command, flag).map(|values| values.join(","))
    }

    #[test]
    fn a_section_wins_over_the_top_and_a_profile_over_the_rest_of_the_file() {
        let text = "
            lake = 'top'
            farm = ['x', 'y']
            concurrency = 8
            [replay]
            concurrency = 64
            lake = 'replay'
            [profile.prod]
            lake = 'prod'
            meta_rate = 0.018
            [profile.prod.replay]
            concurrency = 16
        ";
        let base = Config::parse(text, None).unwrap();
        let prod = Config::parse(text, Some("prod")).unwrap();
        for (config, command, flag, value) in [
            (&base, "replay", "lake", Some("replay")),
            (&base, "reconcile", "lake", Some("top")),
            (&base, "replay", "concurrency", Some("64")),
            (&base, "publish", "concurrency", Some("8")),
            (&base, "reconcile", "farm", Some("x,y")),
            (&base, "reconcile", "meta-rate", None),
            (&prod, "replay", "lake", Some("prod")),
            (&prod, "replay", "concurrency", Some("16")),
            (&prod, "publish", "concurrency", Some("8")),
            (&prod, "reconcile", "meta-rate", Some("0.018")),
        ] {
            assert_eq!(joined(config, command, flag).as_deref(), value, "{command} {flag}");
        }
        assert!(Config::parse(text, Some("none")).unwrap_err().contains("no [profile.none]"));
    }

    #[test]
    fn an_unknown_key_names_the_nearest_flag_and_the_commands_that_have_it() {
        for (text, words) in [
            ("lakke = 'x'", &["unknown key lakke", "did you mean lake?", "--lake of", "replay"][..]),
            ("[replay]\nconcurency = 1", &["concurency in [replay]", "did you mean concurrency?"]),
            ("[replay]\nmax_drift = 1", &["max_drift in [replay]", "--max-drift is a flag of reconcile"]),
            ("outptu = 'json'", &["did you mean output? (--output of every command)"]),
            ("[replays]\nlake = 'x'", &["unknown key replays"]),
            ("zzz = 1", &["unknown key zzz: it is neither a flag nor a command", "replay"]),
            ("[lake]\nx = 1", &["lake is a flag, not a section"]),
            ("profile = 'x'", &["write [profile.NAME]"]),
            ("[profile.other]\nlakke = 'x'", &["unknown key lakke"]),
            ("[profile.other.replay]\nmax_drift = 1", &["a flag of reconcile"]),
            ("yes = true", &["--yes is accepted on the command line only"]),
            ("[reconcile]\nrepair = 'both'", &["repair in [reconcile]", "command line only"]),
            ("undo = 'x'", &["ruminate undo FILE"]),
        ] {
            let e = Config::parse(text, None).unwrap_err();
            assert!(words.iter().all(|word| e.contains(word)), "{text}: {e}");
        }
    }

    #[test]
    fn flags_that_change_data_are_taken_from_no_variable() {
        for flag in TYPED_ONLY {
            let e = refuse_variables(|name| name == variable(flag)).unwrap_err().to_string();
            assert!(e.contains(&format!("--{flag} is accepted on the command line only")), "{e}");
        }
        refuse_variables(|_| false).unwrap();
    }

    #[test]
    fn a_typed_flag_wins_over_its_alternatives_in_the_file() {
        let config = Config::parse("rate = '5/s'\n[publish]\nfarm = 'x'", None);
        assert!(config.is_err(), "publish has no --farm");
        let config = Config::parse("rate = '5/s'", None).unwrap();
        let args = ["ruminate", "publish", "x", "--topic", "local", "--stages", "hold:5/s:1s"];
        let (_, line) = super::super::parse_from(&args, &config).unwrap();
        assert_eq!(line.to_string(), "ruminate publish x --stages hold:5/s:1s --topic local");
    }

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

    #[test]
    fn the_command_line_is_sound_with_and_without_a_file() {
        let command = super::super::command();
        command.clone().debug_assert();
        let typed = Typed::new(&command, &["ruminate".into()]);
        let config = Config::parse("lake = 'a'\noutput = 'json'\nno-progress = true", None).unwrap();
        config.apply(command, &typed).debug_assert();
    }
}
