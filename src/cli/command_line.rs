//! Command line of this run in a form that can be pasted into a shell, derived from clap's matches.
//!
//! It contains the values given on the command line, in the environment or in the config file. Defaults are omitted,
//! and passwords are replaced by `***`.

use std::ffi::OsStr;
use std::fmt;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use url::Url;

use super::config::Config;
use pipeline::warehouse::WarehouseUrl;

/// Replacement for a password.
const MASK: &str = "***";

/// Command with the options that were given.
#[derive(Debug, Clone, Default)]
pub struct CommandLine {
    command: String,
    operands: Vec<String>,
    options: Vec<Given>,
}

/// Option that was given.
#[derive(Debug, Clone)]
struct Given {
    flag: String,
    /// One value for each occurrence; empty for a switch.
    values: Vec<String>,
}

impl CommandLine {
    /// Returns the command line of these matches. The command must have been built, which parsing does.
    pub(super) fn of(command: &Command, matches: &ArgMatches, config: &Config) -> Self {
        let (mut command, mut matches, mut names) = (Some(command), matches, Vec::new());
        while let Some((name, inner)) = matches.subcommand() {
            (command, matches) = (command.and_then(|command| command.find_subcommand(name)), inner);
            names.push(name);
        }
        if names.is_empty() {
            return Self::default();
        }
        let mut line = Self { command: names.join(" "), ..Self::default() };
        let args = command.into_iter().flat_map(Command::get_arguments);
        for arg in args.filter(|arg| !arg.is_global_set()) {
            let values = || values(arg, matches);
            match (arg.get_long(), arg.get_action()) {
                _ if !is_given(arg, &names, matches, config) => {}
                (None, _) => line.operands = values(),
                (Some(flag), ArgAction::SetTrue) if matches.get_flag(arg.get_id().as_str()) => line.add(flag, vec![]),
                (Some(flag), ArgAction::Set | ArgAction::Append) => line.add(flag, values()),
                _ => {}
            }
        }
        line
    }

    fn add(&mut self, flag: &str, values: Vec<String>) {
        self.options.push(Given { flag: flag.to_owned(), values });
    }

    /// Adds an option that was not given, with a value from elsewhere.
    #[must_use]
    pub(super) fn or(mut self, flag: &str, value: impl fmt::Display) -> Self {
        if !self.options.iter().any(|option| option.flag == flag) {
            self.add(flag, vec![value.to_string()]);
        }
        self
    }

    /// Returns the command that reverts an undo file of this run, on the same stores.
    pub(super) fn undo(&self, file: &str) -> String {
        let of_undo = <super::undo::Args as clap::Args>::augment_args(Command::new("undo"));
        let shared = |option: &&Given| {
            option.flag != "dry-run" && of_undo.get_arguments().any(|arg| arg.get_long() == Some(&option.flag))
        };
        let options = self.options.iter().filter(shared).cloned().collect();
        Self { command: "undo".to_owned(), operands: vec![file.to_owned()], options }.to_string()
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = vec!["ruminate".to_owned()];
        words.extend(self.command.split(' ').map(str::to_owned));
        // An operand that looks like a flag must follow `--`, after all flags.
        let late = self.operands.iter().any(|operand| operand.starts_with('-') && operand != "-");
        if !late {
            words.extend(self.operands.iter().cloned());
        }
        for Given { flag, values } in &self.options {
            if values.is_empty() {
                words.push(format!("--{flag}"));
            }
            for value in values {
                if value.is_empty() || value.starts_with('-') {
                    words.push(format!("--{flag}={value}"));
                } else {
                    words.extend([format!("--{flag}"), value.clone()]);
                }
            }
        }
        if late {
            words.push("--".to_owned());
            words.extend(self.operands.iter().cloned());
        }
        f.write_str(&shlex::try_join(words.iter().map(String::as_str)).map_err(|_| fmt::Error)?)
    }
}

/// Returns true if the user gave a value: typed, in the environment, or in the config file.
fn is_given(arg: &Arg, commands: &[&str], matches: &ArgMatches, config: &Config) -> bool {
    match matches.value_source(arg.get_id().as_str()) {
        Some(ValueSource::CommandLine | ValueSource::EnvVariable) => true,
        Some(_) => arg.get_long().is_some_and(|flag| config.value_in(commands, flag).is_some()),
        None => false,
    }
}

/// Returns the values as they were given, without passwords.
fn values(arg: &Arg, matches: &ArgMatches) -> Vec<String> {
    // These values are not shown in the help either.
    let is_secret = arg.is_hide_env_values_set();
    let shown = |value: &OsStr| without_password(&value.to_string_lossy(), is_secret);
    matches.get_raw(arg.get_id().as_str()).into_iter().flatten().map(shown).collect()
}

/// Returns a value without the password of a URL; a possibly secret address that cannot be parsed is masked completely.
fn without_password(value: &str, is_secret: bool) -> String {
    if is_secret && value.parse::<WarehouseUrl>().is_err() {
        return MASK.to_owned();
    }
    match Url::parse(value) {
        Ok(mut url) if url.has_authority() && (is_secret || url.password().is_some()) => {
            if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
                return MASK.to_owned();
            }
            mask_query(&mut url);
            url.set_fragment(None);
            url.to_string()
        }
        Ok(_) | Err(_) => value.to_owned(),
    }
}

/// Masks parameters whose names indicate a secret.
fn mask_query(url: &mut Url) {
    let is_secret = |name: &str| ["pass", "pwd", "secret", "token"].iter().any(|part| name.contains(part));
    if !url.query_pairs().any(|(name, _)| is_secret(&name.to_lowercase())) {
        return;
    }
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let masked = pairs.into_iter().map(|(name, value)| match is_secret(&name.to_lowercase()) {
        true => (name, MASK.to_owned()),
        false => (name, value),
    });
    let masked: Vec<_> = masked.collect();
    url.query_pairs_mut().clear().extend_pairs(masked);
}

#[cfg(test)]
mod tests {
    use super::super::parse_from;
    use super::*;

    fn printed(words: &[&str]) -> String {
        parse_from(&[&["ruminate"], words].concat(), &Config::default()).unwrap().1.to_string()
    }

    #[test]
    fn defaults_are_not_printed_and_words_survive_the_shell() {
        assert_eq!(printed(&["replay", "--lake", "a b"]), "ruminate replay --lake 'a b'");
        assert_eq!(printed(&["publish", "it's", "-"]), r#"ruminate publish "it's" -"#);
        let late = printed(&["publish", "--topic", "local", "--", "-x.json", "y"]);
        assert_eq!(late, "ruminate publish --topic local -- -x.json y");
    }

    #[test]
    fn no_password_is_printed() {
        let args = ["replay", "--lake", "l", "--warehouse"];
        for (url, shown) in [
            ("mysql://ana:segredo@h/d?ssl-mode=REQUIRED", "'mysql://ana:***@h/d?ssl-mode=REQUIRED'"),
            ("mysql://ana@h/d?password=segredo", "'***'"),
            ("mysql://ana:12#segredo@h/x", "'***'"),
            ("segredo", "'***'"),
            ("sqlite:w.db", "sqlite:w.db"),
            ("sqlite:/data/w.db", "sqlite:/data/w.db"),
        ] {
            let line = printed(&[&args[..], &[url]].concat());
            assert_eq!(line, format!("ruminate replay --lake l --warehouse {shown}"));
        }
        let line = printed(&["replay", "--lake", "l", "--replica", "mysql://ana:segredo@h/d"]);
        assert_eq!(line, "ruminate replay --lake l --replica 'mysql://ana:***@h/d'");
    }

    #[test]
    fn the_undo_command_has_the_stores_of_the_run_and_nothing_else() {
        let args = ["reconcile", "--lake", "l l", "--warehouse", "mysql://ana:x@h/d", "--table", "t", "--dry-run"];
        let (_, line) =
            parse_from(&[&["ruminate"], &args[..], &["--repair", "both", "--farm", "f"]].concat(), &Config::default())
                .unwrap();
        assert_eq!(
            line.undo("my undo.ndjson"),
            "ruminate undo 'my undo.ndjson' --lake 'l l' --warehouse 'mysql://ana:***@h/d' --table t"
        );
    }

    #[test]
    fn values_of_the_config_file_are_printed_and_give_way_to_typed_ones() {
        let config =
            Config::parse("lake = 'l'\nfarm = ['a', 'b']\nverify = true\n[replay]\nconcurrency = 7", None).unwrap();
        let line = |words: &[&str]| parse_from(&[&["ruminate"], words].concat(), &config).unwrap().1.to_string();
        assert_eq!(line(&["replay"]), "ruminate replay --lake l --farm a --farm b --verify --concurrency 7");
        assert_eq!(line(&["reconcile", "--farm", "c"]), "ruminate reconcile --lake l --farm c");
    }

    /// Returns the required arguments of each command.
    fn needed(command: &str) -> &'static [&'static str] {
        match command {
            "replay" | "reconcile" => &["--lake", "l"],
            "process" => &["--lake", "l"],
            "backfill" => &["a.json", "b c.csv", "--lake", "l"],
            "publish" => &["a.json", "b c.csv", "--topic", "local"],
            "undo" => &["u.ndjson"],
            "plan reconcile" | "plan replay" | "plan compact" => &["--lake", "l", "--out", "r"],
            "compact" => &["--lake", "l"],
            "restore" => &["--lake", "l", "--to", "t"],
            "ddl" => &["--engine", "duckdb", "--lake", "l"],
            "shard" | "merge" => &["r"],
            "completions" => &["bash"],
            _ => &[],
        }
    }

    /// Returns a valid value of each flag that is not its default: of the flag, otherwise of its kind of value.
    fn sample(command: &str, flag: &str, value: &str) -> &'static str {
        match flag {
            "lake" => "s3://bucket/a-b",
            "warehouse" | "replica" => "mysql://ana@h:3307/d?ssl-mode=REQUIRED",
            "topic" => "arn:aws:sns:us-east-1:123456789012:t",
            "table" | "view" => "other",
            "listing" => "inventory:s3://inventory/lake/daily/manifest.json",
            "farm" => "fazenda_um",
            "stop-before" => "14m",
            "parts" => "never",
            "engine" => "trino",
            "repair" => "both",
            "trust" => "warehouse",
            "on-conflict" => "overwrite",
            "load-method" => "insert",
            "ingest-path" => "backfill",
            "tolerance" => "row_ts=1s",
            "format" | "compress" if command != "generate" => "csv",
            "format" => "parquet",
            "compress" => "zstd",
            "faults" => "late=0.1,malformed.text=0.2",
            "part" => "2/4",
            "generate" => "farms=2,late=0.1",
            "stages" => "ramp:0-200/s:5s,hold:200/s",
            "speed" => "60x",
            "fail-if" => "p99 > 500ms; failed > 0",
            "arch" => "arm64",
            "encoding" => "windows-1252",
            "date-order" => "dmy",
            "decimal-mark" => "comma",
            "sse" => "AES256",
            "throttle-query" => "SELECT 'it''s' > 0",
            "listen" => "127.0.0.1:0",
            _ => match value {
                "N" | "K" => "7",
                "N/s" => "500/s",
                "N|P%" => "0.5%",
                "FRACTION" => "0.03",
                "SIZE" => "1.5GB",
                "DURATION" | "DURATION|never" => "1.5s",
                "DATE" => "2026-02-03",
                "TIMESTAMP" | "TIMESTAMP|DATE" => "2026-11-22T18:00:00Z",
                "MONTH" => "2026-11",
                _ => "a file's name",
            },
        }
    }

    /// Returns the arguments that a flag requires.
    fn with(flag: &str) -> &'static [&'static str] {
        match flag {
            "trust" | "max-repairs" | "undo-file" => &["--repair", "both"],
            "ingest-path" => &["--truth", "t"],
            "watch-timeout" => &["--watch"],
            "stop-at-schedule-end" => &["--stages", "hold:5/s:1s"],
            _ => &[],
        }
    }

    /// Parsing the printed command gives the same arguments, for every single flag of every command.
    #[test]
    fn every_flag_of_every_command_is_printed_and_read_back() {
        let parse =
            |words: &[String]| parse_from(words, &Config::default()).unwrap_or_else(|e| panic!("{words:?}: {e}"));
        let mut flags = 0;
        for (name, sub) in super::super::help::commands(&super::super::command()) {
            let name = &*name;
            let own = sub.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_global_set());
            for (flag, arg) in own.filter_map(|arg| Some((arg.get_long()?, arg))) {
                let action = arg.get_action();
                let value = arg.get_value_names().map_or_else(String::new, |names| names.join(" "));
                let needed = match flag {
                    "generate" => &["--topic", "local"][..],
                    "lake" if name == "backfill" => &["a.json"],
                    "lake" if matches!(name, "replay" | "reconcile" | "process" | "compact") => &[],
                    "lake" if name == "restore" => &["--to", "t"],
                    "to" if name == "restore" => &["--lake", "l"],
                    "lake" if name == "ddl" => &["--engine", "athena"],
                    "engine" => &["--lake", "l"],
                    "lake" if name.starts_with("plan ") => &["--out", "r"],
                    "out" if name.starts_with("plan ") => &["--lake", "l"],
                    "topic" if name == "publish" => &["-"],
                    _ => needed(name),
                };
                let extra = if name == "replay" && flag == "undo-file" { &[] } else { with(flag) };
                let mut words: Vec<String> = ["ruminate"].map(str::to_owned).to_vec();
                words.extend(name.split(' ').chain(needed.iter().chain(extra).copied()).map(str::to_owned));
                words.push(format!("--{flag}"));
                if action.takes_values() {
                    words.push(sample(name, flag, &value).to_owned());
                }
                if matches!(action, ArgAction::Append) {
                    words.extend([format!("--{flag}"), sample(name, flag, &value).to_owned()]);
                }
                let (cli, line) = parse(&words);
                let printed = line.to_string();
                assert!(printed.contains(&format!("--{flag}")), "--{flag} is not in {printed}");
                let (again, second) = parse(&shlex::split(&printed).unwrap());
                assert_eq!(format!("{:?}", again.command), format!("{:?}", cli.command), "{printed}");
                assert_eq!(second.to_string(), printed);
                flags += 1;
            }
        }
        assert!(flags > 100, "{flags} flags were tried");
    }
}
