//! Places for records: a directory, an S3 server in memory, a file for LOAD DATA.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use pipeline::record::Record;
use pipeline::record::row::{Row, TableSchema, Value};
use testkit::s3::{Config, Fault, Object, Op, S3Server, Settings};

use crate::records::{Herd, Ids};
use crate::{Which, made};

#[derive(Debug, Args)]
pub struct Make {
    #[command(flatten)]
    which: Which,
    /// The lake's directory
    #[arg(long)]
    lake: Option<PathBuf>,
    /// File for LOAD DATA: in the order of ids if they are time-ordered, otherwise in that of time
    #[arg(long)]
    tsv: Option<PathBuf>,
}

impl Make {
    pub fn run(self) -> anyhow::Result<()> {
        let herd = self.which.herd();
        self.lake.iter().try_for_each(|dir| lake(&made(dir)?, herd))?;
        self.tsv.iter().try_for_each(|file| tsv(file, herd))
    }
}

fn lake(dir: &Path, herd: Herd) -> anyhow::Result<()> {
    let mut last = PathBuf::new();
    let mut records: Vec<Record> = herd.all().collect();
    records.sort_by_cached_key(|record| herd.key(record)); // one directory after the other: faster to write and to read
    for record in records {
        let path = dir.join(herd.key(&record));
        let folder = path.parent().unwrap();
        if folder != last {
            last = made(folder)?;
        }
        std::fs::write(path, record.object_from_values())?;
    }
    Ok(())
}

fn tsv(file: &Path, herd: Herd) -> anyhow::Result<()> {
    let mut records: Vec<Record> = herd.all().collect();
    if herd.ids == Ids::Time {
        records.sort_by(|a, b| a.id_treated_data.cmp(&b.id_treated_data));
    }
    let mut out = BufWriter::with_capacity(1 << 20, File::create(file)?);
    for record in records {
        let Row(values) = record.to_row(&TableSchema::standard());
        let line: Vec<String> = values.into_iter().map(plain).collect();
        writeln!(out, "{}", line.join("\t"))?;
    }
    Ok(out.flush()?)
}

/// Returns a value for LOAD DATA. The records have no character that must be escaped.
fn plain(value: Value) -> String {
    match value {
        Value::Null => "\\N".into(),
        Value::Text(text) | Value::Invalid(text) => text,
        Value::Float(value) => value.to_string(),
        Value::Double(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::DateTime(at) => at.format("%F %T").to_string(),
    }
}

#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    which: Which,
    /// Latency of every response, in milliseconds
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Fraction of reads answered 503 SlowDown
    #[arg(long, default_value_t = 0.0)]
    slow_down: f64,
}

impl Serve {
    /// Serves the bucket and prefix of the benchmark: `lake` and `historico_diario`.
    pub fn run(self) -> anyhow::Result<()> {
        let herd = self.which.herd();
        let settings = Settings {
            latency: Duration::from_millis(self.latency_ms),
            slow_down: Fault::rate(self.slow_down).on(&[Op::Get, Op::List]),
            ..Settings::default()
        };
        let server = S3Server::try_start(Config { buckets: vec!["lake".into()], settings, ..Config::default() })?;
        for record in herd.all() {
            let key = format!("historico_diario/{}", herd.key(&record));
            let mut object = Object::new(record.object_from_values().into());
            object.last_modified = record.row_ts.into(); // long before any cutoff
            server.store().put_object("lake", &key, object);
        }
        println!("{}", server.endpoint());
        loop {
            std::thread::park(); // until it is killed
        }
    }
}
