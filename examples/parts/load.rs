//! Loading alone, in two ways: the complete engine over a lake in memory, or only its transactions.

use std::sync::Arc;

use anyhow::{bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use pipeline::record::Record;
use pipeline::record::row::{Row, TableSchema};
use pipeline::retry::RetryPolicy;
use pipeline::warehouse::mysql::MySql;
use pipeline::warehouse::sqlite::Sqlite;
use pipeline::warehouse::{BulkWarehouse, ChangeSet, InsertResult, JournalEntry, TableName, WarehouseUrl};
use ruminate::cancellation::CancellationToken;
use ruminate::progress::Progress;
use ruminate::replay::{Counter, Plan, Replay, ReplaySource};
use uuid::Uuid;

use crate::held::Held;
use crate::records::Herd;
use crate::{Measured, Watch, Which};

#[derive(Debug, clap::Args)]
pub struct Load {
    #[command(flatten)]
    which: Which,
    /// Warehouse with an empty table
    #[arg(long)]
    warehouse: WarehouseUrl,
    /// No engine: sorted rows from memory, in transactions with one journal entry each
    #[arg(long)]
    bare: bool,
    /// Rows per transaction, with --bare
    #[arg(long, default_value_t = 10_000)]
    batch: usize,
    /// Concurrent transactions
    #[arg(long, default_value_t = 4)]
    sessions: u32,
}

impl Load {
    pub async fn run(self) -> anyhow::Result<Measured> {
        let bulk: Arc<dyn BulkWarehouse> = if let WarehouseUrl::MySql(url) = &self.warehouse {
            Arc::new(MySql::new(url, TableName::default(), self.sessions, RetryPolicy::default())?)
        } else if let WarehouseUrl::Sqlite(path) = &self.warehouse {
            Arc::new(Sqlite::new(path, TableName::default()))
        } else {
            bail!("{} is neither MySQL nor SQLite, and others are not measured", self.warehouse)
        };
        if self.bare { self.transactions(bulk).await } else { self.engine(bulk).await }
    }

    /// Loads as `ruminate replay` does: objects are parsed, records are sorted in memory, id ranges are queried first.
    async fn engine(self, bulk: Arc<dyn BulkWarehouse>) -> anyhow::Result<Measured> {
        let herd: Herd = self.which.herd();
        let lake = Arc::new(Held::of(herd));
        let watch = Watch::start();
        let plan = Plan::new(ReplaySource::of(lake)).await?;
        let replay = Replay { load_concurrency: self.sessions as usize, ..Replay::new(plan, bulk) };
        let outcome = ruminate::replay::run(replay, &Progress::Silent, &CancellationToken::default()).await?;
        outcome.check()?;
        let [inserted, listed] = [Counter::Inserted, Counter::Listed].map(|counter| outcome.counts[counter]);
        ensure!(inserted == herd.records && listed == herd.records, "{outcome}");
        Ok(watch.stop("load", inserted, outcome.method))
    }

    async fn transactions(self, bulk: Arc<dyn BulkWarehouse>) -> anyhow::Result<Measured> {
        let mut records: Vec<Record> = self.which.herd().all().collect();
        ensure!(bulk.open_journal(true).await?, "no journal");
        let schema = TableSchema::standard();
        let watch = Watch::start();
        let method = bulk.load_strategy().await?;
        records.sort_by(|a, b| a.id_treated_data.cmp(&b.id_treated_data));
        let run = Uuid::from_u128(u128::from(std::process::id()));
        let batches = records.chunks(self.batch.max(1)).enumerate().map(|(at, batch)| {
            let bulk = Arc::clone(&bulk);
            async move {
                load(&*bulk, batch, &JournalEntry { run_id: run, seq: at as u64 + 1, text: "{}".into() }, &schema).await
            }
        });
        let loaded: u64 = stream::iter(batches)
            .buffered(self.sessions.max(1) as usize)
            .try_fold(0, |sum, n| async move { Ok(sum + n) })
            .await?;
        ensure!(loaded == records.len() as u64, "{loaded} of {} loaded", records.len());
        Ok(watch.stop("load", loaded, format!("{} ({})", method.kind, method.reason)))
    }
}

async fn load(
    bulk: &dyn BulkWarehouse,
    batch: &[Record],
    entry: &JournalEntry,
    schema: &TableSchema,
) -> anyhow::Result<u64> {
    let rows: Vec<Row> = batch.iter().map(|record| record.to_row(schema)).collect();
    let entries = std::slice::from_ref(entry);
    match bulk.apply(&ChangeSet { insert: &rows, journal_writes: entries, ..ChangeSet::default() }, schema).await? {
        InsertResult::Inserted => Ok(rows.len() as u64),
        InsertResult::IdTaken => bail!("an id of batch {} is taken: the table is not empty", entry.seq),
    }
}
