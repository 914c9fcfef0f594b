//! Cache of the table's schema: read on first use, after 10 minutes, and after a failed load.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;

use crate::error::Kind;
use crate::record::Record;
use crate::record::row::TableSchema;
use crate::warehouse::{Error, LoadResult, LoadResults, OnConflict, Warehouse, load_into};

/// Lifetime of the cached schema. The table may be altered while the intake runs.
const TRUSTED: TimeDelta = TimeDelta::minutes(10);

/// A warehouse table with its cached schema.
#[derive(Debug, Clone)]
pub(super) struct SchemaCache {
    warehouse: Arc<dyn Warehouse>,
    cached: Arc<Mutex<Option<CachedSchema>>>,
}

/// The cached schema and the time at which it was read.
#[derive(Debug)]
struct CachedSchema {
    at: DateTime<Utc>,
    schema: TableSchema,
}

impl SchemaCache {
    pub fn new(warehouse: Arc<dyn Warehouse>) -> Self {
        Self { warehouse, cached: Arc::default() }
    }

    /// Returns the schema, and reads it if it is not cached or the cache has expired.
    pub async fn schema(&self, now: DateTime<Utc>) -> Result<TableSchema, Error> {
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

    /// Loads the records of a batch. `results` receives each result as soon as it is known.
    pub async fn load(&self, records: &[Record], now: DateTime<Utc>, results: &mut LoadResults) -> Result<(), Error> {
        let schema = self.schema(now).await?;
        let ended = load_into(&*self.warehouse, records, &schema, OnConflict::Keep, results).await;
        let lasts = |e: &Error| e.kind() != Kind::Transient;
        let is_unexpected = results.iter().flatten().any(|row| match row {
            Ok(loaded) => matches!(loaded, LoadResult::Refused(_)),
            Err(e) => lasts(e),
        });
        if is_unexpected || ended.as_ref().err().is_some_and(lasts) {
            *self.cached.lock().await = None; // the table may have been altered
        }
        ended
    }
}
