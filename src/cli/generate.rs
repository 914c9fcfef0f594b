//! `ruminate generate`: generates synthetic histories as files, or as a stream on stdout.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use chrono::{Days, NaiveDate, Utc};

use super::Context;
use super::flags::{a_path, output_path};
use super::times::day;
use crate::compression::CompressionFormat;
use crate::generate::{self, Destination, FileFormat, GeneratePlan, IfExists};
use crate::herd::{Fault, Faults, Herd, Malformed, Part};
use crate::outcome::CommandOutcome;
use crate::render::Rendered;
use crate::render::generate::line;

/// Generate synthetic farm histories
///
/// The same flags give the same bytes on any machine.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    herd: HerdFlags,
    /// Output format: ndjson, csv or parquet [default: from the extension of --out, otherwise ndjson]
    ///
    /// Parquet columns are typed, so malformed and oversized readings are not supported.
    #[arg(long, value_name = "FORMAT")]
    format: Option<FileFormat>,
    /// Output directory, a single file (.json, .ndjson or .csv, optionally .gz or .zst; .parquet), or - for stdout
    ///
    /// A directory gets one <CodCliente>_Consumo_<YYYYMMDD>.json per farm and day. Parts (--part) can be concatenated, except
    /// Parquet: only the first has the header.
    #[arg(long, value_name = "DIR|FILE|-", default_value = "histories", value_parser = a_path())]
    out: PathBuf,
    /// Compression: gzip, zstd or none [default: from the extension of --out, otherwise none]
    #[arg(long, value_name = "COMPRESSION")]
    compress: Option<CompressionFormat>,
    /// Write a ground-truth file for `ruminate reconcile --truth`: each reading's fault and expected result
    ///
    /// A name that ends in .gz or .zst compresses it.
    #[arg(long, value_name = "FILE", value_parser = output_path())]
    truth: Option<PathBuf>,
    /// Number of threads; does not affect the output [default: number of cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Overwrite existing files
    #[arg(long)]
    force: bool,
}

/// Help of `--faults`.
const FAULTS: &str = "Faults to inject, as fractions of readings: duplicate=0.01,late=0.05,malformed.text=0.001";

/// Returns the complete help of `--faults`, with all names.
fn faults_help() -> String {
    let (faults, subtypes) = (Fault::ALL.map(Fault::name).join(", "), Malformed::ALL.map(Malformed::name).join(", "));
    format!("{FAULTS}\n\nFaults: {faults}. Use malformed.KIND for a single kind: {subtypes}.")
}

/// Flags that describe a history.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub(super) struct HerdFlags {
    /// Number of farms
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub farms: u32,
    /// Pens per farm (about 91% report on a given day)
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub lots: u32,
    /// Number of days
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub days: u32,
    /// First day [default: chosen so that the history ends yesterday]
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub start: Option<NaiveDate>,
    /// Random seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Generate only part I of N, such as 2/4; concatenated in order, the parts form the whole history
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    pub part: Part,
    #[arg(
        long,
        value_name = "FAULT=RATE,…",
        default_value = "",
        hide_default_value = true,
        help = FAULTS,
        long_help = faults_help()
    )]
    pub faults: Faults,
}

impl HerdFlags {
    /// Returns the herd of these flags on that day.
    pub(super) fn herd(&self, today: NaiveDate) -> anyhow::Result<Herd> {
        let ends_yesterday = today.checked_sub_days(Days::new(u64::from(self.days))).unwrap_or_default();
        let start = self.start.unwrap_or(ends_yesterday);
        Ok(Herd::try_new(self.farms, self.lots, self.days, start, self.seed)?)
    }
}

impl Args {
    fn plan(&self, herd: Herd) -> anyhow::Result<(GeneratePlan, Destination)> {
        let (out, form, compression) = self.place()?;
        let (part, faults, threads, truth) = (self.herd.part, self.herd.faults, self.threads, self.truth.clone());
        Ok((GeneratePlan { part, faults, form, compression, threads, truth, ..GeneratePlan::new(herd) }, out))
    }

    /// Returns destination, file format and compression; the extensions of a single file determine both.
    fn place(&self) -> anyhow::Result<(Destination, FileFormat, CompressionFormat)> {
        let (form, compression) = (self.format.unwrap_or_default(), self.compress.unwrap_or_default());
        if self.out == Path::new("-") {
            return Ok((Destination::Stdout, form, compression));
        }
        let (ends_compressed, inner) = CompressionFormat::from_path(&self.out);
        let ends_as = inner.extension().and_then(|ending| FileFormat::of_ending(&ending.to_string_lossy()));
        let is_dir = self.out.is_dir();
        let is_device = !is_dir && self.out.exists() && !self.out.is_file();
        let Some(ends_as) = ends_as.filter(|_| !is_dir && !is_device) else {
            let out = if is_device { Destination::File(self.out.clone()) } else { Destination::Dir(self.out.clone()) };
            return Ok((out, form, compression));
        };
        let name = self.out.display();
        anyhow::ensure!(
            self.format.is_none_or(|requested| requested == ends_as),
            "{name} does not have the extension of --format {form}: use another name, or remove --format"
        );
        anyhow::ensure!(
            self.compress.is_none_or(|requested| requested == ends_compressed),
            "{name} does not have the extension of --compress (.gz for gzip, .zst for zstd): use another name, or remove --compress"
        );
        Ok((Destination::File(self.out.clone()), ends_as, ends_compressed))
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
    // stdout is used for the history, so the outcome is logged, unless the reader has closed the stream.
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

    #[test]
    fn help_names_every_fault_and_every_kind_of_malformed() {
        let mut command = <Args as clap::Args>::augment_args(clap::Command::new("generate"));
        let help = command.render_long_help().to_string();
        for name in Fault::ALL.map(Fault::name).into_iter().chain(Malformed::ALL.map(Malformed::name)) {
            assert!(help.contains(name), "{name}");
        }
    }
}
