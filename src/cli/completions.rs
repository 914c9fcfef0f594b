//! `ruminate completions`: a script for the shell.

use clap_complete::Shell;

use crate::render::Printed;

/// Generate shell completions
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Shell
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Printed {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "ruminate", &mut script);
    Printed::verbatim(String::from_utf8_lossy(&script).into_owned())
}
