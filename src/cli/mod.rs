//! Command line: one file per subcommand, each with its `Args` and a `run` that connects modules. It contains no
//! algorithms.
//!
//! Flags shared by several commands are declared once in `flags`. `config` gives every flag its environment variable
//! and its key in `ruminate.toml`. `help` defines headings and the content of `-h`, `examples` the examples.

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::cancellation::{CancellationToken, Interrupted};
use crate::charset;
use crate::outcome::Exit;
use crate::progress::Progress;
use crate::render::{OutputFormat, Rendered};
use command_line::CommandLine;
use config::{Config, Typed};

pub use config::ConfigValue;

mod audit_result;
mod backfill;
mod bundle;
mod command_line;
mod compact;
mod completions;
mod config;
mod ddl;
mod demo;
mod doctor;
mod examples;
mod flags;
mod generate;
mod global_flags;
mod help;
mod ingest;
mod init;
mod input_files;
mod listing;
mod log;
mod man;
mod merge;
mod outputs;
mod plan;
mod process;
mod publish;
mod reconcile;
mod record_flags;
mod renamed;
mod replay;
mod report;
mod restore;
mod run_flags;
mod shard;
mod sort_flags;
mod throttle;
mod times;
mod topic;
mod undo;
mod usage;
mod write_flags;

/// Load testing, disaster recovery, reconciliation and backfill for the feedlot consumption pipeline.
///
/// Pipeline: producer → SNS → Lambda → S3 lake + RDS MySQL warehouse. The stream runs on its own; ruminate does the bulk
/// work around it.
#[derive(Debug, Parser)]
#[command(name = "ruminate", version, disable_help_subcommand = true, disable_help_flag = true)]
#[command(after_help = "Help on a command: ruminate help COMMAND, or ruminate COMMAND --help\n\
    Exit codes: 0 success · 1 completed with drift, rejects or failed messages · 2 could not run · 3 stopped early, resumable\n\
    Every flag can also be set with RUMINATE_<FLAG> or in ruminate.toml.")]
pub struct Cli {
    #[command(flatten)]
    common: global_flags::GlobalFlags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Init(init::Args),
    Doctor(doctor::Args),
    Generate(generate::Args),
    Publish(Box<publish::Args>),
    Backfill(backfill::Args),
    Process(process::Args),
    Replay(replay::Args),
    Reconcile(reconcile::Args),
    Undo(undo::Args),
    Compact(compact::Args),
    Restore(restore::Args),
    Ddl(ddl::Args),
    Plan(plan::Args),
    Shard(shard::Args),
    Merge(merge::Args),
    Bundle(bundle::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Context of every command in addition to its arguments.
#[derive(Debug, Clone)]
pub struct Context {
    /// Progress display.
    pub progress: Progress,
    /// Cancelled when the user stops the run.
    pub cancel: CancellationToken,
    /// Command line of this run.
    pub command_line: CommandLine,
    /// Values of the config file.
    pub config: Config,
    /// Output format of the outcome.
    pub output: OutputFormat,
}

/// Returns the complete command with its environment variables, as used by `completions`, `man` and the reference.
pub fn command() -> clap::Command {
    help::with_help(config::with_environment(Cli::command()))
}

/// Returns the values of a config file with a profile: section, flag and values, by ascending precedence.
///
/// # Errors
/// Returns an error if it is not TOML, or has a key that no command has.
pub fn config_values(text: &str, profile: Option<&str>) -> Result<Vec<ConfigValue>, String> {
    Config::parse(text, profile).map(Config::into_values)
}

/// Maximum number of threads for blocking file access: each has its own memory, and a few are as fast as many.
const BLOCKING: usize = 8;

/// Parses the command line, runs the command and prints its outcome; errors are printed to stderr in one line.
pub fn main() -> Exit {
    let Parsed { cli, command_line, config } = match parse() {
        Ok(parsed) => parsed,
        Err(e) => return usage(&e),
    };
    let progress = if cli.common.silent() { Progress::Silent } else { Progress::for_stderr() };
    log::begin(&cli.common, &progress);
    crate::open_files::raise_limit();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(BLOCKING).build()
    {
        Ok(runtime) => runtime,
        Err(e) => return log::fail(&anyhow::Error::new(e).context("cannot start")),
    };
    let _closing = Closing;
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    usage::unknown_variables(&command(), names).iter().for_each(|warning| tracing::warn!("{warning}"));
    let output = cli.common.output;
    let context = Context { progress, cancel: CancellationToken::default(), command_line, config, output };
    let outcome = runtime.block_on(async {
        context.cancel.cancel_on_signals(pipeline::warehouse::sqlite::close_all);
        context.cancel.run_command(cli.command.run(&context)).await
    });
    runtime.shutdown_background(); // a read of stdin may block its thread
    match outcome.and_then(|printed| Ok(printed.print(output).map(|()| printed.exit)?)) {
        Ok(exit) => exit,
        Err(e) => log::fail(&e),
    }
}

/// Runs a command inside another program: without progress, without a config file, and without printing.
///
/// # Errors
/// Returns an error if the words are not valid, or if the command cannot run.
pub async fn run_words(words: &[String], cancel: CancellationToken) -> anyhow::Result<Rendered> {
    let words: Vec<String> = std::iter::once("ruminate".to_owned()).chain(words.iter().cloned()).collect();
    let config = Config::default();
    let (cli, command_line) = parse_from(&words, &config).map_err(|e| anyhow::anyhow!("{}", e.render()))?;
    let output = cli.common.output;
    cli.command.run(&Context { progress: Progress::Silent, cancel, command_line, config, output }).await
}

/// Opens the files at an address, in the same way as a lake or a run.
///
/// # Errors
/// Returns an error if the settings of AWS cannot be used.
pub async fn open_files(url: &pipeline::lake::LakeUrl) -> anyhow::Result<std::sync::Arc<dyn pipeline::lake::Lake>> {
    flags::LakeFlags::of(url.clone()).open().await
}

/// Closes open warehouse files on every exit, including errors and panics.
struct Closing;

impl Drop for Closing {
    fn drop(&mut self) {
        pipeline::warehouse::sqlite::close_all();
    }
}

/// Values known before a command runs.
struct Parsed {
    cli: Cli,
    command_line: CommandLine,
    config: Config,
}

fn parse() -> Result<Parsed, clap::Error> {
    let is_set = |name: &str| std::env::var_os(name).is_some();
    renamed::refuse_variables(is_set)?;
    config::refuse_variables(is_set)?;
    let args: Vec<OsString> = help::expanded(std::env::args_os().collect());
    let config = Config::load(&Typed::new(&command(), &args))?;
    let (cli, command_line) = parse_from(&args, &config)?;
    Ok(Parsed { cli, command_line, config })
}

/// Parses a command line, with the values of a config file as defaults.
fn parse_from<T: Clone + Into<OsString>>(args: &[T], config: &Config) -> Result<(Cli, CommandLine), clap::Error> {
    let args: Vec<OsString> = args.iter().cloned().map(Into::into).collect();
    let typed = Typed::new(&command(), &args);
    let mut command = config.apply(command(), &typed);
    let words: Vec<String> = args.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let matches = match command.try_get_matches_from_mut(args) {
        Ok(matches) => matches,
        Err(e) => {
            return Err(usage::explained(e, &typed.names(), &command, config, &words));
        }
    };
    outputs::check(&command, &matches)
        .map_err(|what| clap::Error::raw(clap::error::ErrorKind::ValueValidation, format!("{what}\n")))?;
    let command_line = CommandLine::of(&command, &matches, config);
    Ok((Cli::from_arg_matches(&matches)?, command_line))
}

/// Prints help, the version or a usage error, and returns the exit code.
fn usage(e: &clap::Error) -> Exit {
    let written = if charset::is_utf8() { e.print() } else { print_ascii(e) };
    if e.use_stderr() || written.is_err() { Exit::CouldNotRun } else { Exit::Clean }
}

/// Prints help or an error in ASCII, without colors.
fn print_ascii(e: &clap::Error) -> std::io::Result<()> {
    use std::io::Write as _;
    let text = e.render().to_string();
    let text = charset::shown(&text);
    if e.use_stderr() {
        std::io::stderr().write_all(text.as_bytes())
    } else {
        std::io::stdout().write_all(text.as_bytes())
    }
}

impl Command {
    async fn run(self, context: &Context) -> anyhow::Result<Rendered> {
        match self {
            Self::Demo(args) => demo::run(args, context).await,
            Self::Init(args) => init::run(args).await,
            Self::Doctor(args) => {
                let checked = context.cancel.run_until_cancelled(doctor::run(args)).await;
                checked.unwrap_or_else(|| Err(Interrupted("before everything was checked").into()))
            }
            Self::Generate(args) => generate::run(args, context).await,
            Self::Publish(args) => publish::run(*args, context).await,
            Self::Backfill(args) => backfill::run(args, context).await,
            Self::Replay(args) => replay::run(args, context).await,
            Self::Reconcile(args) => reconcile::run(args, context).await,
            Self::Undo(args) => undo::run(args, context).await,
            Self::Compact(args) => compact::run(args, context).await,
            Self::Restore(args) => restore::run(args, context).await,
            Self::Ddl(args) => ddl::run(&args),
            Self::Plan(args) => plan::run(args, context).await,
            Self::Shard(args) => shard::run(args, context).await,
            Self::Merge(args) => merge::run(args, context).await,
            Self::Process(args) => process::run(args, context).await,
            Self::Bundle(args) => bundle::run(args, context).await,
            Self::Completions(args) => Ok(completions::run(&args)),
            Self::Man(args) => man::run(&args),
        }
    }
}
