//! The command line: one file a subcommand, each with its `Args` and a `run` that wires rooms together. No algorithms.
//!
//! Flags that several commands share are declared once in `flags`; `config` gives every flag its environment
//! variable and its key in `ruminate.toml`.

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::cancellation::CancellationToken;
use crate::outcome::Exit;
use crate::progress::Progress;
use crate::render::Rendered;

mod backfill;
mod bundle;
mod command_line;
mod completions;
mod config;
mod demo;
mod doctor;
mod flags;
mod generate;
mod init;
mod log;
mod man;
mod process;
mod publish;
mod reconcile;
mod replay;
mod throttle;
mod topic;

/// Load testing, disaster recovery, reconciliation and backfill for the feedlot consumption pipeline.
///
/// producer → SNS → Lambda → S3 lake + RDS MySQL warehouse: the stream runs by itself, ruminate does everything around it.
#[derive(Debug, Parser)]
#[command(name = "ruminate", version, propagate_version = true, disable_help_subcommand = true)]
#[command(
    after_help = "Exit codes: 0 clean · 1 done, but drift, rejects or failed messages · 2 could not run · 3 stopped early, resumable.\n\
    Every flag has an environment variable RUMINATE_<FLAG> and a key in ruminate.toml."
)]
pub struct Cli {
    #[command(flatten)]
    common: flags::GlobalFlags,
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
    Bundle(bundle::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// What every command is given besides its arguments.
#[derive(Debug, Clone)]
pub struct Context {
    /// Where progress is shown.
    pub progress: Progress,
    /// The wish to stop.
    pub cancel: CancellationToken,
}

/// The whole command with environment variables and file settings, as `completions` and `man` describe it too.
fn command() -> clap::Command {
    config::with_environment(Cli::command())
}

/// Threads for files and disks at most: each keeps memory of its own, and a few are as fast as many.
const BLOCKING: usize = 8;

/// Parses the command line, runs the command and prints its outcome; errors go to stderr in one line.
pub fn main() -> Exit {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(e) => return usage(&e),
    };
    let progress = if cli.common.silent() { Progress::Silent } else { Progress::for_stderr() };
    log::begin(&cli.common, &progress);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(BLOCKING).build()
    {
        Ok(runtime) => runtime,
        Err(e) => return log::fail(&anyhow::Error::new(e).context("cannot start")),
    };
    let _closing = Closing;
    let context = Context { progress, cancel: CancellationToken::default() };
    let form = cli.common.output;
    let outcome = runtime.block_on(async {
        context.cancel.cancel_on_signals(pipeline::warehouse::sqlite::close_all);
        cli.command.run(&context).await
    });
    runtime.shutdown_background(); // a read of stdin may be stuck in its thread
    match outcome.and_then(|printed| Ok(printed.print(form).map(|()| printed.exit)?)) {
        Ok(exit) => exit,
        Err(e) => log::fail(&e),
    }
}

/// Closes what is left open, on every way out: also after an error and a panic.
struct Closing;

impl Drop for Closing {
    fn drop(&mut self) {
        pipeline::warehouse::sqlite::close_all();
    }
}

fn parse() -> Result<Cli, clap::Error> {
    let command = config::with_file(command())?;
    Cli::from_arg_matches(&command.try_get_matches().map_err(publish::with_tip)?)
}

/// Help and version are what was asked for; anything else is wrong usage.
fn usage(e: &clap::Error) -> Exit {
    let written = e.print();
    if e.use_stderr() || written.is_err() { Exit::CouldNotRun } else { Exit::Clean }
}

impl Command {
    async fn run(self, context: &Context) -> anyhow::Result<Rendered> {
        match self {
            Self::Demo(args) => demo::run(args, context).await,
            Self::Init(args) => init::run(args).await,
            Self::Doctor(args) => doctor::run(args).await,
            Self::Generate(args) => generate::run(args, context).await,
            Self::Publish(args) => publish::run(*args, context).await,
            Self::Backfill(args) => backfill::run(args, context).await,
            Self::Replay(args) => replay::run(args, context).await,
            Self::Reconcile(args) => reconcile::run(args, context).await,
            Self::Process(args) => process::run(args, context).await,
            Self::Bundle(args) => bundle::run(args, context).await,
            Self::Completions(args) => Ok(completions::run(&args)),
            Self::Man(args) => man::run(&args),
        }
    }
}
