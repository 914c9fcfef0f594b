//! The warehouse's side of an audit alone: every row, decoded, in one snapshot.

use anyhow::ensure;
use futures::StreamExt as _;
use pipeline::retry::RetryPolicy;
use pipeline::warehouse::mysql::MySql;
use pipeline::warehouse::{BulkWarehouse as _, IdRange, TableName, Warehouse as _};

use crate::{Measured, Watch};

#[derive(Debug, clap::Args)]
pub struct Scan {
    /// The warehouse
    #[arg(long)]
    warehouse: url::Url,
    /// Expected number of rows
    #[arg(long)]
    expect: u64,
}

impl Scan {
    pub async fn run(self) -> anyhow::Result<Measured> {
        let watch = Watch::start();
        let warehouse = MySql::new(&self.warehouse, TableName::default(), 1, RetryPolicy::default())?;
        let schema = warehouse.table_schema().await?;
        let mut snapshot = warehouse.snapshot(&schema).await?;
        let mut pages = snapshot.scan(IdRange::default(), u32::MAX, 4_000, &[]);
        let mut rows = 0;
        while let Some(page) = pages.next().await {
            rows += page?.len() as u64;
        }
        ensure!(rows == self.expect, "{rows} rows, not {}", self.expect);
        Ok(watch.stop("scan", rows, String::new()))
    }
}
