//! The parts of a lake, for its reader: opened when their days are read, and closed again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use super::distrust::Distrust;
use super::matching::Matching;
use super::name::PartName;
use super::part::Part;
use super::stats::PartsStats;
use super::windows::{Contents, PartRows, WindowCache};
use pipeline::lake::{Error, Lake, ObjectMeta, Partition, head, list_all};
use pipeline::record::PARTS;

/// Maximum number of open parts. Each has a footer in memory and a temporary file.
const OPEN: usize = 128;

/// Use of parts for reading records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum PartsMode {
    /// From parts that match the listing, otherwise from objects
    #[default]
    Auto,
    /// From objects
    Never,
    /// From parts that match the listing; other objects are skipped and counted
    Only,
}

/// The contents of a partition's objects in a part.
pub(crate) type PartDay = Matching<Contents>;

/// A part that is opened once.
type Slot = Arc<OnceCell<Option<Arc<Part>>>>;

/// The parts of a lake.
#[derive(Debug)]
pub struct Parts {
    folder: Arc<dyn Lake>,
    /// Location of the lake.
    lake: String,
    mode: PartsMode,
    files: Mutex<HashMap<PartName, ObjectMeta>>,
    open: Mutex<OpenParts>,
    windows: Arc<WindowCache>,
    stats: Mutex<PartsStats>,
}

/// Open parts, the oldest first.
#[derive(Debug, Default)]
struct OpenParts {
    slots: HashMap<PartName, Slot>,
    order: VecDeque<PartName>,
}

impl Parts {
    /// Lists the parts of a lake; `None` if they must not be used.
    ///
    /// # Errors
    /// Returns an error if the parts cannot be listed and only parts may be read. If objects may be read, they are read
    /// instead, and the statistics contain the reason.
    pub async fn open(lake: &dyn Lake, mode: PartsMode) -> Result<Option<Arc<Self>>, Error> {
        if mode == PartsMode::Never {
            return Ok(None);
        }
        let folder = lake.sibling(PARTS);
        let mut stats = PartsStats::default();
        let listed = match list_all(&*folder, "").await {
            Ok(listed) => listed,
            Err(e) if mode == PartsMode::Only => return Err(e),
            Err(e) => {
                tracing::warn!("the parts cannot be listed, reading objects: {e}");
                stats.distrust(folder.address(), Distrust::from(e).to_string());
                Vec::new()
            }
        };
        let files = listed.into_iter().filter_map(|meta| Some((PartName::parse(&meta.key)?, meta))).collect();
        Ok(Some(Arc::new(Self {
            folder,
            lake: lake.location(),
            mode,
            files: Mutex::new(files),
            open: Mutex::default(),
            windows: Arc::default(),
            stats: Mutex::new(stats),
        })))
    }

    /// Returns whether records are read from parts.
    pub fn mode(&self) -> PartsMode {
        self.mode
    }

    /// Returns true if no object may be fetched.
    pub(crate) fn is_only(&self) -> bool {
        self.mode == PartsMode::Only
    }

    /// Returns the statistics so far.
    pub fn stats(&self) -> PartsStats {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts objects of a listed page: from parts, and read.
    pub(crate) fn count(&self, rows: usize, fetched: usize) {
        let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        stats.rows += rows as u64;
        stats.fetched += fetched as u64;
    }

    /// Returns what a part has of a partition; `None` if there is none that can be trusted.
    pub(crate) async fn day(&self, partition: &Partition) -> Option<PartDay> {
        let name = self.name_of(partition)?;
        // A part that a compaction has replaced is opened again, once.
        for attempt in 0..2 {
            let part = self.part(&name).await?;
            let facts = part.footer().day(partition.day)?;
            let (rows, wanted) = (part.rows_of(facts), part.needed());
            match part.load(rows.clone(), wanted).await {
                Ok(()) => {
                    let rows = PartRows::new(Arc::clone(&part), Arc::clone(&self.windows), rows, wanted);
                    return Some(Matching::new(Contents(rows)));
                }
                Err(Distrust::Replaced) if attempt == 0 => self.refresh(&name).await,
                Err(why) => {
                    self.distrust(&name, &why);
                    return None;
                }
            }
        }
        None
    }

    /// Returns the name of the part with a partition: that of the day, or that of the month.
    fn name_of(&self, partition: &Partition) -> Option<PartName> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        [true, false].map(|by_day| PartName::of(partition, by_day)).into_iter().find(|name| files.contains_key(name))
    }

    /// Opens a part; `None` if it cannot be trusted.
    async fn part(&self, name: &PartName) -> Option<Arc<Part>> {
        let slot = self.slot(name);
        let part = slot.get_or_init(|| async {
            let meta = self.files.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()?;
            match Part::open(Arc::clone(&self.folder), meta, name, &self.lake).await {
                Ok(part) => {
                    self.stats.lock().unwrap_or_else(PoisonError::into_inner).parts += 1;
                    Some(Arc::new(part))
                }
                Err(why) => {
                    self.distrust(name, &why);
                    None
                }
            }
        });
        part.await.clone().filter(|part| part.failure().is_none())
    }

    fn slot(&self, name: &PartName) -> Slot {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = open.slots.get(name) {
            return Arc::clone(slot);
        }
        if open.order.len() >= OPEN
            && let Some(oldest) = open.order.pop_front()
        {
            open.slots.remove(&oldest);
        }
        let slot = Slot::default();
        open.order.push_back(name.clone());
        open.slots.insert(name.clone(), Arc::clone(&slot));
        slot
    }

    /// Looks up a part that was replaced.
    async fn refresh(&self, name: &PartName) {
        let found = head(&*self.folder, &name.key()).await.ok().flatten();
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        match found {
            Some(meta) => drop(files.insert(name.clone(), meta)),
            None => drop(files.remove(name)),
        }
        drop(files);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.slots.remove(name);
        open.order.retain(|known| known != name);
    }

    /// Stops using a part, and counts it once: several of its days can be read at the same time.
    fn distrust(&self, name: &PartName, why: &Distrust) {
        if self.files.lock().unwrap_or_else(PoisonError::into_inner).remove(name).is_none() {
            return;
        }
        tracing::warn!("part {name} is not trusted, reading its objects: {why}");
        let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        stats.distrust(name.key(), why.to_string());
    }
}
