//! Flags shared by several commands, and functions that open the stores they name.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use aws_config::SdkConfig;
use chrono::{NaiveDate, Utc};
use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};

use super::times::day;
use super::write_flags::WriteOptions;
use crate::parts::PartsMode;
use crate::units;
use pipeline::lake::dir::Dir;
use pipeline::lake::s3::S3;
use pipeline::lake::{Lake, LakeUrl, ReadHints, Span};
use pipeline::record::{Rules, Slug};
use pipeline::retry::{RetryPolicy, TimeoutProfile};
use pipeline::warehouse::mysql::{AccessOptions, MySql};
use pipeline::warehouse::sqlite::Sqlite;
use pipeline::warehouse::{BulkWarehouse, LoadMethod, Rds, TableName, Warehouse, WarehouseUrl};

/// Returns an error if a file cannot be written, so that this is found before hours of work.
pub(super) fn check_writable(flag: &str, path: &Path) -> anyhow::Result<()> {
    let opened = std::fs::File::options().append(true).create(true).open(path);
    opened.map(drop).with_context(|| format!("{flag} {} cannot be written", path.display()))
}

/// Parses an output file; rejects `-`, which would create a file of that name.
pub(super) fn output_path() -> impl TypedValueParser<Value = PathBuf> {
    a_path().try_map(|path| if path == Path::new("-") { Err("expected a file name") } else { Ok(path) })
}

/// Extensions of other formats than NDJSON. Any other name is accepted, such as `drift.2026-11-22`.
const NOT_NDJSON: [&str; 16] =
    ["csv", "tsv", "parquet", "xlsx", "xls", "ods", "html", "htm", "xml", "pdf", "md", "sql", "db", "gz", "zst", "zip"];

/// Parses a file that is written as NDJSON; rejects a name with the extension of another format.
pub(super) fn ndjson_path() -> impl TypedValueParser<Value = PathBuf> {
    output_path().try_map(|path| {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        match extension.filter(|extension| NOT_NDJSON.contains(&&**extension)) {
            Some(_) => Err("the file is NDJSON, one JSON object per line: use a name that ends in .ndjson"),
            None => Ok(path),
        }
    })
}

/// Parses a local path that may be created; rejects URLs such as `s3://bucket`, which would create a directory
/// `s3:`.
pub(super) fn a_path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| path.to_str().map_or(Ok(path.clone()), pipeline::place::local))
}

/// Returns the help of `--lake`, with what a command adds.
pub(super) fn lake_help(more: &str) -> String {
    format!("Lake URL: {}{more}", LakeUrl::FORMS)
}

/// The lake.
#[derive(Debug, Clone, Args)]
pub(super) struct LakeFlags {
    #[arg(long, value_name = "URL", help = lake_help(""))]
    pub lake: LakeUrl,
    #[command(flatten)]
    pub requests: LakeRequestFlags,
}

/// Requests to the lake, of all commands that read it.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct LakeRequestFlags {
    /// Maximum attempts per lake request
    #[arg(long, value_name = "N", default_value_t = RetryPolicy::default().max_attempts, value_parser = clap::value_parser!(u32).range(1..=100), help_heading = "Stores")]
    max_attempts: u32,
}

impl LakeRequestFlags {
    /// Returns the flags of a lake that is checked: requests are repeated once, because a proxy may have closed the connection
    /// without notice.
    pub(super) const fn for_checks() -> Self {
        Self { max_attempts: 2 }
    }

    fn retry(self) -> RetryPolicy {
        RetryPolicy { max_attempts: self.max_attempts, ..RetryPolicy::default() }
    }
}

impl Default for LakeRequestFlags {
    fn default() -> Self {
        Self { max_attempts: RetryPolicy::default().max_attempts }
    }
}

impl LakeFlags {
    /// Returns the flags of a lake with only its address.
    pub(super) fn of(lake: LakeUrl) -> Self {
        Self { lake, requests: LakeRequestFlags::default() }
    }

    pub(super) async fn open(&self) -> anyhow::Result<Arc<dyn Lake>> {
        self.open_for(WriteOptions::default()).await
    }

    /// Opens the lake for reading, with these settings for writes.
    pub(super) async fn open_for(&self, writes: WriteOptions) -> anyhow::Result<Arc<dyn Lake>> {
        open_lake(&self.lake, self.requests, writes).await
    }
}

/// Returns the endpoint of a lake's store. `None` for AWS.
pub(super) fn endpoint(lake: &dyn Lake) -> Option<String> {
    lake.identity().strip_prefix(&format!("{} at ", lake.address())).map(str::to_owned)
}

/// Returns the lake at an address. Every lake, run and target of a command is opened here.
pub(super) async fn open_lake(
    url: &LakeUrl,
    requests: LakeRequestFlags,
    writes: WriteOptions,
) -> anyhow::Result<Arc<dyn Lake>> {
    Ok(match url {
        LakeUrl::S3 { bucket, prefix } => {
            let aws = pipeline::aws::config(TimeoutProfile::Bulk).await?;
            let lake = S3::new(&aws, bucket, prefix, requests.retry()).direct(&aws, &aws.network);
            Arc::new(lake.with_unconditional(writes.unconditional).with_encryption(writes.encryption))
        }
        LakeUrl::Dir(path) => {
            let lake = Dir::new(path).with_durability(writes.durability);
            let shown = path.display();
            anyhow::ensure!(
                lake.has_parent(),
                "{shown} is the root of a file system, and the quarantine and the parts are next to a lake: use a directory in it"
            );
            Arc::new(lake)
        }
    })
}

/// Use of the lake's Parquet parts.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct PartsFlags {
    /// Read records from the Parquet parts of `ruminate compact`
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    pub parts: PartsMode,
}

/// Default number of warehouse connections.
pub(super) const CONNECTIONS: u32 = 4;

/// Default of --connect-timeout. Aurora Serverless needs about 15 s to resume.
pub(super) const CONNECT_TIMEOUT: &str = "30s";

/// Returns the help of `--warehouse`, with what a command adds.
pub(super) fn warehouse_help(more: &str) -> String {
    format!("Warehouse URL: {}{more}", WarehouseUrl::FORMS)
}

/// The warehouse.
#[derive(Debug, Clone, Args)]
pub(super) struct WarehouseFlags {
    // Stored as text until it is opened: clap would print a rejected value, including its password.
    #[arg(
        long,
        value_name = "URL",
        hide_env_values = true,
        help = warehouse_help(""),
        long_help = warehouse_help(
            "\n\nFalls back to DATABASE_URL, then to RDS_HOST, RDS_PORT, RDS_USER, RDS_PASSWORD and RDS_DATABASE. \
             RDS_SECRET_ARN or RDS_IAM_AUTH=true replaces the password. On another machine, the server's TLS certificate and its \
             name are verified; ?ssl-mode=… and ?ssl-ca=FILE, or RDS_SSL_MODE and RDS_CA_FILE, change that."
        )
    )]
    pub warehouse: Option<String>,
    /// Warehouse table
    #[arg(long, value_name = "NAME", default_value_t)]
    pub table: TableName,
    /// Maximum number of warehouse connections
    #[arg(long, value_name = "N", default_value_t = CONNECTIONS, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub connections: u32,
    /// How long to wait for a connection to the warehouse
    #[arg(long, value_name = "DURATION", default_value = CONNECT_TIMEOUT, value_parser = units::duration)]
    pub connect_timeout: Duration,
}

/// Warehouse selected by the flags and variables.
enum WarehouseTarget {
    Url(WarehouseUrl),
    Rds(Rds),
}

impl WarehouseFlags {
    pub(super) async fn open(&self) -> anyhow::Result<Arc<dyn Warehouse>> {
        Ok(self.open_bulk(None).await?)
    }

    /// Opens the warehouse for `init`, which creates a missing SQLite file.
    pub(super) async fn open_to_init(&self) -> anyhow::Result<Arc<dyn Warehouse>> {
        match self.target()? {
            WarehouseTarget::Url(WarehouseUrl::Sqlite(path)) => {
                Ok(Arc::new(Sqlite::create(&path, self.table.clone())?))
            }
            WarehouseTarget::Url(WarehouseUrl::MySql(_)) | WarehouseTarget::Rds(_) => self.open().await,
        }
    }

    /// Opens the warehouse for bulk loading, with a load method if given.
    pub(super) async fn open_bulk(&self, method: Option<LoadMethod>) -> anyhow::Result<Arc<dyn BulkWarehouse>> {
        match self.target()? {
            WarehouseTarget::Url(url) => self.open_url(&url, method),
            WarehouseTarget::Rds(rds) => {
                let aws = if rds.needs_aws() {
                    pipeline::aws::config(TimeoutProfile::Bulk).await?.sdk
                } else {
                    SdkConfig::builder().build()
                };
                Ok(Arc::new(rds.open(&aws, self.table.clone(), self.access())?.with_load_method(method)))
            }
        }
    }

    fn open_url(&self, url: &WarehouseUrl, method: Option<LoadMethod>) -> anyhow::Result<Arc<dyn BulkWarehouse>> {
        let table = self.table.clone();
        Ok(match url {
            WarehouseUrl::MySql(url) => Arc::new(MySql::open(url, table, self.access())?.with_load_method(method)),
            WarehouseUrl::Sqlite(path) => Arc::new(Sqlite::open(path, table)?),
        })
    }

    fn access(&self) -> AccessOptions {
        let (connections, connect_timeout) = (self.connections, self.connect_timeout);
        AccessOptions { connections, connect_timeout, ..AccessOptions::default() }
    }

    /// Opens a replica of the warehouse, which is only used to read its lag.
    pub(super) fn replica(&self, url: &str) -> anyhow::Result<Arc<dyn BulkWarehouse>> {
        self.open_url(&replica(url)?, None)
    }

    /// Returns true if a flag or variable gives a warehouse.
    pub(super) fn is_named(&self) -> bool {
        let variables = ["DATABASE_URL", "RDS_HOST", "RDS_SECRET_ARN"];
        self.warehouse.is_some() || variables.into_iter().any(|name| variable(name).is_some())
    }

    pub(super) fn url(&self) -> anyhow::Result<WarehouseUrl> {
        match self.target()? {
            WarehouseTarget::Url(url) => Ok(url),
            WarehouseTarget::Rds(rds) => rds.address().map_err(|e| anyhow!(e)),
        }
    }

    fn target(&self) -> anyhow::Result<WarehouseTarget> {
        if let Some(url) = &self.warehouse {
            return Ok(WarehouseTarget::Url(url.parse().map_err(|e: String| anyhow!(e)).context("--warehouse")?));
        }
        if let Some(url) = variable("DATABASE_URL") {
            return Ok(WarehouseTarget::Url(url.parse().map_err(|e: String| anyhow!(e)).context("DATABASE_URL")?));
        }
        Rds::from_variables(variable).map_err(|e| anyhow!(e))?.map(WarehouseTarget::Rds).ok_or_else(|| {
            anyhow!("no warehouse configured: pass --warehouse URL or set RUMINATE_WAREHOUSE, DATABASE_URL or RDS_HOST")
        })
    }
}

/// Parses a replica's address.
fn replica(url: &str) -> anyhow::Result<WarehouseUrl> {
    url.parse().map_err(|e: String| anyhow!(e)).context("--replica")
}

/// Returns the value of a variable. `None` if it is unset or empty.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// The span of partitions.
#[derive(Debug, Clone, Args)]
pub(super) struct SpanFlags {
    /// Only this farm: directory name or cod_cliente (repeatable)
    #[arg(long = "farm", value_name = "SLUG", value_parser = slug)]
    pub farms: Vec<Slug>,
    /// First day of the lake's paths, inclusive, such as 2026-11-01
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub from: Option<NaiveDate>,
    /// Last day of the lake's paths, inclusive
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub to: Option<NaiveDate>,
    /// Accept an empty lake or warehouse, or a span that the lake does not have
    ///
    /// Without it that is an error (exit 2), because the address is usually mistyped.
    #[arg(long)]
    pub allow_empty: bool,
}

impl SpanFlags {
    pub(super) fn span(&self) -> anyhow::Result<Span> {
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from > to
        {
            return Err(anyhow!("--from {from} is after --to {to}"));
        }
        Ok(Span { farms: self.farms.iter().cloned().collect(), from: self.from, to: self.to })
    }
}

pub(super) fn slug(text: &str) -> Result<Slug, String> {
    Slug::of(text).map_err(|e| e.to_string())
}

/// Returns the number of concurrent object reads: as requested, otherwise as the lake recommends.
pub(super) fn read_concurrency(requested: Option<u32>, hints: ReadHints) -> usize {
    crate::open_files::fitting(requested.map_or(hints.concurrent_reads, |requested| requested as usize))
}

/// Returns the path of the undo file: as requested, otherwise with the current time in its name.
pub(super) fn undo_file(requested: Option<&PathBuf>) -> PathBuf {
    let stamp = Utc::now().format("%Y%m%dT%H%M%SZ");
    requested.cloned().unwrap_or_else(|| format!("ruminate-undo-{stamp}.ndjson").into())
}

/// The business rules.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct RulesFlags {
    /// Target intake as a fraction of live weight
    #[arg(long, value_name = "FRACTION", default_value_t = Rules::DEFAULT_META_RATE, value_parser = rate)]
    pub meta_rate: f64,
}

impl RulesFlags {
    pub(super) fn rules(self) -> Rules {
        Rules { meta_rate: self.meta_rate }
    }
}

fn rate(share: &str) -> Result<f64, String> {
    Rules::from_share(share).map(|rules| rules.meta_rate)
}

/// Load method as given on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LoadMethodArg {
    /// LOAD DATA LOCAL INFILE, streamed from memory
    LoadData,
    /// Multi-row INSERT
    Insert,
}

impl From<LoadMethodArg> for LoadMethod {
    fn from(typed: LoadMethodArg) -> Self {
        match typed {
            LoadMethodArg::LoadData => Self::LoadData,
            LoadMethodArg::Insert => Self::Insert,
        }
    }
}
