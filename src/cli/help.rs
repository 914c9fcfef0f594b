//! Content of `-h` and `--help`: the flags of the short help, and headings. `examples` has the examples.

use std::ffi::OsString;

use clap::{Arg, Command};

use super::examples::EXAMPLES;

/// Flags of each command's `-h`, in addition to its operands and the global flags; `--help` shows all.
const SHORT: &[(&str, &[&str])] = &[
    ("demo", &["dir", "keep", "start"]),
    ("init", &["warehouse", "table"]),
    ("doctor", &["lake", "warehouse", "table", "topic"]),
    ("generate", &["farms", "lots", "days", "start", "seed", "faults", "format", "out", "compress", "truth", "force"]),
    (
        "publish",
        &["topic", "generate", "rate", "stages", "concurrency", "dead-letters", "resume", "fail-if", "watch", "report"],
    ),
    ("backfill", &["format", "lake", "warehouse", "table", "concurrency"]),
    ("process", &["event", "listen", "lake", "warehouse", "table", "topic", "any-topic", "max-messages"]),
    (
        "replay",
        &["lake", "warehouse", "farm", "from", "to", "only", "dry-run", "on-conflict", "verify", "resume", "report"],
    ),
    (
        "reconcile",
        &["lake", "warehouse", "farm", "from", "to", "repair", "dry-run", "drift", "report", "max-drift", "evidence"],
    ),
    ("undo", &["lake", "warehouse", "table", "dry-run"]),
    (
        "compact",
        &["lake", "farm", "from", "to", "dry-run", "verify", "deep", "without-bodies", "drop-deleted", "concurrency"],
    ),
    ("restore", &["lake", "to", "farm", "month", "only", "dry-run"]),
    ("ddl", &["engine", "lake", "farm", "since", "view", "database"]),
    ("plan", &[]),
    (
        "plan reconcile",
        &[
            "lake",
            "warehouse",
            "table",
            "farm",
            "from",
            "to",
            "quick",
            "max-drift",
            "objects-per-shard",
            "shards",
            "out",
        ],
    ),
    (
        "plan compact",
        &[
            "lake",
            "farm",
            "from",
            "to",
            "verify",
            "deep",
            "without-bodies",
            "drop-deleted",
            "objects-per-shard",
            "shards",
            "out",
        ],
    ),
    (
        "plan replay",
        &[
            "lake",
            "warehouse",
            "table",
            "farm",
            "from",
            "to",
            "verify",
            "rows-per-second",
            "objects-per-shard",
            "shards",
            "out",
        ],
    ),
    ("shard", &["shard", "stop-before", "lake", "warehouse", "concurrency"]),
    ("merge", &["lake", "warehouse", "repair", "dry-run", "drift", "report", "evidence", "baseline"]),
    ("bundle", &["fanout", "arch", "bootstrap", "source", "zigbuild", "rds-ca", "out", "force"]),
    ("completions", &[]),
    ("man", &["out"]),
];

/// Global flags of `-h`.
const SHORT_GLOBAL: [&str; 4] = ["output", "verbose", "quiet", "help"];

/// Headings of flags that one command uses in another sense: command, flag, heading.
const OTHER_HEADINGS: &[(&str, &str, &str)] = &[
    ("generate", "format", "Output"),
    ("generate", "truth", "Output"),
    ("publish", "truth", "Checks"),
    ("restore", "to", "Output"),
];

/// Flags by heading; a flag has the same heading in every command, except for [`OTHER_HEADINGS`]. A flag that only one struct
/// declares may have its `help_heading` there instead, as those of `LakeRequestFlags` do.
const HEADINGS: &[(&str, &[&str])] = &[
    (
        "Stores",
        &[
            "lake",
            "warehouse",
            "table",
            "topic",
            "connections",
            "connect-timeout",
            "require-conditional-writes",
            "allow-empty",
            "fsync",
            "sse",
            "sse-kms-key-id",
        ],
    ),
    ("Span", &["farm", "from", "to", "month", "since"]),
    ("Listing and parts", &["listing", "parts", "without-bodies", "drop-deleted", "deep"]),
    ("Record selection", &["only", "processed-until", "data-from", "data-to", "as-of"]),
    ("History", &["farms", "lots", "days", "start", "seed", "part", "faults", "generate"]),
    (
        "Input",
        &[
            "format",
            "encoding",
            "date-order",
            "decimal-mark",
            "event",
            "listen",
            "any-topic",
            "max-messages",
            "max-connections",
            "insecure-skip-signature",
            "skip",
            "send-invalid",
            "max-decompression-ratio",
        ],
    ),
    ("Run", &["dry-run", "resume", "journal", "no-journal", "yes", "meta-rate", "read-only"]),
    ("Schedule", &["rate", "stages", "speed", "stop-at-schedule-end", "linger", "drop-after"]),
    ("Loading", &["on-conflict", "verify", "load-method", "into-new-table", "max-missing"]),
    ("Comparison", &["quick", "tolerance", "truth", "ingest-path", "baseline", "cache", "max-drift", "halt-after"]),
    ("Repair", &["repair", "trust", "max-repairs"]),
    ("Shards", &["objects-per-shard", "shards", "shards-at-once", "shard", "stop-before"]),
    ("Checks", &["fail-if", "watch", "watch-timeout"]),
    (
        "Throttling",
        &[
            "max-threads-running",
            "max-replica-lag",
            "replica",
            "rows-per-second",
            "pause-file",
            "throttle-query",
            "unavailable-timeout",
        ],
    ),
    (
        "Output",
        &["out", "dir", "keep", "compress", "force", "undo-file", "report", "drift", "evidence", "dead-letters", "hdr"],
    ),
    ("Query engine", &["engine", "database", "view"]),
    ("Build", &["fanout", "arch", "bootstrap", "source", "zigbuild", "rds-ca"]),
    ("Resources", &["concurrency", "threads", "sort-memory", "sort-dir"]),
];

/// Replaces `help` and `help COMMAND` by the flag `--help`.
pub(super) fn expanded(mut args: Vec<OsString>) -> Vec<OsString> {
    if args.get(1).is_some_and(|word| word == "help") {
        args.remove(1);
        let at = args.len().min(2);
        args.insert(at, "--help".into());
    }
    args
}

/// Adds headings and examples, and hides flags that are not in the short list from `-h`.
pub(super) fn with_help(command: Command) -> Command {
    let command = command.mut_args(|arg| arg_of("", &SHORT_GLOBAL, arg));
    command.mut_subcommands(|sub| {
        let name = sub.get_name().to_owned();
        let sub = help_of(&name, sub);
        sub.mut_subcommands(|job| help_of(&format!("{name} {}", job.get_name()), job))
    })
}

fn help_of(name: &str, command: Command) -> Command {
    let short = of(SHORT, name);
    let examples = of(EXAMPLES, name);
    let lines: String = examples.iter().map(|(what, line)| format!("  {what}:\n    {line}\n")).collect();
    command
        .mut_args(|arg| arg_of(name, short, arg))
        .after_help(format!("All flags and examples: ruminate {name} --help"))
        .after_long_help(format!("Examples:\n{lines}"))
}

/// Returns all commands with their names, such as `plan reconcile`.
#[cfg(test)]
pub(super) fn commands(command: &Command) -> Vec<(String, Command)> {
    let of = |sub: &Command| {
        let name = sub.get_name().to_owned();
        let jobs = sub.get_subcommands().map(|job| (format!("{name} {}", job.get_name()), job.clone()));
        std::iter::once((name.clone(), sub.clone())).chain(jobs.collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    command.get_subcommands().flat_map(of).collect()
}

fn of<T>(table: &[(&str, &'static [T])], command: &str) -> &'static [T] {
    table.iter().find(|(name, _)| *name == command).map_or(&[], |(_, entries)| *entries)
}

fn arg_of(command: &str, short: &[&str], arg: Arg) -> Arg {
    let Some(flag) = arg.get_long().map(str::to_owned) else { return arg };
    let other = OTHER_HEADINGS.iter().find(|(of, other, _)| *of == command && *other == flag);
    let usual = HEADINGS.iter().find(|(_, flags)| flags.contains(&&*flag)).map(|(heading, _)| *heading);
    let heading = other.map(|(.., heading)| *heading).or(usual);
    let arg = arg.hide_short_help(!short.contains(&&*flag));
    match heading {
        Some(heading) => arg.help_heading(heading),
        None => arg,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::config::Config;
    use super::super::{command, parse_from};
    use super::*;

    /// Maximum number of flags in `-h`, without the global ones.
    const MAX_FLAGS: usize = 15;
    /// Maximum number of lines of `-h` on a terminal of 100 columns.
    const MAX_LINES: usize = 50;

    /// Flags whose texts differ between commands, with the reason; the meaning is the same.
    const VARIES: [(&str, &str); 15] = [
        ("verify", "reads back what was written: rows, or parts"),
        ("to", "the last day of the span; for a restore, the target of the objects"),
        ("only", "findings of a drift file: objects to load, or to restore"),
        ("farm", "farms of the span; those of a table's partitions"),
        ("dry-run", "shows what would be done, which differs between commands"),
        ("concurrency", "concurrent requests, whose kind differs between commands"),
        ("lake", "the lake; some commands need it in some cases only"),
        ("topic", "an SNS topic; an endpoint accepts several, and `local` has no deliveries to accept"),
        ("truth", "the ground-truth file: one command writes it, another reads it"),
        ("format", "the form of history files: read by two commands, written by one"),
        (
            "allow-empty",
            "an empty store is accepted: commands that write accept an empty lake, others also an empty span",
        ),
        ("out", "where the output goes: a directory, or also one file or stdout"),
        ("force", "overwrites existing files: a bundle recognizes its own files"),
        ("start", "the first day of a generated history: the demo has a fixed one"),
        ("undo-file", "the undo file of the changes that the command makes"),
    ];

    fn built() -> Command {
        let mut command = command().term_width(80);
        command.build();
        command
    }

    #[test]
    fn help_is_a_flag_in_the_place_of_a_command() {
        let of = |words: &[&str]| expanded(words.iter().map(OsString::from).collect());
        assert_eq!(of(&["ruminate", "help"]), ["ruminate", "--help"]);
        assert_eq!(of(&["ruminate", "help", "replay"]), ["ruminate", "replay", "--help"]);
        assert_eq!(of(&["ruminate", "publish", "help"]), ["ruminate", "publish", "help"]);
        assert_eq!(of(&["ruminate"]), ["ruminate"]);
    }

    #[test]
    fn short_help_fits_on_one_screen() {
        let mut command = built();
        let help = command.render_help().to_string();
        assert!(help.lines().count() <= MAX_LINES, "{help}");
        for (name, mut sub) in commands(&command) {
            let help = sub.render_help().to_string();
            assert!(help.lines().count() <= MAX_LINES, "{} lines:\n{help}", help.lines().count());
            let is_shown = |arg: &&Arg| !arg.is_global_set() && !arg.is_hide_short_help_set() && !arg.is_positional();
            let flags = sub.get_arguments().filter(is_shown).count();
            assert!(flags <= MAX_FLAGS, "{name}: {flags} flags");
            assert!(help.contains(&format!("ruminate {name} --help")), "{help}");
        }
    }

    #[test]
    fn the_tables_name_flags_that_exist_and_every_flag_has_a_heading() {
        let command = built();
        let mut headed = Vec::new();
        for (name, sub) in &commands(&command) {
            let short = SHORT.iter().find(|(command, _)| command == name).map(|(_, flags)| *flags);
            for flag in short.unwrap_or_else(|| panic!("{name} has no short help")) {
                assert!(sub.get_arguments().any(|arg| arg.get_long() == Some(flag)), "{name} --{flag}");
            }
            for arg in sub.get_arguments().filter(|arg| !arg.is_positional()) {
                assert!(arg.get_help_heading().is_some(), "{name} --{:?}", arg.get_long());
                headed.extend(arg.get_long().map(str::to_owned));
            }
        }
        for flag in HEADINGS.iter().flat_map(|(_, flags)| *flags) {
            assert!(headed.iter().any(|headed| headed == flag), "--{flag} is not a flag");
        }
    }

    #[test]
    fn every_command_has_examples_that_parse() {
        for (name, mut sub) in commands(&built()) {
            let examples = of(EXAMPLES, &name);
            assert!((3..=4).contains(&examples.len()), "{name}");
            let help = sub.render_long_help().to_string();
            for (_, line) in examples {
                let words = shlex::split(line).unwrap();
                assert_eq!(words[1], name.split(' ').next().unwrap());
                if let Err(e) = parse_from(&words, &Config::default()) {
                    panic!("{line}: {e}");
                }
                let first = line.split(" --").next().unwrap();
                assert!(help.contains(first), "{line} in {help}");
            }
        }
    }

    #[test]
    fn a_flag_has_one_meaning_in_all_commands() {
        let command = built();
        let mut texts: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for (name, sub) in commands(&command) {
            for arg in sub.get_arguments().filter(|arg| !arg.is_global_set()) {
                let Some(flag) = arg.get_long() else { continue };
                let values = arg.get_value_names().map(|names| names.join(" ")).unwrap_or_default();
                let text = format!("{values}: {}", arg.get_help().map(ToString::to_string).unwrap_or_default());
                texts.entry(flag.to_owned()).or_default().push((name.clone(), text));
            }
        }
        for (flag, uses) in &texts {
            let differs = uses.iter().any(|(_, text)| *text != uses[0].1);
            let varies = VARIES.iter().any(|(varies, _)| varies == flag);
            assert_eq!(differs, varies, "--{flag}: {uses:#?}");
        }
    }
}
