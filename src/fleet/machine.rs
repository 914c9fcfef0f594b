//! Stores of a run as one machine opens them, with the settings of that machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::ensure;

use super::clock;
use super::plan::RunPlan;
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
    /// Warehouse of the run.
    pub warehouse: Arc<dyn BulkWarehouse>,
    /// Server, database and table of the warehouse, without the account.
    pub warehouse_identity: String,
    /// Number of concurrent object reads.
    pub reads: usize,
    /// Number of warehouse connections for loading.
    pub connections: usize,
    /// Memory limit of a sort, and the directory for what exceeds it.
    pub sort: SortSettings,
}

impl ShardStores {
    /// Checks that the stores are those of a plan, and that clocks agree.
    pub(super) async fn check(&self, plan: &RunPlan) -> anyhow::Result<()> {
        let (stores, lake) = (&plan.stores, self.lake.identity());
        ensure!(
            stores.lake_identity == lake,
            "the run is of the lake {}, and this is {lake}: check --lake, AWS_ENDPOINT_URL and the run",
            stores.lake_identity
        );
        ensure!(
            stores.warehouse_identity == self.warehouse_identity,
            "the run is of the warehouse {}, and this is {}: check --warehouse, --table and the run",
            stores.warehouse_identity,
            self.warehouse_identity
        );
        let schema = self.warehouse.table_schema().await?;
        ensure!(
            stores.columns == columns(&schema),
            "the columns of the table {} have changed since the run was planned: plan again",
            stores.table
        );
        clock::check(&*self.lake, Some(plan.cutoff)).await
    }
}

/// Returns the types of the columns as a plan has them.
pub(super) fn columns(schema: &TableSchema) -> BTreeMap<String, String> {
    let columns = StoreInfo::of(schema, Default::default()).columns;
    columns.into_iter().map(|(name, kind)| (name.into_owned(), kind)).collect()
}
