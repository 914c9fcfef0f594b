//! Content of `-h` and `--help`: the flags of the short help, headings, and examples.

use clap::{Arg, Command};

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
    ("bundle", &["arch", "bootstrap", "source", "zigbuild", "rds-ca", "out", "force"]),
    ("completions", &[]),
    ("man", &["out"]),
];

/// Global flags of `-h`.
const SHORT_GLOBAL: [&str; 4] = ["output", "verbose", "quiet", "help"];

/// Flags by heading; a flag has the same heading in every command.
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
            "max-attempts",
            "require-conditional-writes",
            "fsync",
            "sse",
            "sse-kms-key-id",
        ],
    ),
    ("Span", &["farm", "from", "to", "allow-empty"]),
    ("Record selection", &["only", "processed-until", "data-from", "data-to", "as-of"]),
    ("History", &["farms", "lots", "days", "start", "seed", "part", "faults", "generate"]),
    (
        "Input",
        &[
            "format",
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
    ("Checks", &["fail-if", "watch", "watch-timeout"]),
    (
        "Throttling (can be changed in the config file while running)",
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
    ("Build", &["arch", "bootstrap", "source", "zigbuild", "rds-ca"]),
    ("Resources", &["concurrency", "threads", "sort-memory", "sort-dir"]),
];

/// Examples of each command: purpose and command line.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "demo",
        &[
            ("Run the whole pipeline in ./demo", "ruminate demo"),
            ("In another directory, with the report of the first audit in it", "ruminate demo --dir /tmp/demo"),
            ("Run it again on the same files", "ruminate demo --dir /tmp/demo --keep"),
        ],
    ),
    (
        "init",
        &[
            ("Create a SQLite warehouse", "ruminate init --warehouse sqlite:warehouse.db"),
            ("Create the table in MySQL", "ruminate init --warehouse mysql://user:pass@db.example:3306/fazendas"),
            ("Under another name", "ruminate init --warehouse sqlite:warehouse.db --table historico_teste"),
        ],
    ),
    (
        "doctor",
        &[
            (
                "Check all three",
                "ruminate doctor --lake s3://bucket/prefix --warehouse mysql://user:pass@db.example:3306/fazendas \
                 --topic arn:aws:sns:us-east-1:123456789012:historico",
            ),
            (
                "Only a lake, without the test of conditional writes",
                "ruminate doctor --lake s3://bucket/prefix --read-only",
            ),
            ("Only the warehouse", "ruminate doctor --warehouse sqlite:warehouse.db"),
        ],
    ),
    (
        "generate",
        &[
            ("Three farms, 100 pens, 30 days", "ruminate generate --farms 3 --lots 100 --days 30 --out histories"),
            (
                "With faults and their ground truth",
                "ruminate generate --faults duplicate=0.01,malformed=0.001 --truth truth.zst",
            ),
            ("One compressed file", "ruminate generate --days 7 --out history.ndjson.zst"),
            ("The second of four parts, on stdout", "ruminate generate --farms 40 --part 2/4 --out -"),
        ],
    ),
    (
        "publish",
        &[
            (
                "Publish a directory of history files",
                "ruminate publish histories --topic arn:aws:sns:us-east-1:123456789012:historico",
            ),
            (
                "Load test: ramp up, then hold until the files end; fail if it is slow",
                "ruminate publish histories --topic arn:aws:sns:us-east-1:123456789012:historico \
                 --stages ramp:0-200/s:5s,hold:200/s --fail-if 'p99 > 500ms; failed > 0' --report publish.html",
            ),
            (
                "Load test with generated readings",
                "ruminate publish --generate farms=2,lots=100,days=30 --rate 500/s \
                 --topic arn:aws:sns:us-east-1:123456789012:historico",
            ),
            (
                "Without SNS: the intake runs in this process",
                "ruminate publish histories --topic local --lake lake --warehouse sqlite:warehouse.db",
            ),
        ],
    ),
    (
        "backfill",
        &[
            (
                "Ingest a directory of history files",
                "ruminate backfill histories --lake lake --warehouse sqlite:warehouse.db",
            ),
            (
                "Ingest compressed files into S3 and MySQL",
                "ruminate backfill 2025.ndjson.zst 2026.csv.gz --lake s3://bucket/prefix \
                 --warehouse mysql://user:pass@db.example:3306/fazendas",
            ),
            ("From stdin", "ruminate backfill - --format csv --lake lake --warehouse sqlite:warehouse.db"),
        ],
    ),
    (
        "process",
        &[
            (
                "Process one event file",
                "ruminate process --event event.json --lake lake --warehouse sqlite:warehouse.db",
            ),
            (
                "Receive the deliveries of a topic",
                "ruminate process --listen 0.0.0.0:8080 --topic arn:aws:sns:us-east-1:123456789012:historico \
                 --lake s3://bucket/prefix --warehouse mysql://user:pass@db.example:3306/fazendas",
            ),
            (
                "A local test: accept anything, stop after ten messages",
                "ruminate process --listen 127.0.0.1:0 --any-topic --insecure-skip-signature --max-messages 10 --lake lake \
                 --warehouse sqlite:warehouse.db",
            ),
        ],
    ),
    (
        "replay",
        &[
            ("Show what a replay would do", "ruminate replay --lake lake --warehouse sqlite:warehouse.db --dry-run"),
            (
                "Rebuild the warehouse and verify every row",
                "ruminate replay --lake s3://bucket/prefix --warehouse mysql://user:pass@db.example:3306/fazendas --verify \
                 --report replay.html",
            ),
            (
                "One farm's November, gently",
                "ruminate replay --lake lake --warehouse sqlite:warehouse.db --farm fazenda_um --from 2026-11-01 \
                 --to 2026-11-30 --rows-per-second 500",
            ),
            ("Resume an interrupted run", "ruminate replay --lake lake --warehouse sqlite:warehouse.db --resume"),
        ],
    ),
    (
        "reconcile",
        &[
            (
                "Audit, with a report",
                "ruminate reconcile --lake lake --warehouse sqlite:warehouse.db --report audit.html",
            ),
            (
                "Show what a repair would change",
                "ruminate reconcile --lake lake --warehouse sqlite:warehouse.db --repair both --dry-run",
            ),
            (
                "Repair the warehouse, but not more than 1% of it",
                "ruminate reconcile --lake lake --warehouse sqlite:warehouse.db --repair warehouse --max-repairs 1%",
            ),
            (
                "A nightly audit with evidence",
                "ruminate reconcile --lake s3://bucket/prefix --warehouse mysql://user:pass@db.example:3306/fazendas \
                 --cache cache --evidence audit-2026-11-22",
            ),
        ],
    ),
    (
        "undo",
        &[
            (
                "Show what would be reverted",
                "ruminate undo ruminate-undo-20261122T184903Z.ndjson --lake lake --warehouse sqlite:warehouse.db --dry-run",
            ),
            (
                "Revert a repair",
                "ruminate undo ruminate-undo-20261122T184903Z.ndjson --lake lake --warehouse sqlite:warehouse.db",
            ),
            (
                "Revert a replay, which changes rows only",
                "ruminate undo ruminate-undo-20261122T184903Z.ndjson --warehouse sqlite:warehouse.db",
            ),
        ],
    ),
    (
        "bundle",
        &[
            ("Build and bundle the Lambda", "ruminate bundle --out bundle"),
            ("For Graviton, with cargo-zigbuild", "ruminate bundle --arch arm64 --zigbuild --out bundle"),
            ("A prebuilt binary", "ruminate bundle --bootstrap bootstrap --rds-ca global-bundle.pem"),
        ],
    ),
    (
        "completions",
        &[
            ("For bash", "ruminate completions bash"),
            ("For zsh", "ruminate completions zsh"),
            ("For fish", "ruminate completions fish"),
        ],
    ),
    (
        "man",
        &[
            ("Show the man page of the program", "ruminate man"),
            ("Write one page per command", "ruminate man --out man"),
            ("Install them for this user", "ruminate man --out .local/share/man/man1"),
        ],
    ),
];

/// Adds headings and examples, and hides flags that are not in the short list from `-h`.
pub(super) fn with_help(command: Command) -> Command {
    let command = command.mut_args(|arg| arg_of(&SHORT_GLOBAL, arg));
    command.mut_subcommands(|sub| {
        let name = sub.get_name().to_owned();
        let short = of(SHORT, &name);
        let examples = of(EXAMPLES, &name);
        let lines: String = examples.iter().map(|(what, line)| format!("  {what}:\n    {line}\n")).collect();
        sub.mut_args(|arg| arg_of(short, arg))
            .after_help(format!("All flags and examples: ruminate {name} --help"))
            .after_long_help(format!("Examples:\n{lines}"))
    })
}

fn of<T>(table: &[(&str, &'static [T])], command: &str) -> &'static [T] {
    table.iter().find(|(name, _)| *name == command).map_or(&[], |(_, entries)| *entries)
}

fn arg_of(short: &[&str], arg: Arg) -> Arg {
    let Some(flag) = arg.get_long().map(str::to_owned) else { return arg };
    let heading = HEADINGS.iter().find(|(_, flags)| flags.contains(&&*flag)).map(|(heading, _)| *heading);
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
    const MOST_FLAGS: usize = 15;
    /// Maximum number of lines of `-h` on a terminal of 100 columns.
    const MOST_LINES: usize = 50;

    /// Flags whose texts differ between commands, with the reason; the meaning is the same.
    const VARIES: [(&str, &str); 10] = [
        ("dry-run", "shows what would be done: each command does something else"),
        ("concurrency", "requests in flight at once: each command sends another kind"),
        ("lake", "the lake; some commands need it in some cases only"),
        ("topic", "an SNS topic; an endpoint accepts several, and `local` has no deliveries to accept"),
        ("truth", "the ground-truth file: one command writes it, another reads it"),
        ("format", "the form of history files: read by two commands, written by one"),
        ("out", "where the output goes: a directory, or also one file or stdout"),
        ("force", "overwrite what is there: a bundle knows its own files"),
        ("start", "the first day of a generated history: the demo has a fixed one"),
        ("undo-file", "the undo file of the changes that the command makes"),
    ];

    fn built() -> Command {
        let mut command = command().term_width(100);
        command.build();
        command
    }

    #[test]
    fn short_help_fits_on_one_screen() {
        let mut command = built();
        let help = command.render_help().to_string();
        assert!(help.lines().count() <= MOST_LINES, "{help}");
        for sub in command.get_subcommands_mut() {
            let help = sub.render_help().to_string();
            assert!(help.lines().count() <= MOST_LINES, "{} lines:\n{help}", help.lines().count());
            let is_shown = |arg: &&Arg| !arg.is_global_set() && !arg.is_hide_short_help_set() && !arg.is_positional();
            let flags = sub.get_arguments().filter(is_shown).count();
            assert!(flags <= MOST_FLAGS, "{}: {flags} flags", sub.get_name());
            assert!(help.contains(&format!("ruminate {} --help", sub.get_name())), "{help}");
        }
    }

    #[test]
    fn the_tables_name_flags_that_exist_and_every_flag_has_a_heading() {
        let command = built();
        let mut headed = Vec::new();
        for sub in command.get_subcommands() {
            let name = sub.get_name();
            let short = SHORT.iter().find(|(command, _)| *command == name).map(|(_, flags)| *flags);
            for flag in short.unwrap_or_else(|| panic!("{name} has no short help")) {
                assert!(sub.get_arguments().any(|arg| arg.get_long() == Some(flag)), "{name} --{flag}");
            }
            for arg in sub.get_arguments().filter(|arg| !arg.is_positional()) {
                assert!(arg.get_help_heading().is_some(), "{name} --{:?}", arg.get_long());
                headed.extend(arg.get_long().map(str::to_owned));
            }
        }
        for flag in HEADINGS.iter().flat_map(|(_, flags)| *flags) {
            assert!(headed.iter().any(|headed| headed == flag), "--{flag} is no flag");
        }
    }

    #[test]
    fn every_command_has_examples_that_parse() {
        for sub in built().get_subcommands_mut() {
            let name = sub.get_name().to_owned();
            let examples = of(EXAMPLES, &name);
            assert!((3..=4).contains(&examples.len()), "{name}");
            let help = sub.render_long_help().to_string();
            for (_, line) in examples {
                let words = shlex::split(line).unwrap();
                assert_eq!(words[1], name);
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
        for sub in command.get_subcommands() {
            for arg in sub.get_arguments().filter(|arg| !arg.is_global_set()) {
                let Some(flag) = arg.get_long() else { continue };
                let values = arg.get_value_names().map(|names| names.join(" ")).unwrap_or_default();
                let text = format!("{values}: {}", arg.get_help().map(ToString::to_string).unwrap_or_default());
                texts.entry(flag.to_owned()).or_default().push((sub.get_name().to_owned(), text));
            }
        }
        for (flag, uses) in &texts {
            let differs = uses.iter().any(|(_, text)| *text != uses[0].1);
            let varies = VARIES.iter().any(|(varies, _)| varies == flag);
            assert_eq!(differs, varies, "--{flag}: {uses:#?}");
        }
    }
}
