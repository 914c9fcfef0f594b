//! `ruminate completions`: prints a completion script for a shell.

use clap_complete::Shell;

use crate::render::Rendered;

/// Generate shell completions
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Shell
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Rendered {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "ruminate", &mut script);
    Rendered::verbatim(String::from_utf8_lossy(&script).into_owned())
}
