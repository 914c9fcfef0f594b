//! Stores of a run as one machine opens them, with the settings of that machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, ensure};

use super::clock;
use super::plan::{PlannedWarehouse, RunPlan};
use crate::reconcile::StoreInfo;
use crate::sort::SortSettings;
use pipeline::lake::Lake;
use pipeline::record::row::TableSchema;
use pipeline::warehouse::BulkWarehouse;

/// Stores of a shard or merge, and the settings of its machine.
#[derive(Clone)]
pub struct ShardStores {
    /// Lake of the run.
    pub lake: Arc<dyn Lake>,
    /// Warehouse of the run; a compaction has none.
    pub warehouse: Option<ShardWarehouse>,
    /// Number of concurrent object reads.
    pub reads: usize,
    /// Memory limit of a sort, and the directory for what exceeds it.
    pub sort: SortSettings,
}

/// Warehouse of a run as one machine opens it.
#[derive(Clone)]
pub struct ShardWarehouse {
    /// The warehouse.
    pub bulk: Arc<dyn BulkWarehouse>,
    /// Server, database and table, without the account.
    pub identity: String,
    /// Number of connections for loading.
    pub connections: usize,
}

impl ShardWarehouse {
    /// Returns how a plan names this warehouse, with an address without a password.
    ///
    /// # Errors
    /// Returns an error if the table cannot be read.
    pub async fn planned(&self, address: String, table: String) -> anyhow::Result<PlannedWarehouse> {
        let columns = columns(&self.bulk.table_schema().await?);
        Ok(PlannedWarehouse { warehouse: address, warehouse_identity: self.identity.clone(), table, columns })
    }
}

impl ShardStores {
    /// Returns the warehouse, which every job but a compaction has.
    ///
    /// # Errors
    /// Returns an error if there is none.
    pub fn warehouse(&self) -> anyhow::Result<&ShardWarehouse> {
        self.warehouse.as_ref().context("the run has no warehouse: plan again")
    }

    /// Checks that the stores are those of a plan, and that clocks agree.
    pub(super) async fn check(&self, plan: &RunPlan) -> anyhow::Result<()> {
        let (stores, lake) = (&plan.stores, self.lake.identity());
        ensure!(
            stores.lake_identity == lake,
            "the run is of the lake {}, and this is {lake}: check --lake, AWS_ENDPOINT_URL and the run",
            stores.lake_identity
        );
        if let Some(planned) = &stores.warehouse {
            let own = self.warehouse()?;
            ensure!(
                planned.warehouse_identity == own.identity,
                "the run is of the warehouse {}, and this is {}: check --warehouse, --table and the run",
                planned.warehouse_identity,
                own.identity
            );
            ensure!(
                planned.columns == columns(&own.bulk.table_schema().await?),
                "the columns of the table {} have changed since the run was planned: plan again",
                planned.table
            );
        }
        clock::check(&*self.lake, Some(plan.cutoff)).await
    }
}

/// Returns the types of the columns as a plan has them.
fn columns(schema: &TableSchema) -> BTreeMap<String, String> {
    let columns = StoreInfo::of(schema, Default::default()).columns;
    columns.into_iter().map(|(name, kind)| (name.into_owned(), kind)).collect()
}
