//! Values of the command line and the environment, before the config file is read.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

/// Values of the command line and the environment, before the file is read.
pub(in crate::cli) struct Typed {
    command: Command,
    matches: Option<ArgMatches>,
}

impl Typed {
    /// Parses leniently: errors are reported later, when the file's values are known.
    pub(in crate::cli) fn new(command: &Command, args: &[OsString]) -> Self {
        let mut command = command.clone().ignore_errors(true);
        let matches = command.try_get_matches_from_mut(args).ok();
        Self { command, matches }
    }

    pub(super) fn global<T: Clone + Send + Sync + 'static>(&self, id: &str) -> Option<T> {
        self.matches.as_ref()?.try_get_one::<T>(id).ok().flatten().cloned()
    }

    /// Returns the command that was typed; for `plan reconcile`, the inner one.
    pub(super) fn subcommand(&self) -> Option<(&Command, &ArgMatches)> {
        let (mut command, mut matches) = (&self.command, self.matches.as_ref()?);
        matches.subcommand()?;
        while let Some((name, inner)) = matches.subcommand() {
            (command, matches) = (command.find_subcommand(name)?, inner);
        }
        Some((command, matches))
    }

    /// Returns the names of the command that was typed: one, or two such as `plan reconcile`; none without a command.
    pub(in crate::cli) fn names(&self) -> Vec<&str> {
        let mut matches = self.matches.as_ref();
        let next = || {
            let (name, inner) = matches?.subcommand()?;
            matches = Some(inner);
            Some(name)
        };
        std::iter::from_fn(next).collect()
    }

    /// Returns true if an argument conflicts with a typed one, so that the file's value must be ignored.
    pub(super) fn excludes(&self, arg: &Arg) -> bool {
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
