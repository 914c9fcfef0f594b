//! Drift of every kind, planted in a lake and its table as in the tests, with the findings that an audit must report.

use std::fs;
use std::path::PathBuf;

use pipeline::record::row::TableSchema;
use serde_json::json;
use testkit::planted_drift::{Case, Damage, World, assert_same, found_in};

use crate::Which;

#[derive(Debug, clap::Args)]
pub struct Plant {
    #[command(flatten)]
    which: Which,
    /// Every case N times; in larger herds, also two days lost from both sides
    #[arg(long)]
    times: usize,
    /// The lake that `make` made of these records
    #[arg(long)]
    lake: PathBuf,
    /// The statements for the warehouse
    #[arg(long)]
    sql: PathBuf,
}

/// Compares a drift file with the planted drift.
#[derive(Debug, clap::Args)]
pub struct Judge {
    #[command(flatten)]
    which: Which,
    /// File of the planted drift
    #[arg(long)]
    times: usize,
    /// The drift file of an audit
    #[arg(long)]
    drift: PathBuf,
}

fn planted(which: Which, times: usize) -> Damage {
    let herd = which.herd();
    let world = World(herd.all().map(|record| (herd.key(&record), record)).collect());
    // A gap needs days before and after it.
    let gaps = if times == 0 || which.records < 16_000 { 0 } else { 2 };
    Damage::plant(&world, &TableSchema::standard(), &Case::all(), times, gaps)
}

impl Plant {
    pub fn run(self) -> anyhow::Result<()> {
        let damage = planted(self.which, self.times);
        for (key, body) in damage.objects {
            let path = self.lake.join(key);
            match body {
                Some(body) => {
                    fs::create_dir_all(path.parent().unwrap())?;
                    fs::write(path, body)?;
                }
                None => fs::remove_file(path)?,
            }
        }
        fs::write(self.sql, damage.sql.iter().map(|statement| format!("{statement};\n")).collect::<String>())?;
        Ok(())
    }
}

impl Judge {
    pub fn run(self) -> anyhow::Result<()> {
        let damage = planted(self.which, self.times);
        let found = found_in(&self.drift);
        assert_same(&found, &damage.findings, "the audit");
        let counts = damage.counts;
        println!("{}", json!({"findings": found.len(), "gaps": damage.gaps, "matched": counts.get("matched")}));
        Ok(())
    }
}
