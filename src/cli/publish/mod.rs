//! `ruminate publish`: history files, or a history made on the way, to the topic.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::Utc;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::flags::output_path;
use super::topic::TopicFlags;
use super::{Context, command_line};
use crate::herd::LineFormat;
use crate::publish::Outcome;
use crate::publish::{
    self, FailIf, JournalLocation, OnInvalid, Rate, Resume, Schedule, ScheduleEnd, Settings, Source, Speedup, Stages,
    WatchOptions, parse_duration,
};
use crate::render::Rendered;
use crate::topic::address::TopicAddress;

mod command;
mod generate_spec;
mod preflight;
mod reports;
mod truth;

use generate_spec::GenerateSpec;
use reports::ReportFlags;

/// Batches in flight at once without a schedule, of which more only wait at the topic.
const CLOSED: usize = 16;
/// The same with a schedule: an answer that is late must hold up nothing that is due.
const OPEN: usize = 512;
/// The same with the intake in this process, which the warehouse's connections bound.
const LOCAL: usize = 3;
/// How long a batch that is not full waits for more.
const LINGER: &str = "20ms";
/// How long the watch waits for the rest.
const WATCH_FOR: &str = "60s";
/// How late a generated message may be sent: a load test that is later than that tests something else.
const DROP_AFTER: Duration = Duration::from_secs(1);

/// Publishes history files in bulk, by a schedule and with latencies, as a backfill or as a load test
///
/// Messages that are no valid reading are counted and named, and not sent. What the topic refuses for good, or for too
/// long, becomes a dead letter; a file of dead letters can be published like any other.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// History files, NDJSON or CSV, or dead letters; - for standard input
    #[arg(value_name = "FILE", required_unless_present = "generate", conflicts_with = "generate")]
    files: Vec<PathBuf>,
    /// Publish a history made on the way, such as farms=2,lots=100,days=30,start=2026-01-01,seed=1,duplicate=0.01
    ///
    /// Keys: farms, lots, days, start, seed and part as for `ruminate generate`, and kinds of faults with their rates
    /// as for its --faults. All may be left out but one.
    #[arg(long, value_name = "SPEC")]
    generate: Option<GenerateSpec>,
    /// The form of the files [default: by their ending, .csv or else NDJSON]
    #[arg(long, value_name = "FORMAT")]
    format: Option<LineFormat>,
    #[command(flatten)]
    pace: ScheduleFlags,
    /// Write messages that could not be published here, one JSON object a line; must be new or empty, or with --skip or
    /// --resume is written on
    #[arg(long, value_name = "FILE", value_parser = output_path())]
    dead_letters: Option<PathBuf>,
    /// Go on where the same command stopped
    #[arg(long, conflicts_with = "skip")]
    resume: bool,
    /// Keep what is settled in this file [default: one of the run's own in $XDG_STATE_HOME/ruminate]
    #[arg(long, value_name = "FILE", value_parser = output_path())]
    journal: Option<PathBuf>,
    /// Pass over the first N messages
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: u64,
    /// Send messages that are no valid reading too: load for the quarantine
    #[arg(long)]
    send_invalid: bool,
    /// Do not ask before a large run: over a million messages, or an hour
    #[arg(long, short)]
    yes: bool,
    /// Exit with 1 where a condition holds, and with 0 where none does: 'p99 > 500ms; failed > 0; dropped > 0; lag_p99 > 5s'
    ///
    /// Metrics: p50, p90, p99, p999, max of the latency; the same with service_ of the calls and lag_ of --watch; failed,
    /// dropped, invalid, retries, unsent, missing (numbers, or shares such as 0.1%); rate; achieved (of what was due, 99%);
    /// behind, starved. Comparisons: > >= < <=.
    #[arg(long, value_name = "CONDITIONS")]
    fail_if: Option<FailIf>,
    #[command(flatten)]
    watch: WatchFlags,
    #[command(flatten)]
    reports: ReportFlags,
    #[command(flatten)]
    topic: TopicFlags,
}

/// Whether arrival is watched, and what has to arrive.
#[derive(Debug, clap::Args)]
struct WatchFlags {
    /// Look for what is published in the warehouse, and report the lag from publish to row
    #[arg(long)]
    watch: bool,
    /// With --watch: how long to wait for the rest after the last message
    #[arg(long, value_name = "TIME", default_value = WATCH_FOR, value_parser = parse_duration_arg, requires = "watch")]
    watch_for: Duration,
    /// The truth file of what is published: with --generate it is written first, with files it is there already; with --watch it
    /// is told what of it never arrived, sent or not
    #[arg(long, value_name = "FILE", value_parser = output_path())]
    truth: Option<PathBuf>,
}

/// When messages go.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Schedule")]
struct ScheduleFlags {
    /// Messages a second (500/s, or 500), minute (30000/m) or hour [default: as fast as the topic takes them]
    #[arg(long, value_name = "N/s", group = "schedule")]
    rate: Option<Rate>,
    /// Rates that change: ramp:0-5000/s:60s,hold:5000/s:5m,spike:20000/s:10s,sine:1000-5000/s:60s:10m; files that are not
    /// published when the last one ends are counted, and the exit code is 3
    ///
    /// Stages follow one another: hold:RATE:TIME, ramp:FROM-TO:TIME, spike:RATE:TIME (and back to the rate before it for
    /// as long), sine:LOW-HIGH:PERIOD:TIME. The run ends with the last one, or with the last message. A last hold:RATE
    /// without a time goes on until the input ends: ramp:0-200/s:5s,hold:200/s.
    #[arg(long, value_name = "STAGES", group = "schedule")]
    stages: Option<Stages>,
    /// With --stages: the end of the last stage is meant, whatever is left of the files: exit with 0, not 3
    ///
    /// What is left is counted and said all the same. With --generate that end is always meant.
    #[arg(long, requires = "stages")]
    stop_at_schedule_end: bool,
    /// Replay history by each reading's own time, so many times faster than life: 86400x is a day in a second
    #[arg(long, value_name = "Nx", group = "schedule")]
    speed: Option<Speedup>,
    /// Batches in flight at once [default: 512 with a schedule, or else 16; 3 with --topic local]
    ///
    /// On a FIFO topic a lot's messages wait for one another whatever it is.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    concurrency: Option<u32>,
    /// How long a batch that is not full waits for more
    #[arg(long, value_name = "TIME", default_value = LINGER, value_parser = parse_duration_arg)]
    linger: Duration,
    /// Drop messages that cannot be sent within this time after they are due, or never [default: 1s with --generate,
    /// never with files]
    #[arg(long, value_name = "TIME|never")]
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

/// Adds what to do where a rate and stages are both asked for.
pub(super) fn with_tip(mut e: clap::Error) -> clap::Error {
    let named = |kind| e.get(kind).map(ToString::to_string).unwrap_or_default();
    let both = named(ContextKind::InvalidArg) + &named(ContextKind::PriorArg);
    if e.kind() == ErrorKind::ArgumentConflict && both.contains("--stages") && both.contains("--rate") {
        let tip = "stages have their own rates; a last one without a time goes on until the input ends: \
                   --stages ramp:0-200/s:5s,hold:200/s";
        e.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    e
}

fn parse_duration_arg(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "give a length of time, such as 500ms, 30s or 5m".into())
}

/// How late a message may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DropAfter(Option<Duration>);

impl fmt::Display for DropAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.map_or("never".into(), command_line::format_duration))
    }
}

impl FromStr for DropAfter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" { Ok(Self(None)) } else { Ok(Self(Some(parse_duration_arg(text)?))) }
    }
}

impl Args {
    fn source(&self) -> anyhow::Result<Source> {
        match &self.generate {
            None => Ok(Source::Files { paths: self.files.clone(), format: self.format }),
            Some(GenerateSpec(flags, _)) => {
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
            concurrency: self.pace.concurrency.map_or(by_itself, |n| n as usize),
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

    /// Where the journal is kept: what cannot be read again needs none.
    fn journal_location(&self, source: &Source) -> JournalLocation {
        match (&self.journal, state_dir()) {
            _ if !source.is_repeatable() => JournalLocation::Disabled,
            (Some(file), _) => JournalLocation::File(file.clone()),
            (None, Some(dir)) => JournalLocation::Folder(dir),
            (None, None) => JournalLocation::Disabled,
        }
    }
}

/// The folder for what runs leave for later ones (XDG Base Directory Specification), if it can be made.
fn state_dir() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")))?;
    let dir = base.join("ruminate");
    match std::fs::create_dir_all(&dir) {
        Ok(()) => Some(dir),
        Err(e) => {
            tracing::debug!("no journal is kept: {}: {e}", dir.display());
            None
        }
    }
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Rendered> {
    if let Some(condition) = args.fail_if.as_ref().and_then(FailIf::needs_watch).filter(|_| !args.watch.watch) {
        anyhow::bail!("--fail-if {condition}: that is measured with --watch only: give it, or leave the condition out");
    }
    let source = args.source()?;
    source.check()?;
    anyhow::ensure!(
        args.watch.truth.is_none() || args.watch.watch || args.generate.is_some(),
        "--truth: with files it is looked up in the warehouse: give --watch, or leave it out"
    );
    args.reports.check()?;
    let address = args.topic.address()?;
    if let Some(terms) = address.terms() {
        preflight::announce_and_confirm(terms, &args, &source).await?;
    }
    preflight::tell_of_the_rest(&args, &source);
    let topic = args.topic.open(&address).await?;
    let mut settings = args.settings(&address, &source);
    if args.watch.watch {
        let warehouse = args.topic.warehouse.open().await.context("--watch")?;
        settings.watched =
            Some(WatchOptions { warehouse, timeout: args.watch.watch_for, truth: args.watch.truth.clone() });
    }
    truth::write(&args, &source, context).await?;
    let command = args.command(&address)?;
    let outcome = publish::run(source, Arc::clone(&topic), settings, &context.progress, &context.cancel).await?;
    let outcome = Outcome { command, conditional_writes: topic.conditional_writes(), ..outcome };
    args.reports.write(&outcome);
    Ok(Rendered::of(&outcome))
}
