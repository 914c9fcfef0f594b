//! Flags that several commands share, declared once, and how they open what they name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use aws_config::SdkConfig;
use chrono::{NaiveDate, Utc};
use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{ArgAction, Args, ValueEnum};

use crate::render::OutputFormat;
use crate::sort::SortSettings;
use pipeline::lake::dir::Dir;
use pipeline::lake::s3::S3;
use pipeline::lake::{ConditionalWrites, Conditions, Lake, LakeUrl, ReadHints, Span, Unconditional};
use pipeline::record::{Rules, Slug};
use pipeline::retry::{RetryPolicy, TimeoutProfile};
use pipeline::warehouse::mysql::{AccessOptions, MySql};
use pipeline::warehouse::sqlite::Sqlite;
use pipeline::warehouse::{BulkWarehouse, LoadMethod, Rds, TableName, Warehouse, WarehouseUrl};

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub(super) struct GlobalFlags {
    /// The outcome on stdout: text for people, or one JSON object
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORM", help_heading = "Everywhere")]
    pub output: OutputFormat,
    /// Logs on stderr as text or as JSON lines
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORM", help_heading = "Everywhere")]
    pub log_format: LogFormat,
    /// Log more; twice for all
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Everywhere")]
    pub verbose: u8,
    /// Log errors only, and no progress
    #[arg(short, long, global = true, help_heading = "Everywhere")]
    pub quiet: bool,
    /// No progress on stderr
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub no_progress: bool,
    /// The settings file [default: ruminate.toml, where there is one]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    pub config: Option<PathBuf>,
    /// The [profile.NAME] of the settings file whose keys win over the others
    #[arg(long, global = true, value_name = "NAME", help_heading = "Everywhere")]
    pub profile: Option<String>,
}

impl GlobalFlags {
    pub(super) fn silent(&self) -> bool {
        self.quiet || self.no_progress
    }
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

/// Fails where a file cannot be written: found out now, not after an hour of work.
pub(super) fn check_writable(flag: &str, path: &Path) -> anyhow::Result<()> {
    let opened = std::fs::File::options().append(true).create(true).open(path);
    opened.map(drop).with_context(|| format!("{flag} {} cannot be written", path.display()))
}

/// A file to be written or kept beside the run; `-` is none, and would be made under that name.
pub(super) fn output_path() -> impl TypedValueParser<Value = PathBuf> {
    a_path().try_map(|path| if path == Path::new("-") { Err("a file is meant: give its name") } else { Ok(path) })
}

/// A path of this machine that may be made: an address such as `s3://bucket` would become a directory `s3:` here.
pub(super) fn a_path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| path.to_str().map_or(Ok(path.clone()), pipeline::place::local))
}

/// The lake.
#[derive(Debug, Clone, Args)]
pub(super) struct LakeFlags {
    /// The lake: s3://bucket/prefix, or a directory
    #[arg(long, value_name = "URL")]
    pub lake: LakeUrl,
    /// Tries of a request to the lake before it counts as failed
    #[arg(long, value_name = "N", default_value_t = RetryPolicy::default().max_attempts, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub attempts: u32,
}

impl LakeFlags {
    pub(super) async fn open(&self) -> Arc<dyn Lake> {
        self.open_for(Unconditional::default()).await
    }

    /// Opens the lake for reading and for writes by those flags.
    pub(super) async fn open_for(&self, writes: Unconditional) -> Arc<dyn Lake> {
        open_lake(&self.lake, RetryPolicy { max_attempts: self.attempts, ..RetryPolicy::default() }, writes).await
    }

    /// Opens the lake for writing: a directory is made, a bucket must be there.
    pub(super) async fn open_to_write(&self, writes: WriteFlags) -> anyhow::Result<Arc<dyn Lake>> {
        if let LakeUrl::Dir(path) = &self.lake {
            Dir::new(path).create()?;
        }
        let lake = self.open_for(writes.unconditional()).await;
        lake.clock().await?;
        writes.demand(&*lake, |conditions| conditions.create).await?;
        Ok(lake)
    }
}

/// The lake at an address.
pub(super) async fn open_lake(url: &LakeUrl, retry: RetryPolicy, writes: Unconditional) -> Arc<dyn Lake> {
    match url {
        LakeUrl::S3 { bucket, prefix } => {
            let aws = pipeline::aws::config(TimeoutProfile::Bulk).await;
            Arc::new(S3::new(&aws, bucket, prefix, retry).direct(&aws).with_unconditional(writes))
        }
        LakeUrl::Dir(path) => Arc::new(Dir::new(path)),
    }
}

/// How the lake is written.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(super) struct WriteFlags {
    /// Write nothing to a store that does not honour If-None-Match and If-Match, rather than look objects up before writing
    ///
    /// AWS S3 and directories honour them. Another store is tested first, with an object beside the lake that is removed again.
    #[arg(long)]
    pub require_conditional_writes: bool,
}

impl WriteFlags {
    pub(super) fn unconditional(self) -> Unconditional {
        if self.require_conditional_writes { Unconditional::Refuse } else { Unconditional::Emulate }
    }

    /// Fails if conditional writes are required and the store does not honour what is needed of them.
    pub(super) async fn demand(
        self,
        lake: &dyn Lake,
        needed: impl Fn(Conditions) -> ConditionalWrites,
    ) -> anyhow::Result<()> {
        if !self.require_conditional_writes || needed(lake.test_conditions().await?) == ConditionalWrites::Honoured {
            return Ok(());
        }
        bail!(
            "the store of {} does not honour conditional writes: nothing was written; without --require-conditional-writes each object is looked up before it is written, which is safe with one writer at a time",
            lake.address()
        )
    }
}

/// Connections to the warehouse where none are asked for.
pub(super) const CONNECTIONS: u32 = 4;

/// The warehouse.
#[derive(Debug, Clone, Args)]
pub(super) struct WarehouseFlags {
    /// The warehouse: mysql://user:pass@host:port/db, or sqlite:PATH
    ///
    /// Else DATABASE_URL; else RDS_HOST, RDS_PORT, RDS_USER, RDS_PASSWORD and RDS_DATABASE, or RDS_SECRET_ARN or
    /// RDS_IAM_AUTH=true in place of a password, and RDS_CA_FILE.
    // Text until it is opened: a value that clap refuses is printed, password and all.
    #[arg(long, value_name = "URL", hide_env_values = true)]
    pub warehouse: Option<String>,
    /// The table
    #[arg(long, value_name = "NAME", default_value_t)]
    pub table: TableName,
    /// Connections to the warehouse at once
    #[arg(long, value_name = "N", default_value_t = CONNECTIONS, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub connections: u32,
}

/// The warehouse that is meant.
enum WarehouseTarget {
    Url(WarehouseUrl),
    Rds(Rds),
}

impl WarehouseFlags {
    pub(super) async fn open(&self) -> anyhow::Result<Arc<dyn Warehouse>> {
        Ok(self.open_bulk(None).await?)
    }

    /// The same for `init`, which makes a SQLite file that is not there.
    pub(super) async fn open_to_init(&self) -> anyhow::Result<Arc<dyn Warehouse>> {
        match self.target()? {
            WarehouseTarget::Url(WarehouseUrl::Sqlite(path)) => {
                Ok(Arc::new(Sqlite::create(&path, self.table.clone())?))
            }
            _ => self.open().await,
        }
    }

    /// The same for loading in bulk, by that method where one is named.
    pub(super) async fn open_bulk(&self, method: Option<LoadMethod>) -> anyhow::Result<Arc<dyn BulkWarehouse>> {
        match self.target()? {
            WarehouseTarget::Url(url) => self.open_url(&url, method),
            WarehouseTarget::Rds(rds) => {
                let aws = if rds.needs_aws() {
                    pipeline::aws::config(TimeoutProfile::Bulk).await
                } else {
                    SdkConfig::builder().build()
                };
                let access = AccessOptions { connections: self.connections, ..AccessOptions::default() };
                Ok(Arc::new(rds.open(&aws, self.table.clone(), access)?.with_load_method(method)))
            }
        }
    }

    fn open_url(&self, url: &WarehouseUrl, method: Option<LoadMethod>) -> anyhow::Result<Arc<dyn BulkWarehouse>> {
        let table = self.table.clone();
        Ok(match url {
            WarehouseUrl::MySql(url) => {
                Arc::new(MySql::new(url, table, self.connections, RetryPolicy::default())?.with_load_method(method))
            }
            WarehouseUrl::Sqlite(path) => Arc::new(Sqlite::open(path, table)?),
        })
    }

    /// A replica of the warehouse, which is only asked how far behind it is.
    pub(super) fn replica(&self, url: &str) -> anyhow::Result<Arc<dyn BulkWarehouse>> {
        self.open_url(&replica(url)?, None)
    }

    /// Whether a flag or one of the variables names a warehouse.
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
            anyhow!("no warehouse is named: give --warehouse URL, or set RUMINATE_WAREHOUSE, DATABASE_URL or RDS_HOST")
        })
    }
}

/// A replica's address.
pub(super) fn replica(url: &str) -> anyhow::Result<WarehouseUrl> {
    url.parse().map_err(|e: String| anyhow!(e)).context("--replica")
}

/// A variable that is set to something.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// The span of partitions.
#[derive(Debug, Clone, Args)]
pub(super) struct SpanFlags {
    /// Only this farm (its folder, or its cod_cliente); may be repeated
    #[arg(long = "farm", value_name = "SLUG", value_parser = slug)]
    pub farms: Vec<Slug>,
    /// The first day
    #[arg(long, value_name = "DATE")]
    pub from: Option<NaiveDate>,
    /// The last day
    #[arg(long, value_name = "DATE")]
    pub to: Option<NaiveDate>,
    /// A lake or warehouse without anything, or a farm or days that the lake does not have, are meant: otherwise that is an
    /// error (exit 2), for most often an address is mistyped
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

fn slug(text: &str) -> Result<Slug, String> {
    Slug::of(text).map_err(|e| e.to_string())
}

/// How many objects are read at once: as many as is asked for, else as the lake likes it.
pub(super) fn read_concurrency(requested_at: Option<u32>, hints: ReadHints) -> usize {
    requested_at.map_or(hints.concurrent_reads, |requested| requested as usize)
}

/// Where changes are written down: where it is asked for, else under a name of this moment.
pub(super) fn undo_file(requested_at: Option<&PathBuf>) -> PathBuf {
    let stamp = Utc::now().format("%Y%m%dT%H%M%SZ");
    requested_at.cloned().unwrap_or_else(|| format!("ruminate-undo-{stamp}.ndjson").into())
}

/// What a run sorts, in memory and on disk.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Resources")]
pub(super) struct SortFlags {
    /// Memory for sorting, in MB; what does not fit goes to --sort-dir
    #[arg(long, value_name = "MB", default_value_t = SORT_MEMORY, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub sort_memory: u32,
    /// Where records are sorted that do not fit into memory [default: TMPDIR]
    #[arg(long, value_name = "DIR")]
    pub sort_dir: Option<PathBuf>,
}

/// Memory for sorting in MB, where nothing else is asked for.
pub(super) const SORT_MEMORY: u32 = 64;

impl SortFlags {
    pub(super) fn settings(&self) -> SortSettings {
        SortSettings {
            memory: self.sort_memory as usize * 1_000_000,
            dir: self.sort_dir.clone().unwrap_or_else(std::env::temp_dir),
        }
    }
}

/// The business rules.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct RulesFlags {
    /// Target intake as a share of live weight
    #[arg(long, value_name = "SHARE", default_value_t = Rules::DEFAULT_META_RATE, value_parser = rate)]
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

/// How rows get into the warehouse, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LoadMethodArg {
    /// `LOAD DATA LOCAL INFILE`, streamed from memory
    LoadData,
    /// `INSERT` of many rows a statement
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
