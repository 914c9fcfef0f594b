//! `ruminate generate`: synthetic histories as files, or as a stream on stdout.

use std::path::{Path, PathBuf};

use chrono::{Days, NaiveDate, Utc};

use super::Context;
use crate::generate::{self, Existing, Out, Plan};
use crate::herd::{Faults, Format, Herd, Part};
use crate::report::{Outcome, Printed};

/// Makes synthetic farm histories: the same flags give the same bytes, on any machine and in any part
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    herd: HerdFlags,
    /// The form of the files: ndjson or csv
    #[arg(long, value_name = "FORMAT", default_value = "ndjson")]
    format: Format,
    /// The directory for <CodCliente>_Consumo_<YYYYMMDD>.json (or .csv); - for one stream on stdout
    #[arg(long, value_name = "DIR", default_value = "histories")]
    out: PathBuf,
    /// Replace files that are there with other content
    #[arg(long)]
    force: bool,
}

/// What describes a history.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub(super) struct HerdFlags {
    /// Farms
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub farms: u32,
    /// Pens a farm; on any day about 91 of 100 deliver a reading
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub lots: u32,
    /// Days
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub days: u32,
    /// The first day [default: so that the last one is yesterday]
    #[arg(long, value_name = "DATE")]
    pub start: Option<NaiveDate>,
    /// Decides everything the other figures leave open
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// One of N slices of the history, such as 2/4; in order they are the whole
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    pub part: Part,
    /// What goes wrong, as shares of readings: duplicate=0.01,late=0.05
    ///
    /// Kinds: duplicate, malformed, late, missing, zero, negative, text, correction.
    #[arg(long, value_name = "KIND=RATE,…", default_value = "")]
    pub faults: Faults,
}

impl HerdFlags {
    /// The history meant, on this day.
    pub(super) fn herd(&self, today: NaiveDate) -> anyhow::Result<Herd> {
        let ends_yesterday = today.checked_sub_days(Days::new(u64::from(self.days))).unwrap_or_default();
        let start = self.start.unwrap_or(ends_yesterday);
        Ok(Herd::try_new(self.farms, self.lots, self.days, start, self.seed)?)
    }
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Printed> {
    let herd = args.herd.herd(Utc::now().date_naive())?;
    let plan = Plan { herd, part: args.herd.part, faults: args.herd.faults, format: args.format };
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    let out = if args.out == Path::new("-") { Out::Stdout } else { Out::Dir(args.out) };
    let (progress, stop, to_stdout) = (context.progress.clone(), context.stop.clone(), out == Out::Stdout);
    let outcome = tokio::task::spawn_blocking(move || generate::run(plan, out, existing, &progress, &stop)).await??;
    if !to_stdout {
        return Ok(Printed::of(&outcome));
    }
    // stdout is the history's: the outcome goes to the log, unless nobody listens any more.
    if !outcome.unread {
        tracing::info!("{}", outcome.line());
    }
    let mut printed = Printed::nothing();
    printed.exit = outcome.exit();
    Ok(printed)
}
