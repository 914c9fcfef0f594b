//! Previous names of flags, variables and config keys: using one is an error that gives the new name.

use clap::Error;
use clap::error::ErrorKind;

/// Previous and current names of flags, without the dashes.
const FLAGS: [(&str, &str); 7] = [
    ("attempts", "max-attempts"),
    ("patience", "unavailable-timeout"),
    ("until", "processed-until"),
    ("versions-at", "as-of"),
    ("accept-missing", "max-missing"),
    ("truth-door", "ingest-path"),
    ("watch-for", "watch-timeout"),
];

/// Returns the current name of a flag. `None` if it was not renamed.
pub(super) fn new_name(flag: &str) -> Option<&'static str> {
    FLAGS.iter().find(|(old, _)| *old == flag).map(|(_, new)| *new)
}

/// Returns the environment variable of a flag.
pub(super) fn variable(flag: &str) -> String {
    format!("RUMINATE_{}", flag.replace('-', "_").to_uppercase())
}

/// Rejects variables under a previous name.
///
/// # Errors
/// Returns an error that names the new variable if such a variable is set.
pub(super) fn refuse_variables(is_set: impl Fn(&str) -> bool) -> Result<(), Error> {
    for (old, new) in FLAGS {
        if is_set(&variable(old)) {
            return Err(error(format!("{} is now {}", variable(old), variable(new))));
        }
    }
    if is_set(&variable("undo")) {
        return Err(error("RUMINATE_UNDO: undo is now a command: ruminate undo FILE".into()));
    }
    Ok(())
}

/// Returns the message for a previous name of a flag; `None` if it is not one. `others` returns the commands that have a
/// flag if `command` does not.
pub(super) fn message(flag: &str, command: &str, others: impl Fn(&str) -> Option<String>) -> Option<String> {
    if flag == "undo" {
        return Some("--undo is now a command: ruminate undo FILE".into());
    }
    let new = new_name(flag)?;
    Some(match others(new) {
        None => format!("--{flag} is now --{new}"),
        Some(others) => {
            format!("--{flag} is now --{new}, which {command} does not have: it is a flag of {others}")
        }
    })
}

fn error(message: String) -> Error {
    Error::raw(ErrorKind::UnknownArgument, message + "\n")
}

#[cfg(test)]
mod tests {
    use super::super::config::Config;
    use super::super::{command, parse_from};
    use super::*;

    #[test]
    fn a_renamed_flag_names_the_new_one_which_exists() {
        let command = command();
        for (old, new) in FLAGS {
            let of = command.get_subcommands().find(|sub| sub.get_arguments().any(|arg| arg.get_long() == Some(new)));
            let of = of.unwrap_or_else(|| panic!("no command has --{new}")).get_name();
            for typed in [format!("--{old}"), format!("--{old}=1")] {
                let e = parse_from(&["ruminate", of, &typed], &Config::default()).unwrap_err().to_string();
                assert_eq!(e.trim(), format!("error: --{old} is now --{new}"));
            }
            let e = refuse_variables(|name| name == variable(old)).unwrap_err().to_string();
            assert!(e.contains(&variable(new)), "{e}");
            let key = old.replace('-', "_");
            let e = Config::parse(&format!("{key} = 1"), None).unwrap_err();
            assert!(e.contains(&format!("{key} is now {}", new.replace('-', "_"))), "{e}");
        }
        for of in ["replay", "reconcile"] {
            let e = parse_from(&["ruminate", of, "--undo", "x"], &Config::default()).unwrap_err().to_string();
            assert!(e.contains("ruminate undo FILE"), "{e}");
        }
    }
}
