//! What the intake knows of the table it loads into: looked up when first needed, and again when that may be wrong.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;

use crate::error::Kind;
use crate::record::Record;
use crate::record::row::TableSchema;
use crate::warehouse::{Error, LoadResult, LoadResults, OnConflict, Warehouse, load_into};

/// How long the table is taken to be as it was found: somebody may alter it while the intake runs.
const TRUSTED: TimeDelta = TimeDelta::minutes(10);

/// The table.
#[derive(Debug, Clone)]
pub(super) struct SchemaCache {
    warehouse: Arc<dyn Warehouse>,
    cached: Arc<Mutex<Option<CachedSchema>>>,
}

/// What was found, and when.
#[derive(Debug)]
struct CachedSchema {
    at: DateTime<Utc>,
    schema: TableSchema,
}

impl SchemaCache {
    pub fn new(warehouse: Arc<dyn Warehouse>) -> Self {
        Self { warehouse, cached: Arc::default() }
    }

    /// Its shape, looked up where it is not known or was looked up long ago.
    pub async fn shape(&self, now: DateTime<Utc>) -> Result<TableSchema, Error> {
        let mut cached = self.cached.lock().await;
        if let Some(known) = &*cached
            && (now - known.at).abs() < TRUSTED
        {
            return Ok(known.schema);
        }
        let schema = self.warehouse.table_schema().await?;
        *cached = Some(CachedSchema { at: now, schema });
        Ok(schema)
    }

    /// Loads the records of a batch; what became of each is in `settled` as soon as it is known.
    pub async fn load(&self, records: &[Record], now: DateTime<Utc>, settled: &mut LoadResults) -> Result<(), Error> {
        let schema = self.shape(now).await?;
        let ended = load_into(&*self.warehouse, records, &schema, OnConflict::Keep, settled).await;
        let lasts = |e: &Error| e.kind() != Kind::Transient;
        let odd = settled.iter().flatten().any(|row| match row {
            Ok(loaded) => matches!(loaded, LoadResult::Refused(_)),
            Err(e) => lasts(e),
        });
        if odd || ended.as_ref().err().is_some_and(lasts) {
            *self.cached.lock().await = None; // the table may have been altered
        }
        ended
    }
}
