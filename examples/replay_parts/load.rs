//! Loading alone: records in memory, sorted, in transactions with a note each, as a replay loads them.

use std::sync::Arc;

use anyhow::{bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ruminate::record::Record;
use ruminate::record::stored::{Row, Shape};
use ruminate::retry::Retry;
use ruminate::warehouse::mysql::MySql;
use ruminate::warehouse::sqlite::Sqlite;
use ruminate::warehouse::{Bulk, Change, Insert, Note, TableName, WarehouseUrl};
use uuid::Uuid;

use crate::{Measured, Watch, Which};

#[derive(Debug, clap::Args)]
pub struct Load {
    #[command(flatten)]
    which: Which,
    /// The warehouse, its table made
    #[arg(long)]
    warehouse: WarehouseUrl,
    /// Rows a transaction
    #[arg(long, default_value_t = 10_000)]
    batch: usize,
    /// Transactions under way at once
    #[arg(long, default_value_t = 2)]
    sessions: u32,
}

impl Load {
    pub async fn run(self) -> anyhow::Result<Measured> {
        let herd = self.which.herd();
        let mut records: Vec<Record> = herd.all().collect();
        let bulk: Arc<dyn Bulk> = match &self.warehouse {
            WarehouseUrl::MySql(url) => {
                Arc::new(MySql::new(url, TableName::default(), self.sessions, Retry::default())?)
            }
            WarehouseUrl::Sqlite(path) => Arc::new(Sqlite::new(path, TableName::default())),
        };
        ensure!(bulk.journal(true).await?, "no journal");
        let shape = Shape::standard();
        let watch = Watch::start();
        let method = bulk.method().await?;
        records.sort_by(|a, b| a.id_treated_data.cmp(&b.id_treated_data));
        let run = Uuid::from_u128(u128::from(std::process::id()));
        let batches = records.chunks(self.batch.max(1)).enumerate().map(|(at, batch)| {
            let bulk = Arc::clone(&bulk);
            async move { load(&*bulk, batch, &Note { run, seq: at as u64 + 1, text: "{}".into() }, &shape).await }
        });
        let loaded: u64 = stream::iter(batches)
            .buffered(self.sessions.max(1) as usize)
            .try_fold(0, |sum, n| async move { Ok(sum + n) })
            .await?;
        ensure!(loaded == records.len() as u64, "{loaded} of {} loaded", records.len());
        Ok(watch.stop("load", loaded, format!("{} ({})", method.kind, method.why)))
    }
}

async fn load(bulk: &dyn Bulk, batch: &[Record], note: &Note, shape: &Shape) -> anyhow::Result<u64> {
    let rows: Vec<Row> = batch.iter().map(|record| record.to_row(shape)).collect();
    let notes = std::slice::from_ref(note);
    match bulk.apply(&Change { insert: &rows, notes, ..Change::default() }, shape).await? {
        Insert::Done => Ok(rows.len() as u64),
        Insert::Taken => bail!("an id of batch {} is taken: the table is not empty", note.seq),
    }
}
