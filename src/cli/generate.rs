//! `ruminate generate`: synthetic histories as files, or as a stream on stdout.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use chrono::{Days, NaiveDate, Utc};

use super::Context;
use super::flags::{a_path, output_path};
use crate::compression::CompressionFormat;
use crate::generate::{self, Destination, FileFormat, GeneratePlan, IfExists};
use crate::herd::{Faults, Herd, Part};
use crate::outcome::CommandOutcome;
use crate::render::Rendered;
use crate::render::generate::line;

/// Makes synthetic farm histories: the same flags give the same bytes, on any machine and in any part
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    herd: HerdFlags,
    /// The form of the files: ndjson, csv or parquet [default: by the ending of --out FILE, or else ndjson]
    ///
    /// Parquet has typed columns, so it cannot hold malformed and oversized readings.
    #[arg(long, value_name = "FORMAT")]
    format: Option<FileFormat>,
    /// A directory for <CodCliente>_Consumo_<YYYYMMDD>.json, or one file if it ends in .json, .ndjson, .csv (and in .gz or .zst
    /// behind that) or .parquet; - for one stream on stdout
    ///
    /// Parts of one file or stream (--part) can be joined, but for Parquet: only the first one has the header.
    #[arg(long, value_name = "DIR|FILE|-", default_value = "histories", value_parser = a_path())]
    out: PathBuf,
    /// Pack what is written: gzip, zstd or none [default: by the ending of --out FILE, or else none]
    #[arg(long, value_name = "PACKING")]
    compress: Option<CompressionFormat>,
    /// Write here what was done to every reading and what must become of it, for `ruminate reconcile --truth`; as gzip or
    /// zstd if it ends in .gz or .zst
    #[arg(long, value_name = "FILE", value_parser = output_path())]
    truth: Option<PathBuf>,
    /// Threads that make the history; its bytes are the same with any number [default: as many as there are cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
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
    /// What goes wrong, as shares of readings: duplicate=0.01,late=0.05,malformed.text=0.001
    ///
    /// Faults: duplicate, late, out_of_order, missing_day, malformed, corrected, oversized, unknown_farm, missing, zero. One kind
    /// of malformed alone is malformed.KIND: truncated, garbage, missing_field, null_field, text, negative, nan, bad_date,
    /// impossible_date, decimal_comma, fraction, huge, empty_farm.
    #[arg(long, value_name = "FAULT=RATE,…", default_value = "")]
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

impl Args {
    fn plan(&self, herd: Herd) -> anyhow::Result<(GeneratePlan, Destination)> {
        let (out, form, compression) = self.place()?;
        anyhow::ensure!(
            self.truth.as_ref().is_none_or(|truth| *truth != self.out),
            "--truth and --out are the same file: give the truth another name"
        );
        let (part, faults, threads, truth) = (self.herd.part, self.herd.faults, self.threads, self.truth.clone());
        Ok((GeneratePlan { part, faults, form, compression, threads, truth, ..GeneratePlan::new(herd) }, out))
    }

    /// Where it goes, in which form and how packed: one file says so by its endings.
    fn place(&self) -> anyhow::Result<(Destination, FileFormat, CompressionFormat)> {
        let (form, compression) = (self.format.unwrap_or_default(), self.compress.unwrap_or_default());
        if self.out == Path::new("-") {
            return Ok((Destination::Stdout, form, compression));
        }
        let (ends_packed, inner) = CompressionFormat::from_path(&self.out);
        let ends_as = inner.extension().and_then(|ending| FileFormat::of_ending(&ending.to_string_lossy()));
        let is_dir = self.out.is_dir();
        let is_device = !is_dir && self.out.exists() && !self.out.is_file();
        let Some(ends_as) = ends_as.filter(|_| !is_dir && !is_device) else {
            let out = if is_device { Destination::File(self.out.clone()) } else { Destination::Dir(self.out.clone()) };
            return Ok((out, form, compression));
        };
        let name = self.out.display();
        anyhow::ensure!(
            self.format.is_none_or(|requested_at| requested_at == ends_as),
            "{name} does not end as --format {form} does: give another name, or leave --format out"
        );
        anyhow::ensure!(
            self.compress.is_none_or(|requested| requested == ends_packed),
            "{name} does not end as --compress asks (.gz for gzip, .zst for zstd): give another name, or leave it out"
        );
        Ok((Destination::File(self.out.clone()), ends_as, ends_packed))
    }
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Rendered> {
    let herd = args.herd.herd(Utc::now().date_naive())?;
    let (plan, out) = args.plan(herd)?;
    let existing = if args.force { IfExists::Replace } else { IfExists::Fail };
    let (progress, cancel, to_stdout) = (context.progress.clone(), context.cancel.clone(), out == Destination::Stdout);
    let outcome =
        tokio::task::spawn_blocking(move || generate::run(&plan, out, existing, &progress, &cancel)).await??;
    if !to_stdout {
        return Ok(Rendered::of(&outcome));
    }
    // stdout is the history's: the outcome goes to the log, unless nobody listens any more.
    if !outcome.unread {
        tracing::info!("{}", line(&outcome));
    }
    let mut printed = Rendered::nothing();
    printed.exit = outcome.exit();
    Ok(printed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::herd::{Fault, Malformed};

    #[test]
    fn help_names_every_fault_and_every_kind_of_malformed() {
        let mut command = <Args as clap::Args>::augment_args(clap::Command::new("generate"));
        let help = command.render_long_help().to_string();
        for name in Fault::ALL.map(Fault::name).into_iter().chain(Malformed::ALL.map(Malformed::name)) {
            assert!(help.contains(name), "{name}");
        }
    }
}
