//! `ruminate publish`: publishes history files or a generated history to the topic.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::Utc;

use super::flags::{ndjson_path, output_path};
use super::topic::TopicFlags;
use super::{Context, input_files};
use crate::history::{InputSettings, Inputs, OnUniform};
use crate::open_files;
use crate::publish::Outcome;
use crate::publish::{
    self, FailIf, JournalLocation, OnInvalid, Rate, Resume, Schedule, ScheduleEnd, Settings, Source, Speedup, Stages,
    WatchOptions,
};
use crate::render::Rendered;
use crate::topic::TopicAddress;
use crate::units;

mod generate_spec;
mod preflight;
mod reports;
mod truth;

use generate_spec::GenerateSpec;
use reports::ReportFlags;

/// Concurrent batches without a schedule; more would only wait at the topic.
const CLOSED: usize = 16;
/// Concurrent batches with a schedule: a late response must not delay other messages.
const OPEN: usize = 512;
/// Concurrent batches with the in-process intake, limited by the warehouse's connections.
const LOCAL: usize = 3;
/// Default wait for a batch to be filled.
const LINGER: &str = "20ms";
/// Default wait for outstanding readings.
const WATCH_TIMEOUT: &str = "60s";
/// Default maximum delay of generated messages: a later message would invalidate the load test.
const DROP_AFTER: Duration = Duration::from_secs(1);

/// Publish histories to the topic, as a bulk load or a load test
///
/// Invalid readings are reported and not sent. Messages that fail permanently, or after all retries, become dead letters; a
/// dead-letter file can be published like any other file.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// History files (NDJSON, JSON, CSV or Parquet), directories of them, or dead-letter files; - for stdin
    #[arg(value_name = "FILE", required_unless_present = "generate", conflicts_with = "generate")]
    files: Vec<PathBuf>,
    /// Publish generated readings, for example farms=2,lots=100,days=30,start=2026-01-01,seed=1,duplicate=0.01
    ///
    /// Keys: farms, lots, days, start, seed, part and fault rates, as for `ruminate generate`. At least one is required.
    #[arg(long, value_name = "SPEC")]
    generate: Option<GenerateSpec>,
    #[command(flatten)]
    input: input_files::InputFlags,
    #[command(flatten)]
    pace: ScheduleFlags,
    /// Write failed and dropped messages to this NDJSON file
    ///
    /// It must be new or empty; with --skip or --resume, messages are appended.
    #[arg(long, value_name = "FILE", value_parser = ndjson_path())]
    dead_letters: Option<PathBuf>,
    /// Resume an interrupted run of the same command
    #[arg(long, conflicts_with = "skip")]
    resume: bool,
    /// Journal file for --resume [default: a file per run in $XDG_STATE_HOME/ruminate]
    #[arg(long, value_name = "FILE", value_parser = output_path())]
    journal: Option<PathBuf>,
    /// Skip the first N messages
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: u64,
    /// Also send invalid readings, to exercise the quarantine
    #[arg(long)]
    send_invalid: bool,
    /// Skip the confirmation for runs over a million messages or an hour
    #[arg(long, short)]
    yes: bool,
    /// Exit 1 if any condition is true, otherwise 0: 'p99 > 500ms; failed > 0; dropped > 0; lag_p99 > 5s'
    ///
    /// Metrics: latency p50, p90, p99, p999, max; service_* (request time) and lag_* (with --watch); failed, dropped,
    /// invalid, retries, unsent, missing (counts, or percentages such as 0.1%); rate (500/s); achieved (percentage of
    /// scheduled messages); behind, starved (durations). Operators: > >= < <=.
    #[arg(long, value_name = "CONDITIONS")]
    fail_if: Option<FailIf>,
    #[command(flatten)]
    watch: WatchFlags,
    #[command(flatten)]
    reports: ReportFlags,
    #[command(flatten)]
    topic: TopicFlags,
}

/// Flags for watching the arrival of readings.
#[derive(Debug, clap::Args)]
struct WatchFlags {
    /// Poll the warehouse for published readings and report the publish-to-row lag
    #[arg(long)]
    watch: bool,
    /// With --watch: how long to wait for outstanding readings after the last message
    #[arg(long, value_name = "DURATION", default_value = WATCH_TIMEOUT, value_parser = units::duration, requires = "watch")]
    watch_timeout: Duration,
    /// Ground-truth file: written with --generate, read with files
    ///
    /// With --watch, expected readings that never arrived are reported.
    #[arg(long, value_name = "FILE", value_parser = output_path())]
    truth: Option<PathBuf>,
}

/// Flags for the schedule.
#[derive(Debug, clap::Args)]
struct ScheduleFlags {
    /// Constant rate: 500/s, 30000/m or 1000/h [default: as fast as possible]
    #[arg(long, value_name = "N/s", group = "schedule")]
    rate: Option<Rate>,
    /// Variable rate, as stages; the run ends with the last one: ramp:0-5000/s:60s,hold:5000/s:5m
    ///
    /// Stages run in sequence: hold:RATE:TIME, ramp:FROM-TO:TIME, spike:RATE:TIME (then the previous rate for the same time),
    /// sine:LOW-HIGH:PERIOD:TIME. The run ends after the last stage or the last message; if messages are left in files,
    /// they are counted and the exit code is 3. A last hold:RATE without a time lasts until the input ends:
    /// ramp:0-200/s:5s,hold:200/s.
    #[arg(long, value_name = "STAGES", group = "schedule")]
    stages: Option<Stages>,
    /// With --stages: exit 0, not 3, if the last stage ends before the files do
    ///
    /// The remaining messages are still counted and reported. With --generate this is the default.
    #[arg(long, requires = "stages")]
    stop_at_schedule_end: bool,
    /// Replay readings by their own timestamps, N times faster than real time: 86400x is a day per second
    #[arg(long, value_name = "Nx", group = "schedule")]
    speed: Option<Speedup>,
    /// Concurrent batches [default: 512 with a schedule, otherwise 16; 3 with --topic local]
    ///
    /// On a FIFO topic, the messages of a lot are always sent one at a time.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    concurrency: Option<u32>,
    /// Maximum time to wait for a batch to fill
    #[arg(long, value_name = "DURATION", default_value = LINGER, value_parser = units::duration)]
    linger: Duration,
    /// Drop messages that are this late, or "never" [default: 1s with --generate, never with files]
    #[arg(long, value_name = "DURATION|never")]
    drop_after: Option<DropAfter>,
}

impl ScheduleFlags {
    fn schedule(&self) -> Schedule {
        match (self.rate, &self.stages, self.speed) {
            (Some(rate), ..) => Schedule::Rate(rate),
            (_, Some(stages), _) => Schedule::Stages(stages.clone()),
            (.., Some(speed)) => Schedule::Speed(speed),
            (None, None, None) => Schedule::None,
        }
    }
}

/// Maximum delay of a message. `None` for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DropAfter(Option<Duration>);

impl FromStr for DropAfter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" { Ok(Self(None)) } else { Ok(Self(Some(units::duration(text)?))) }
    }
}

impl Args {
    fn source(&self) -> anyhow::Result<Source> {
        match &self.generate {
            None => {
                let input_files::InputPaths { files, not_read } = input_files::expanded(self.files.clone())?;
                let settings = InputSettings { is_live: true, ..self.input.settings() };
                Ok(Source::Files(Inputs::unchecked(files, settings).with_not_read(not_read)))
            }
            Some(GenerateSpec(flags)) => {
                let herd = flags.herd(Utc::now().date_naive())?;
                Ok(Source::Herd { herd, part: flags.part, faults: flags.faults })
            }
        }
    }

    fn settings(&self, address: &TopicAddress, source: &Source) -> Settings {
        let schedule = self.pace.schedule();
        let terms = address.terms();
        let by_itself = match &terms {
            None => LOCAL,
            Some(_) if schedule.is_open_loop() => OPEN,
            Some(_) => CLOSED,
        };
        let made_on_the_way = matches!(source, Source::Herd { .. });
        let by_source = DropAfter(made_on_the_way.then_some(DROP_AFTER));
        Settings {
            concurrency: open_files::fitting(self.pace.concurrency.map_or(by_itself, |n| n as usize)),
            keeps_order: terms.is_some_and(|terms| terms.keeps_order),
            linger: self.pace.linger,
            drop_after: self.pace.drop_after.unwrap_or(by_source).0.filter(|_| schedule.is_open_loop()),
            schedule,
            schedule_end: if self.pace.stop_at_schedule_end { ScheduleEnd::Meant } else { ScheduleEnd::Early },
            skip: self.skip,
            journal: self.journal_location(source),
            resume: if self.resume { Resume::Yes } else { Resume::No },
            on_invalid: if self.send_invalid { OnInvalid::Send } else { OnInvalid::Withhold },
            dead_letters: self.dead_letters.clone(),
            fail_if: self.fail_if.clone().unwrap_or_default(),
            ..Settings::default()
        }
    }

    /// Returns the location of the journal; input that cannot be read again has no journal.
    fn journal_location(&self, source: &Source) -> JournalLocation {
        match (&self.journal, state_dir()) {
            _ if !source.is_repeatable() => JournalLocation::Disabled,
            (Some(file), _) => JournalLocation::File(file.clone()),
            (None, Some(dir)) => JournalLocation::Folder(dir),
            (None, None) => JournalLocation::Disabled,
        }
    }
}

/// Returns the directory for state of later runs (XDG Base Directory Specification). `None` if it cannot be created.
fn state_dir() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")))?;
    let dir = base.join("ruminate");
    match std::fs::create_dir_all(&dir) {
        Ok(()) => Some(dir),
        Err(e) => {
            tracing::debug!("no journal: {}: {e}", dir.display());
            None
        }
    }
}

/// Inspects the files of a source. With `--send-invalid`, their messages are checked one by one.
///
/// # Errors
/// Returns an error if a file cannot be read.
async fn inspected(source: Source, args: &Args, context: &Context) -> anyhow::Result<Source> {
    let Source::Files(inputs) = source else { return Ok(source) };
    let on_uniform = if args.send_invalid { OnUniform::JudgeMessages } else { OnUniform::RejectFile };
    let (progress, cancel) = (context.progress.clone(), context.cancel.clone());
    let inspect = move || {
        let paths = inputs.paths().map(std::path::Path::to_owned).collect();
        let not_read = inputs.not_read().to_vec();
        let found = Inputs::inspect(paths, inputs.settings(), on_uniform, &progress, &cancel)?;
        anyhow::Ok(found.with_not_read(not_read))
    };
    Ok(Source::Files(tokio::task::spawn_blocking(inspect).await??))
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Rendered> {
    if let Some(condition) = args.fail_if.as_ref().and_then(FailIf::needs_watch).filter(|_| !args.watch.watch) {
        anyhow::bail!("--fail-if {condition}: it is only measured with --watch: add --watch, or remove the condition");
    }
    let source = args.source()?;
    source.check()?;
    anyhow::ensure!(
        args.watch.truth.is_none() || args.watch.watch || args.generate.is_some(),
        "--truth with files is checked in the warehouse: add --watch, or remove --truth"
    );
    args.reports.check()?;
    let address = args.topic.address()?;
    let source = inspected(source, &args, context).await?;
    if let Some(terms) = address.terms() {
        preflight::announce_and_confirm(terms, &args, &source).await?;
    }
    preflight::announce_unreached_messages(&args, &source);
    let topic = args.topic.open(&address).await?;
    let mut settings = args.settings(&address, &source);
    if args.watch.watch {
        let warehouse = args.topic.warehouse.open().await.context("--watch")?;
        settings.watched =
            Some(WatchOptions { warehouse, timeout: args.watch.watch_timeout, truth: args.watch.truth.clone() });
    }
    truth::write(&args, &source, context).await?;
    let mut command_line = context.command_line.clone().or("topic", &address);
    if args.watch.watch || address == TopicAddress::Local {
        command_line = command_line.or("warehouse", args.topic.warehouse.url()?);
    }
    let outcome = publish::run(source, Arc::clone(&topic), settings, &context.progress, &context.cancel).await?;
    let outcome = Outcome {
        command: command_line.to_string(),
        conditional_writes: topic.conditional_writes(),
        endpoint: topic.endpoint(),
        ..outcome
    };
    args.reports.write(&outcome);
    Ok(Rendered::of(&outcome))
}
