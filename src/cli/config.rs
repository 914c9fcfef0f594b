//! Values of flags from outside the command line: environment variables, then `ruminate.toml`, then defaults.
//!
//! A key of the file is a flag. At the top level, it applies to every command that has the flag. In a section
//! `[COMMAND]`, it applies to that command and overrides the top level. `[profile.NAME]` and `[profile.NAME.COMMAND]`
//! override both if the profile is selected.

use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command, Error};
use toml::{Table, Value};

use super::renamed::{self, variable};

mod file;
mod typed;
mod unverified;
mod watched;

use file::Chosen;
pub(super) use typed::Typed;
pub(super) use watched::ConfigWatcher;

/// Name of the config file in the working directory.
pub(super) const FILE: &str = "ruminate.toml";

/// Flags that change or delete data, confirm it, or switch a check off: accepted only on the command line.
const TYPED_ONLY: [&str; 10] = [
    "repair",
    "trust",
    "on-conflict",
    "into-new-table",
    "drop-deleted",
    "force",
    "yes",
    "allow-empty",
    "any-topic",
    "insecure-skip-signature",
];

/// Flags that no key sets: they choose the file, or are counted or answered before it is read.
const WITHOUT_KEY: [&str; 5] = ["config", "profile", "verbose", "help", "version"];

/// Minimum similarity of two names for a suggestion; clap's own threshold.
const ALIKE: f64 = 0.7;

/// Gives every flag its variable `RUMINATE_<FLAG>`, except for those that must be typed.
pub(super) fn with_environment(command: Command) -> Command {
    let named = |arg: Arg| match (arg.get_long(), arg.get_action()) {
        // The flag is a day for other commands, and a target for this one.
        _ if arg.get_id() == super::restore::TARGET => arg,
        (Some(long), ArgAction::Set | ArgAction::Append | ArgAction::SetTrue) if !TYPED_ONLY.contains(&long) => {
            let variable = variable(long);
            // Shown once in the last line of the help instead of with each flag.
            arg.env(variable).hide_env(true)
        }
        _ => arg,
    };
    command.mut_args(named).mut_subcommands(with_environment)
}

/// Rejects variables that would change or delete data, or switch a check off.
///
/// # Errors
/// Returns an error that names the flag to type instead if such a variable is set.
pub(super) fn refuse_variables(is_set: impl Fn(&str) -> bool) -> Result<(), Error> {
    match TYPED_ONLY.into_iter().find(|flag| is_set(&variable(flag))) {
        None => Ok(()),
        Some(flag) => {
            Err(Error::raw(ErrorKind::ValueValidation, format!("{}: {}\n", variable(flag), typed_only(flag))))
        }
    }
}

/// Maximum number of open brackets and braces in a file. No setting needs more than a few, and the parser recurses into inline
/// tables, also on the small stack of a thread that reads changed settings.
const MAX_NESTING: usize = 64;

fn is_nested_too_deeply(text: &str) -> bool {
    let mut depth = 0_usize;
    text.bytes().any(|byte| {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > MAX_NESTING
    })
}

fn typed_only(flag: &str) -> String {
    format!("--{flag} is accepted on the command line only")
}

/// Values of the config file.
#[derive(Debug, Clone, Default)]
pub struct Config {
    path: PathBuf,
    chosen: Chosen,
    profile: Option<String>,
    /// Sorted by ascending precedence.
    entries: Vec<ConfigValue>,
}

/// Key of a config file with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigValue {
    /// Command of the key. `None` for all commands with the flag.
    pub section: Option<String>,
    /// Name of the flag.
    pub flag: String,
    /// Values of the flag.
    pub values: Vec<String>,
}

impl Config {
    /// Reads the file given with `--config`, or `ruminate.toml` if it exists.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is not TOML, or has a key that no command has; and for a file that
    /// was not named if others may have changed it, or if it requests a connection that is not verified.
    pub(super) fn load(typed: &Typed) -> Result<Self, Error> {
        let named: Option<PathBuf> = typed.global("config");
        let profile: Option<String> = typed.global("profile");
        let chosen = if named.is_none() { Chosen::Found } else { Chosen::Named };
        let path = named.unwrap_or_else(|| FILE.into());
        let refuse = |what: String| {
            let message = format!("config file {}: {what}\n", path.display());
            Error::raw(ErrorKind::ValueValidation, message)
        };
        let is_optional = chosen == Chosen::Found && profile.is_none();
        let text = match file::read(&path, chosen) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && is_optional => String::new(),
            Err(e) => return Err(refuse(e.to_string())),
        };
        let config = Self::parse(&text, profile.as_deref()).map_err(refuse)?;
        if chosen == Chosen::Found {
            config.entries.iter().try_for_each(unverified::refuse).map_err(refuse)?;
        }
        Ok(Self { path, chosen, profile, ..config })
    }

    /// Parses the text of a file.
    ///
    /// # Errors
    /// Returns an error if it is not TOML, is nested too deeply, or has a key that no command has.
    pub(super) fn parse(text: &str, profile: Option<&str>) -> Result<Self, String> {
        if is_nested_too_deeply(text) {
            return Err(format!(
                "its values are nested more than {MAX_NESTING} levels deep: a value is a text, a number or a list"
            ));
        }
        let mut table: Table = text.parse().map_err(|e: toml::de::Error| format!("{e}{}", missing_quotes(text, &e)))?;
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
        // The other profiles are parsed too, to find mistakes in them before they are used.
        for (name, other) in profiles {
            match other {
                Value::Table(other) => config.add(other)?,
                _ => return Err(format!("profile.{name} is not a table: write [profile.NAME] above its keys")),
            }
        }
        config.entries.clear();
        config.add(table)?;
        config.add(chosen)?;
        Ok(config)
    }

    /// Adds a table: first its own keys, then those of its sections, which override them.
    fn add(&mut self, table: Table) -> Result<(), String> {
        let command = super::command();
        let mut sections = Vec::new();
        for (key, value) in table {
            match value {
                Value::Table(section) if command.find_subcommand(&key).is_some() => sections.push((key, section)),
                value => self.entries.push(ConfigValue::new(&command, None, &key, value)?),
            }
        }
        for (name, section) in sections {
            for (key, value) in section {
                self.entries.push(ConfigValue::new(&command, Some(&name), &key, value)?);
            }
        }
        Ok(())
    }

    /// Returns the values of a command's flag. `None` if the file has none.
    pub(super) fn value(&self, command: &str, flag: &str) -> Option<&[String]> {
        self.value_in(&[command], flag)
    }

    /// Returns the values of a flag at the top level and in these sections.
    pub(super) fn value_in(&self, sections: &[&str], flag: &str) -> Option<&[String]> {
        self.entry(sections, flag).map(|entry| &*entry.values)
    }

    /// Returns the file and the key of a flag's value, at the top level or in these sections. `None` if the file has no
    /// value.
    pub(super) fn origin(&self, sections: &[&str], flag: &str) -> Option<String> {
        let entry = self.entry(sections, flag)?;
        let path = if self.path.as_os_str().is_empty() { Path::new(FILE) } else { &self.path };
        let section = entry.section.as_deref().map(|section| format!(" in [{section}]")).unwrap_or_default();
        Some(format!("{}, key {}{section}", path.display(), flag.replace('-', "_")))
    }

    /// Returns all values, by ascending precedence.
    pub(super) fn into_values(self) -> Vec<ConfigValue> {
        self.entries
    }

    fn entry(&self, sections: &[&str], flag: &str) -> Option<&ConfigValue> {
        let is_meant = |entry: &&ConfigValue| {
            entry.flag == flag && entry.section.as_deref().is_none_or(|section| sections.contains(&section))
        };
        self.entries.iter().rfind(is_meant)
    }

    /// Sets the values as defaults of the flags.
    pub(super) fn apply(&self, command: Command, typed: &Typed) -> Command {
        let selected = typed.subcommand().map(|(command, _)| command.get_name().to_owned()).unwrap_or_default();
        let is_target = |arg: &Arg| arg.get_id() == super::restore::TARGET;
        let value = |sections: &[&str], arg: &Arg| match arg.get_long() {
            Some(flag) if !is_target(arg) => self.value_in(sections, flag),
            _ => None,
        };
        let set = |sections: &[&str], arg: Arg| match value(sections, &arg) {
            Some(values) => {
                let arg = arg.required(false).default_values(values);
                // A value of the file may be an address with a password, which must not appear in the help.
                if arg.get_action().takes_values() { arg.hide_default_value(true) } else { arg }
            }
            None => arg,
        };
        let set_all = |outer: Option<&str>, sub: Command| {
            let name = sub.get_name().to_owned();
            let sections: Vec<&str> = outer.into_iter().chain([name.as_str()]).collect();
            sub.mut_args(|arg| if name == selected && typed.excludes(&arg) { arg } else { set(&sections, arg) })
        };
        command.mut_args(|arg| set(&[&selected], arg)).mut_subcommands(|sub| {
            // The plan of a job uses the values of that job's section.
            let outer = sub.get_name().to_owned();
            set_all(None, sub).mut_subcommands(|job| set_all(Some(&outer), job))
        })
    }
}

impl ConfigValue {
    /// Returns a key of a section, or of the top level, if a command has such a flag.
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
        if WITHOUT_KEY.contains(&&*flag) {
            return Err(format!("{key}{place}: --{flag} cannot be set in a config file"));
        }
        if TYPED_ONLY.contains(&&*flag) {
            return Err(format!("{key}{place}: {}", typed_only(&flag)));
        }
        let is_known = match section {
            None => !of.is_empty(),
            Some(section) => of.iter().any(|name| name == section || name.is_empty()),
        };
        if value.is_table() && of.is_empty() {
            return Err(unknown_section(command, key));
        }
        if !is_known {
            return Err(format!("unknown key {key}{place}{}", hint(command, section, &flag, &of)));
        }
        if value.is_table() {
            return Err(format!("{key} is a flag, not a section: sections are [COMMAND] and [profile.NAME]"));
        }
        let is_repeatable =
            || args_of(command, section, &flag).all(|arg| matches!(arg.get_action(), ArgAction::Append));
        if matches!(value, Value::Array(_)) && !is_repeatable() {
            return Err(format!("{key}{place} is a list, and --{flag} has one value"));
        }
        let values = texts(value).ok_or_else(|| format!("{key}{place}: a list has texts or numbers only"))?;
        if values.is_empty() {
            return Err(format!("{key}{place} is an empty list: remove the key"));
        }
        Ok(Self { section: section.map(str::to_owned), flag, values })
    }
}

/// Returns the arguments that a key of a section sets, or of the top level.
fn args_of<'a>(command: &'a Command, section: Option<&'a str>, flag: &'a str) -> impl Iterator<Item = &'a Arg> {
    let is_meant = move |sub: &&Command| section.is_none_or(|section| sub.get_name() == section);
    let subs = command.get_subcommands().filter(is_meant);
    let all = subs.flat_map(|sub| std::iter::once(sub).chain(sub.get_subcommands()));
    let args = std::iter::once(command).chain(all).flat_map(Command::get_arguments);
    args.filter(move |arg| arg.get_long() == Some(flag) && arg.get_id() != super::restore::TARGET)
}

/// Returns a hint if the line of a TOML error has a text without quotes; empty if it has none.
fn missing_quotes(text: &str, e: &toml::de::Error) -> String {
    let at = e.span().map_or(0, |span| span.start.min(text.len()));
    let start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let Some((key, value)) = line.split_once('=').map(|(key, value)| (key.trim(), value.trim())) else {
        return String::new();
    };
    let is_bare = !value.is_empty() && !value.starts_with(['"', '\'', '[', '{']);
    if is_bare { format!("text needs quotes: {key} = \"{value}\"") } else { String::new() }
}

/// Returns the message for a section that is not a command.
fn unknown_section(command: &Command, key: &str) -> String {
    let names = || command.get_subcommands().map(Command::get_name);
    let alike = names().map(|known| (strsim::jaro(key, known), known)).filter(|(alike, _)| *alike > ALIKE);
    match alike.max_by(|(one, _), (other, _)| one.total_cmp(other)) {
        Some((_, nearest)) => format!("unknown section [{key}]: did you mean [{nearest}]?"),
        None => {
            let names = names().collect::<Vec<_>>().join(", ");
            format!("unknown section [{key}]: sections are [profile.NAME] and a command: {names}")
        }
    }
}

/// Returns the commands that have a flag; an empty name means a flag of all commands.
fn commands_with(command: &Command, flag: &str) -> Vec<String> {
    let has = |command: &Command| command.get_arguments().any(|arg| arg.get_long() == Some(flag));
    if has(command) {
        return vec![String::new()];
    }
    let has = |sub: &&Command| has(sub) || sub.get_subcommands().any(has);
    command.get_subcommands().filter(has).map(|sub| sub.get_name().to_owned()).collect()
}

/// Returns a suggestion for an unknown key.
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

/// Returns the values of a key. `None` for a table, or for a list with a table or a list in it.
fn texts(value: Value) -> Option<Vec<String>> {
    match value {
        Value::Array(values) => values.into_iter().map(text).collect(),
        value => text(value).map(|text| vec![text]),
    }
}

fn text(value: Value) -> Option<String> {
    Some(match value {
        Value::String(text) => text,
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Datetime(at) => at.to_string(),
        Value::Array(_) | Value::Table(_) => return None,
    })
}

#[cfg(test)]
mod tests;
