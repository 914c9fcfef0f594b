//! The parts of a replay and of an audit as separate programs, and the lakes to measure them on. `benches/compare` runs it.
//!
//! `serve`, `make` and `load` have the same records for the same `--records` and `--ids`.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, missing_docs, reason = "a benchmark")]

mod held;
mod load;
mod places;
mod plant;
mod read;
mod records;
mod scan;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use records::Herd;

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Writes a lake into a directory, its rows into a file for LOAD DATA, or both
    Make(places::Make),
    /// Plants drift of every kind in a directory and its table
    Plant(plant::Plant),
    /// Compares an audit's drift file with the planted drift
    Judge(plant::Judge),
    /// Serves a lake from memory until it is stopped; prints its endpoint
    Serve(places::Serve),
    /// Reads and parses every object of a lake
    Read(read::Read),
    /// Loads records from memory
    Load(load::Load),
    /// Scans a table in the order of ids, in one snapshot
    Scan(scan::Scan),
}

/// Selection of records.
#[derive(Debug, Clone, Copy, Args)]
struct Which {
    /// Number of records
    #[arg(long, default_value_t = 1_000)]
    records: u64,
    /// Kind of their ids
    #[arg(long, value_enum, default_value = "time")]
    ids: records::Ids,
    /// All of one farm and day
    #[arg(long)]
    one_partition: bool,
}

impl Which {
    fn herd(self) -> Herd {
        Herd { records: self.records, ids: self.ids, one_partition: self.one_partition }
    }
}

/// Wall and CPU seconds of the measured part, without its preparation.
#[derive(Debug, serde::Serialize)]
struct Measured {
    what: &'static str,
    count: u64,
    seconds: f64,
    cpu_seconds: f64,
    detail: String,
}

struct Watch {
    started: std::time::Instant,
    cpu: f64,
}

impl Watch {
    fn start() -> Self {
        Self { started: std::time::Instant::now(), cpu: cpu_seconds() }
    }

    fn stop(&self, what: &'static str, count: u64, detail: String) -> Measured {
        let (seconds, cpu_seconds) = (self.started.elapsed().as_secs_f64(), cpu_seconds() - self.cpu);
        Measured { what, count, seconds, cpu_seconds, detail }
    }
}

/// Returns the user and system time of this process, all threads; Linux reports hundredths of a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100.0
}

/// The same allocator as the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let measured = match Cli::parse().part {
        Part::Make(make) => return make.run(),
        Part::Plant(plant) => return plant.run(),
        Part::Judge(judge) => return judge.run(),
        Part::Serve(serve) => return serve.run(),
        Part::Read(read) => runtime()?.block_on(read.run())?,
        Part::Scan(scan) => runtime()?.block_on(scan.run())?,
        Part::Load(load) => runtime()?.block_on(load.run())?,
    };
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Creates a folder.
fn made(dir: &std::path::Path) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(dir)?;
    Ok(dir.to_owned())
}
