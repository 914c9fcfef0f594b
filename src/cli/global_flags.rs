//! Flags of every command: output, logs and config file.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

use crate::render::OutputFormat;

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub(super) struct GlobalFlags {
    /// Output format on stdout
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        value_name = "FORMAT",
        help_heading = "Global options"
    )]
    pub output: OutputFormat,
    /// Log format on stderr
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        value_name = "FORMAT",
        help_heading = "Global options"
    )]
    pub log_format: LogFormat,
    /// Log more; -vv also the AWS and database clients
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Global options")]
    pub verbose: u8,
    /// Only log errors; hide progress (results are still printed)
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub quiet: bool,
    /// Hide progress
    #[arg(long, global = true, help_heading = "Global options")]
    pub no_progress: bool,
    /// Config file [default: ruminate.toml, if it exists]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub config: Option<PathBuf>,
    /// Config profile: keys in [profile.NAME] override the others
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global options")]
    pub profile: Option<String>,
    /// Show help; --help shows all flags
    #[arg(short, long, global = true, action = ArgAction::Help, help_heading = "Global options")]
    help: Option<bool>,
}

impl GlobalFlags {
    pub(super) fn silent(&self) -> bool {
        self.quiet || self.no_progress
    }
}

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}
