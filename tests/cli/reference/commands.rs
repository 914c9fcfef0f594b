//! The page of commands and flags.

use std::fmt::Write as _;

use clap::{Arg, Command};

use super::cell;

const INTRODUCTION: &str = "\
# Commands and flags

<!-- Generated: UPDATE_REFERENCE=1 cargo test --test cli reference -->

Every flag also has an environment variable and a key in `ruminate.toml`, unless the table has \"command line only\". The variable
of `--sort-dir` is `RUMINATE_SORT_DIR` and its key is `sort_dir`: see [configuration](configuration.md). `ruminate COMMAND -h` prints a
summary and `ruminate COMMAND --help` prints everything on this page. The [global options](#global-options) are accepted by every
command.
";

/// Returns the page.
pub fn page() -> String {
    let mut root = ruminate::cli::command();
    root.build();
    let mut page = INTRODUCTION.to_owned();
    let global: Vec<Arg> = root.get_arguments().filter(|arg| arg.is_global_set() && is_shown(arg)).cloned().collect();
    page.push_str("\n## Global options\n");
    table(&mut page, &global.iter().collect::<Vec<_>>());
    for command in root.get_subcommands().filter(|command| !command.is_hide_set()) {
        section(&mut page, &root, command, command.get_name());
        for job in command.get_subcommands().filter(|job| job.get_name() != "help") {
            section(&mut page, &root, job, &format!("{} {}", command.get_name(), job.get_name()));
        }
    }
    page
}

fn is_shown(arg: &Arg) -> bool {
    !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version")
}

fn section(page: &mut String, root: &Command, command: &Command, name: &str) {
    write!(page, "\n## ruminate {name}\n").unwrap();
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    for paragraph in about.split("\n\n") {
        write!(page, "\n{}.\n", cell(paragraph).trim_end_matches('.')).unwrap();
    }
    let usage = command.clone().render_usage().to_string();
    write!(page, "\n```text\n{}\n```\n", usage.trim_start_matches("Usage: ")).unwrap();
    let own: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| {
            is_shown(arg)
                && !root.get_arguments().any(|global| global.is_global_set() && global.get_id() == arg.get_id())
        })
        .collect();
    let mut headings = Vec::new();
    for arg in &own {
        if !headings.contains(&arg.get_help_heading()) {
            headings.push(arg.get_help_heading());
        }
    }
    headings.sort_by_key(Option::is_some);
    for heading in headings {
        if let Some(heading) = heading {
            write!(page, "\n**{}**\n", cell(heading)).unwrap();
        }
        table(page, &own.iter().filter(|arg| arg.get_help_heading() == heading).copied().collect::<Vec<_>>());
    }
    if let Some(after) = command.get_after_long_help().or(command.get_after_help()) {
        write!(page, "\n```text\n{}\n```\n", after.to_string().trim()).unwrap();
    }
}

fn table(page: &mut String, args: &[&Arg]) {
    page.push_str("\n| flag | meaning |\n| --- | --- |\n");
    for arg in args {
        writeln!(page, "| {} | {} |", name(arg), meaning(arg)).unwrap();
    }
}

/// Returns the flag with the name of its value.
fn name(arg: &Arg) -> String {
    let value =
        arg.get_value_names().map(|names| names.iter().map(|name| format!("<{name}>")).collect::<Vec<_>>().join(" "));
    let value = value.filter(|_| arg.get_action().takes_values()).unwrap_or_default();
    let short = arg.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let written = match arg.get_long() {
        Some(long) => format!("{short}--{long} {value}"),
        None => value,
    };
    cell(&format!("`{}`", written.trim()))
}

fn meaning(arg: &Arg) -> String {
    let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut parts: Vec<String> = help.split("\n\n").map(cell).collect();
    let values: Vec<_> = arg.get_possible_values().into_iter().filter(|value| !value.is_hide_set()).collect();
    if arg.get_action().takes_values() && !values.is_empty() {
        let value = |value: &clap::builder::PossibleValue| match value.get_help() {
            Some(help) => format!("`{}`: {}", value.get_name(), cell(&help.to_string()).trim_end_matches('.')),
            None => format!("`{}`", value.get_name()),
        };
        parts.push(format!("Values: {}", values.iter().map(value).collect::<Vec<_>>().join("; ")));
    }
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if arg.get_action().takes_values() && !defaults.is_empty() && !arg.is_hide_default_value_set() {
        parts.push(format!("Default: `{}`", defaults.join(" ")));
    }
    if arg.get_env().is_none() && arg.get_long().is_some() {
        parts.push("Command line only".into());
    }
    parts
        .iter()
        .filter(|part| !part.is_empty())
        .map(|part| format!("{}.", part.trim_end_matches('.')))
        .collect::<Vec<_>>()
        .join(" ")
}
