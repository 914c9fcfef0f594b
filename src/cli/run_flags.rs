//! Flags of `plan`, `shard` and `merge` for the files of a run and for its stores.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use pipeline::lake::dir::Dir;

use super::flags::{
    CONNECT_TIMEOUT, CONNECTIONS, LakeFlags, LakeRequestFlags, WarehouseFlags, lake_help, open_lake, read_concurrency,
    warehouse_help,
};
use super::sort_flags::SortFlags;
use super::write_flags::{WriteFlags, WriteOptions};
use crate::fleet::{Run, RunStore, ShardSize, ShardStores, ShardWarehouse, Stores};
use crate::units;
use pipeline::lake::{Lake, LakeUrl};

/// Default number of objects per shard: a few minutes of one machine.
const OBJECTS: u64 = 250_000;

/// Target of a plan, and its division into shards.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct DivisionFlags {
    /// Maximum number of objects per shard
    #[arg(long, value_name = "N", default_value_t = OBJECTS, value_parser = clap::value_parser!(u64).range(1..))]
    objects_per_shard: u64,
    /// Exact number of shards, instead of --objects-per-shard
    #[arg(long, value_name = "N", conflicts_with = "objects_per_shard", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    shards: Option<u32>,
    #[arg(long, value_name = "RUN", value_parser = run_url, help = format!("Where the run is written: {}", LakeUrl::FORMS))]
    out: LakeUrl,
    #[command(flatten)]
    writes: WriteFlags,
}

impl DivisionFlags {
    /// Returns the settings for writes to S3.
    pub(super) fn write_options(&self) -> anyhow::Result<WriteOptions> {
        self.writes.options()
    }

    /// Opens the run to write it.
    pub(super) async fn open(&self) -> anyhow::Result<(RunStore, ShardSize)> {
        if let Some(path) = self.out.local_dir() {
            Dir::new(path).create().context("--out")?;
        }
        let store = open_run_store(&self.out, &self.writes).await?;
        let size = self.shards.map_or(ShardSize::Objects(self.objects_per_shard), ShardSize::Count);
        Ok((store, size))
    }
}

/// Parses the address of a run.
pub(super) fn run_url(text: &str) -> Result<LakeUrl, String> {
    text.parse().map_err(|e: String| e.replace("the lake's address", "the run's address").replace("a lake", "a run"))
}

/// Opens the files of a run.
pub(super) async fn open_run_store(run: &LakeUrl, writes: &WriteFlags) -> anyhow::Result<RunStore> {
    let files = open_lake(run, LakeRequestFlags::default(), writes.options()?).await?;
    let store = RunStore::new(files);
    store.check_conditions(writes.require_conditional_writes).await?;
    Ok(store)
}

/// Stores of a run; the plan provides those that are not given.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct RunStoreFlags {
    #[arg(long, value_name = "URL", help = lake_help("; it must be that of the plan [default: the plan's]"))]
    lake: Option<LakeUrl>,
    #[command(flatten)]
    requests: LakeRequestFlags,
    // Stored as text until it is opened: clap would print a rejected value, including its password.
    #[arg(
        long,
        value_name = "URL",
        hide_env_values = true,
        help = warehouse_help(""),
        long_help = warehouse_help(
            "\n\nIt must be that of the plan. Falls back to DATABASE_URL and RDS_HOST as in other commands, then to the plan's \
             address, which has no password."
        )
    )]
    warehouse: Option<String>,
    /// Maximum number of warehouse connections
    #[arg(long, value_name = "N", default_value_t = CONNECTIONS, value_parser = clap::value_parser!(u32).range(1..=64))]
    connections: u32,
    /// How long to wait for a connection to the warehouse
    #[arg(long, value_name = "DURATION", default_value = CONNECT_TIMEOUT, value_parser = units::duration)]
    connect_timeout: Duration,
    /// Concurrent object reads [default: 256; 64 for a directory]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    concurrency: Option<u32>,
    #[command(flatten)]
    sort: SortFlags,
}

impl RunStoreFlags {
    /// Returns the warehouse of a run.
    pub(super) fn warehouse(&self, run: &Run) -> anyhow::Result<WarehouseFlags> {
        let planned = run.plan.stores.warehouse()?;
        let table = planned.table.parse().map_err(|e| anyhow!("the plan's table: {e}"))?;
        let flags = WarehouseFlags {
            warehouse: self.warehouse.clone(),
            table,
            connections: self.connections,
            connect_timeout: self.connect_timeout,
        };
        if flags.is_named() {
            return Ok(flags);
        }
        Ok(WarehouseFlags { warehouse: Some(planned.warehouse.clone()), ..flags })
    }

    /// Opens the stores of a run, with these settings for writes to the lake.
    pub(super) async fn open(&self, run: &Run, writes: &WriteFlags) -> anyhow::Result<ShardStores> {
        let url = match &self.lake {
            Some(url) => url.clone(),
            None => run.plan.stores.lake.parse().map_err(|e: String| anyhow!(e)).context("the plan's lake")?,
        };
        let lake = LakeFlags { lake: url, requests: self.requests }.open_for(writes.options()?).await?;
        let warehouse = run.plan.stores.warehouse.as_ref().map(|_| self.warehouse(run)).transpose()?;
        open_stores(lake, warehouse.as_ref(), self.concurrency, &self.sort).await
    }
}

/// Returns opened stores with the settings of this machine.
pub(super) async fn open_stores(
    lake: Arc<dyn Lake>,
    warehouse: Option<&WarehouseFlags>,
    concurrency: Option<u32>,
    sort: &SortFlags,
) -> anyhow::Result<ShardStores> {
    let warehouse = match warehouse {
        None => None,
        Some(flags) => Some(ShardWarehouse {
            bulk: flags.open_bulk(None).await?,
            identity: flags.url()?.identity(flags.table.as_str()),
            connections: flags.connections as usize,
        }),
    };
    let reads = read_concurrency(concurrency, lake.read_hints());
    Ok(ShardStores { reads, lake, warehouse, sort: sort.settings() })
}

/// Returns the names of the stores in a plan; `warehouse` has the flags of a run's warehouse.
pub(super) async fn names(stores: &ShardStores, warehouse: Option<&WarehouseFlags>) -> anyhow::Result<Stores> {
    let warehouse = match (&stores.warehouse, warehouse) {
        (Some(opened), Some(flags)) => {
            Some(opened.planned(flags.url()?.without_password(), flags.table.to_string()).await?)
        }
        _ => None,
    };
    // A directory is found again from anywhere on the machine.
    Ok(Stores { lake: stores.lake.location(), lake_identity: stores.lake.identity(), warehouse })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_address_of_a_run_is_named_as_one() {
        assert!(run_url("s3://B/x").unwrap_err().contains("bucket"));
        let e = run_url("ftp://x").unwrap_err();
        assert!(e.contains("run") && !e.contains("lake of kind"), "{e}");
    }
}
