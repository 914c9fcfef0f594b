//! Hints that are added to clap's errors: where a value comes from, which command has a flag, and what to write instead.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};

use super::config::Config;
use super::renamed::{self, variable};

/// Minimum similarity of two names for a suggestion; clap's own threshold is lower, for short flags.
const ALIKE: f64 = 0.85;
/// Prefix of the variables.
const PREFIX: &str = "RUMINATE_";
/// Variables with the prefix that are not flags: settings of the tests, and of the Lambda in the same environment.
const OTHER_VARIABLES: [&str; 2] = ["RUMINATE_TEST_", "RUMINATE_RELEASE_"];

/// Adds hints to an error in a command line. A command has one name, or two such as `plan reconcile`.
pub(super) fn explained(e: Error, names: &[&str], command: &Command, config: &Config, typed: &[String]) -> Error {
    let name = &*names.join(" ");
    match e.kind() {
        ErrorKind::UnknownArgument => unknown_flag(e, name, command),
        ErrorKind::InvalidSubcommand => other_command(e),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => with_origin(e, names, config, typed),
        ErrorKind::ArgumentConflict => with_stages(e),
        ErrorKind::MissingRequiredArgument if name == "publish" => with_generate(e),
        _ => e,
    }
}

/// Returns the text of a part of an error's context.
fn named(e: &Error, kind: ContextKind) -> String {
    e.get(kind).map(ToString::to_string).unwrap_or_default()
}

fn tip(mut e: Error, tip: String) -> Error {
    let mut tips = match e.remove(ContextKind::Suggested) {
        Some(ContextValue::StyledStrs(tips)) => tips,
        _ => Vec::new(),
    };
    tips.push(tip.into());
    e.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    e
}

/// Tasks by the words of the documentation and of other tools, with the command of each.
const TASKS: [(&[&str], &str); 6] = [
    (&["audit", "check", "compare", "diff", "verify"], "reconcile"),
    (&["repair", "fix"], "reconcile --repair"),
    (&["recover", "rebuild", "load"], "replay"),
    (&["load-test", "loadtest", "send"], "publish"),
    (&["import", "ingest"], "backfill"),
    (&["deploy", "package"], "bundle"),
];

/// Names the command of a task that is not a command.
fn other_command(mut e: Error) -> Error {
    let word = named(&e, ContextKind::InvalidSubcommand);
    let Some((_, command)) = TASKS.iter().find(|(words, _)| words.contains(&word.as_str())) else { return e };
    e.remove(ContextKind::SuggestedSubcommand);
    tip(e, format!("that is `ruminate {command}`"))
}

/// Names the current name of a renamed flag, or the commands that have the flag.
fn unknown_flag(mut e: Error, name: &str, command: &Command) -> Error {
    let unknown = named(&e, ContextKind::InvalidArg);
    let Some(flag) = unknown.strip_prefix("--").and_then(|flag| flag.split(['=', ' ']).next()) else { return e };
    if let Some(message) = renamed::message(flag, name, |new| of_others(command, name, new)) {
        return Error::raw(ErrorKind::UnknownArgument, message + "\n");
    }
    // A flag is never meant as a file name, which clap suggests.
    e.remove(ContextKind::Suggested);
    match of_others(command, name, flag) {
        Some(others) => {
            e.remove(ContextKind::SuggestedArg);
            tip(e, format!("{name} has no --{flag}: it is a flag of {others}"))
        }
        None => e,
    }
}

/// Returns the other commands that have a flag; `None` if this command has it, or no command.
fn of_others(command: &Command, name: &str, flag: &str) -> Option<String> {
    let has = |command: &Command| command.get_arguments().any(|arg| arg.get_long() == Some(flag));
    let mut with = command.get_subcommands().filter(|sub| has(sub)).map(Command::get_name).collect::<Vec<_>>();
    if has(command) || with.contains(&name) || with.is_empty() {
        return None;
    }
    let last = with.pop()?;
    Some(if with.is_empty() { last.to_owned() } else { format!("{} and {last}", with.join(", ")) })
}

/// Names the variable or the config file that an invalid value comes from, and the form of a number.
fn with_origin(mut e: Error, names: &[&str], config: &Config, typed: &[String]) -> Error {
    let arg = named(&e, ContextKind::InvalidArg);
    let Some(flag) = arg.strip_prefix("--").and_then(|flag| flag.split(['=', ' ']).next()) else { return e };
    if e.to_string().contains("invalid digit found in string") {
        e = tip(e, format!("--{flag} is a whole number"));
    }
    let is_typed =
        typed.iter().any(|word| word.strip_prefix("--").is_some_and(|word| word.split('=').next() == Some(flag)));
    let variable = variable(flag);
    if is_typed {
        e
    } else if std::env::var_os(&variable).is_some() {
        tip(e, format!("the value comes from the environment variable {variable}"))
    } else if let Some(place) = config.origin(names, flag) {
        tip(e, format!("the value comes from {place}"))
    } else {
        e
    }
}

/// Names what replaces a rate and stages, if both are given.
fn with_stages(e: Error) -> Error {
    let both = named(&e, ContextKind::InvalidArg) + &named(&e, ContextKind::PriorArg);
    if !both.contains("--stages") || !both.contains("--rate") {
        return e;
    }
    let how = "stages have their own rates; a last one without a time lasts until the input ends: --stages \
               ramp:0-200/s:5s,hold:200/s";
    tip(e, how.into())
}

/// Names the alternative to input files.
fn with_generate(e: Error) -> Error {
    if !named(&e, ContextKind::InvalidArg).contains("<FILE>") {
        return e;
    }
    tip(e, "without files, publish generated readings: --generate farms=2,lots=100,days=30".into())
}

/// Returns the similarity of two variables without their prefix, which alone would make any two of them similar.
fn likeness(one: &str, other: &str) -> f64 {
    let [one, other] = [one, other].map(|name| name.strip_prefix(PREFIX).unwrap_or(name));
    strsim::jaro(one, other)
}

/// Returns a warning for each variable with the program's prefix that is not a flag.
pub(super) fn unknown_variables(command: &Command, names: impl Iterator<Item = String>) -> Vec<String> {
    let commands = || std::iter::once(command).chain(command.get_subcommands());
    let known: Vec<String> =
        commands().flat_map(|command| command.get_arguments().filter_map(|arg| arg.get_long())).map(variable).collect();
    let is_unknown = |name: &String| {
        name.starts_with(PREFIX)
            && !known.contains(name)
            && !OTHER_VARIABLES.iter().any(|prefix| name.starts_with(prefix))
    };
    let warning = |name: String| {
        let alike = known.iter().map(|known| (likeness(&name, known), known)).filter(|(alike, _)| *alike > ALIKE);
        match alike.max_by(|(one, _), (other, _)| one.total_cmp(other)) {
            Some((_, nearest)) => {
                format!("{name} is not a variable of ruminate and is ignored: did you mean {nearest}?")
            }
            None => format!("{name} is not a variable of ruminate and is ignored"),
        }
    };
    let mut warnings: Vec<String> = names.filter(is_unknown).map(warning).collect();
    warnings.sort();
    warnings
}

#[cfg(test)]
mod tests {
    use super::super::{command, parse_from};
    use super::*;

    fn error(words: &[&str], config: &str) -> String {
        let config = Config::parse(config, None).unwrap();
        parse_from(&[&["ruminate"], words].concat(), &config).unwrap_err().to_string()
    }

    #[test]
    fn a_flag_of_other_commands_is_not_suggested_as_a_file_name() {
        let e = error(&["backfill", "x", "--lake", "l", "--dry-run"], "");
        assert!(
            e.contains(
                "backfill has no --dry-run: it is a flag of replay, reconcile, undo, compact, restore and merge"
            ),
            "{e}"
        );
        let e = error(&["backfill", "x", "--lake", "l", "--zzz"], "");
        assert!(e.contains("unexpected argument '--zzz'") && !e.contains("as a value"), "{e}");
        let e = error(&["plan", "reconcile", "--lake", "l", "--out", "run", "--cache", "c"], "");
        assert!(e.contains("plan reconcile has no --cache: it is a flag of reconcile"), "{e}");
        let e = error(&["replay", "--lake", "l", "--verfy"], "");
        assert!(e.contains("'--verify'"), "{e}");
    }

    #[test]
    fn a_renamed_flag_that_this_command_does_not_have_names_those_that_do() {
        let e = error(&["publish", "x", "--attempts", "3"], "");
        assert!(e.contains("--attempts is now --max-attempts, which publish does not have"), "{e}");
        assert!(
            e.contains("it is a flag of backfill, process, replay, reconcile, compact, restore, shard and merge"),
            "{e}"
        );
    }

    #[test]
    fn an_invalid_value_names_the_file_and_the_key() {
        let e = error(&["replay", "--lake", "l"], "concurrency = 'many'");
        assert!(e.contains("the value comes from ruminate.toml, key concurrency"), "{e}");
        assert!(e.contains("--concurrency is a whole number"), "{e}");
        let e = error(&["replay", "--lake", "l"], "[replay]\nconcurrency = 'many'");
        assert!(e.contains("ruminate.toml, key concurrency in [replay]"), "{e}");
        let e = error(&["plan", "replay", "--lake", "l", "--out", "run"], "[plan]\nshards = 'many'");
        assert!(e.contains("ruminate.toml, key shards in [plan]"), "{e}");
        let e = error(&["replay", "--lake", "l", "--concurrency", "many"], "concurrency = 'few'");
        assert!(!e.contains("comes from"), "{e}");
    }

    #[test]
    fn publishing_nothing_names_the_alternative() {
        assert!(
            error(&["publish", "--topic", "local"], "").contains("--generate farms=2"),
            "{}",
            error(&["publish"], "")
        );
        assert!(!error(&["backfill", "--lake", "l"], "").contains("--generate"));
    }

    #[test]
    fn a_misspelled_variable_is_named_with_the_nearest_one() {
        let warnings = |names: &[&str]| unknown_variables(&command(), names.iter().map(ToString::to_string));
        assert_eq!(
            warnings(&["RUMINATE_WAREHOSE"]),
            ["RUMINATE_WAREHOSE is not a variable of ruminate and is ignored: did you mean RUMINATE_WAREHOUSE?"]
        );
        assert_eq!(warnings(&["RUMINATE_XYZ"]), ["RUMINATE_XYZ is not a variable of ruminate and is ignored"]);
        let known = ["RUMINATE_WAREHOUSE", "RUMINATE_TEST_MYSQL", "HOME", "RUMINATE_OUTPUT", "RUMINATE_LAKE"];
        assert!(warnings(&known).is_empty(), "{:?}", warnings(&known));
    }
}
