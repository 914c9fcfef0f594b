//! The stores of a history, the processes that use them, and their content.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use pipeline::lake::Lake;
use pipeline::lake::memory::Memory as Objects;
use pipeline::record::row::{Row, TableSchema};
use pipeline::warehouse::memory::Memory as Rows;
use pipeline::warehouse::{BulkWarehouse, TableName, Warehouse};
use ruminate::cancellation::CancellationToken;
use ruminate::replay::SortSettings;

use crate::clock::Clock;
use crate::faults::{Faults, Process};
use crate::lake::{SimulatedLake, StoreKind};
use crate::warehouse::{Changes, SimulatedWarehouse};

/// Folder of the lake in its store.
const LAKE: &str = "historico_diario";
/// Number of attempts at a command; the last one has no faults.
const ATTEMPTS: u32 = 6;
/// Time between two attempts: an operator reads the error first.
const BETWEEN: Duration = Duration::from_secs(5);

/// The stores of a history.
pub struct World {
    pub clock: Clock,
    pub faults: Arc<Faults>,
    pub kind: StoreKind,
    store: Objects,
    pub rows: Rows,
    changes: Arc<Changes>,
    dir: tempfile::TempDir,
}

/// The stores as one process uses them.
#[derive(Clone)]
pub struct Stores {
    pub lake: Arc<dyn Lake>,
    pub bulk: Arc<dyn BulkWarehouse>,
    pub cancel: CancellationToken,
    pub sort: SortSettings,
    /// Number of attempts before this one.
    pub earlier: u32,
    /// True if no call fails.
    pub is_quiet: bool,
}

/// Content of lake and table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Content {
    pub objects: BTreeMap<String, Bytes>,
    pub rows: BTreeMap<String, Row>,
}

impl World {
    pub async fn new(faults: Faults, kind: StoreKind) -> anyhow::Result<Self> {
        let clock = Clock::start();
        let now = clock.clone();
        let store = Objects::with_clock(move || now.now());
        let rows = Rows::default();
        rows.init().await?;
        let dir = tempfile::tempdir()?;
        Ok(Self { clock, faults: Arc::new(faults), kind, store, rows, changes: Arc::default(), dir })
    }

    /// Returns the lake without faults, for damage.
    pub fn objects(&self) -> Arc<dyn Lake> {
        self.store.sibling(LAKE)
    }

    /// Returns the key of an object in the store of all folders.
    fn path(key: &str) -> String {
        format!("{LAKE}/{key}")
    }

    pub fn remove_object(&self, key: &str) {
        self.store.remove(&Self::path(key));
    }

    pub fn overwrite_object(&self, key: &str, body: impl Into<Bytes>) {
        self.store.overwrite(&Self::path(key), body);
    }

    /// Returns the path of a file that only this history uses.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Returns a folder next to the lake, without faults.
    pub fn sibling(&self, name: &str) -> Arc<dyn Lake> {
        self.objects().sibling(name)
    }

    fn open(&self, process: &Arc<Process>, earlier: u32) -> Stores {
        let lake = SimulatedLake {
            store: self.store.clone(),
            folder: self.objects(),
            kind: self.kind,
            process: Arc::clone(process),
        };
        let bulk = SimulatedWarehouse {
            table: Arc::new(self.rows.clone()),
            process: Arc::clone(process),
            changes: Arc::clone(&self.changes),
        };
        Stores {
            lake: Arc::new(lake),
            bulk: Arc::new(bulk),
            cancel: process.cancel.clone(),
            sort: SortSettings { memory: 1_000_000, dir: self.dir.path().to_owned() },
            earlier,
            is_quiet: process.is_quiet(),
        }
    }

    /// Returns the stores for a process without faults.
    pub fn quiet(&self) -> Stores {
        self.open(&Arc::new(Process::new(None)), 0)
    }

    /// Runs a command, and runs it again after each failure, as an operator does. `command` returns `None` if it stopped
    /// early. The last attempt has no faults.
    pub async fn operate<T>(
        &self,
        mut command: impl AsyncFnMut(Stores) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        for earlier in 0..ATTEMPTS {
            let is_last = earlier + 1 == ATTEMPTS;
            let faults = (!is_last).then(|| Arc::clone(&self.faults));
            let process = Arc::new(Process::new(faults));
            let ended = tokio::select! {
                biased;
                () = process.killed() => Ok(None),
                ended = command(self.open(&process, earlier)) => ended,
            };
            match ended {
                Ok(Some(done)) => return Ok(done),
                Ok(None) if is_last => bail!("a command without faults stopped early"),
                Err(e) if is_last || is_violation(&e) => return Err(e).context("a command failed"),
                Ok(None) | Err(_) => tokio::time::sleep(BETWEEN).await,
            }
        }
        bail!("no attempt")
    }

    /// Returns the content of lake and table.
    pub async fn content(&self) -> anyhow::Result<Content> {
        Ok(Content { objects: self.folder(&*self.objects()).await?, rows: self.table(&TableName::default()).await? })
    }

    async fn folder(&self, folder: &dyn Lake) -> anyhow::Result<BTreeMap<String, Bytes>> {
        let mut objects = BTreeMap::new();
        for object in pipeline::lake::list_all(folder, "").await? {
            objects.insert(object.key.clone(), folder.get(&object.key).await?);
        }
        Ok(objects)
    }

    /// Returns the rows of a table, by id.
    pub async fn table(&self, name: &TableName) -> anyhow::Result<BTreeMap<String, Row>> {
        let table = self.rows.renamed(name);
        let rows = table.range("", "\u{10FFFF}", u32::MAX, &TableSchema::standard()).await?;
        Ok(rows.into_iter().map(|row| (row.id().to_owned(), row)).collect())
    }
}

/// A violation of the model, in contrast to a failure that a fault has caused.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Violation(pub String);

/// Returns true if an error shows a fault of the program, regardless of the faults of its stores.
fn is_violation(e: &anyhow::Error) -> bool {
    e.is::<Violation>() || format!("{e:#}").contains("bug in ruminate")
}

/// Returns a violation of the model.
pub fn violated<T>(why: impl Into<String>) -> anyhow::Result<T> {
    Err(Violation(why.into()).into())
}

/// Checks a condition of the model.
#[macro_export]
macro_rules! must {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err($crate::world::Violation(format!($($why)+)).into());
        }
    };
}
