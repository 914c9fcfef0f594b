//! What `replay` is about to do: the outcome of a dry run.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::options::ReplayOptions;
use crate::outcome::Exit;

/// Objects of one storage class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassCounts {
    /// How many.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of these, archived ones that are restored and can be read.
    pub restored: u64,
    /// Of these, those that cannot be read before they are restored.
    pub archived: u64,
}

impl ClassCounts {
    /// Adds what another counted.
    pub fn merge(&mut self, more: &Self) {
        self.objects += more.objects;
        self.bytes += more.bytes;
        self.restored += more.restored;
        self.archived += more.archived;
    }

    /// What reading them costs, in the currency of the prices: for a thousand reads, and for a gigabyte.
    pub fn cost(&self, (reads, gigabyte): (f64, f64)) -> f64 {
        let share = (self.objects - self.archived) as f64 / self.objects.max(1) as f64;
        (self.objects - self.archived) as f64 / 1_000.0 * reads + self.bytes as f64 * share / 1e9 * gigabyte
    }
}

/// A few objects, read as the run would read them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ReadSample {
    /// How many.
    pub objects: u64,
    /// Of these, those that hold a valid record.
    pub records: u64,
    /// Objects a second.
    pub per_second: f64,
}

/// The dry run of a replay.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Preview {
    /// The lake's address.
    pub lake: String,
    /// The warehouse's address with its table, without secrets.
    pub warehouse: String,
    /// What is asked for.
    #[serde(rename = "asked")]
    pub options: ReplayOptions,
    /// When it would begin, by the lake's clock.
    #[serde(rename = "fence")]
    pub cutoff: Option<DateTime<Utc>>,
    /// Partitions to be read.
    pub partitions: u64,
    /// The first day.
    pub first_day: Option<NaiveDate>,
    /// The last day.
    pub last_day: Option<NaiveDate>,
    /// Objects in them, and in places where none belong.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those in an archive tier that are not restored.
    pub archived: u64,
    /// Those written after the run began.
    pub after_fence: u64,
    /// Of these, objects whose time is in the future.
    pub future_dated: u64,
    /// Objects whose names are not of this lake.
    pub foreign: u64,
    /// Objects by storage class.
    pub classes: BTreeMap<String, ClassCounts>,
    /// Objects by farm.
    pub farms: BTreeMap<String, u64>,
    /// Listings it takes.
    pub list_requests: u64,
    /// Reads it takes, if none has to be repeated.
    pub get_requests: u64,
    /// What these requests cost in US dollars by S3's price list for us-east-1; a store of one's own costs nothing.
    pub price_usd: f64,
    /// What a sample shows; `None` where there is nothing to read.
    pub sample: Option<ReadSample>,
    /// How long reading takes at the sample's rate, in seconds; loading goes on beside it.
    pub seconds: Option<f64>,
    /// Rows in the table now; `None` where there is no table.
    pub rows_now: Option<u64>,
    /// How rows would get in, and why so.
    pub method: String,
    /// What would be changed or locked, a line each.
    pub changes: Vec<String>,
    /// What stands against it, a line each.
    pub obstacles: Vec<String>,
    /// Why it stopped early; what is said is then of the partitions that were listed until then.
    pub stopped: Option<String>,
}

impl Preview {
    /// Says what comes of loading into a new table: its making, the swap, and what stands against it.
    pub fn swaps(&mut self, table: &str, shadow: String, obstacles: Vec<String>) {
        self.changes = vec![
            format!("a table is made and loaded, which nobody else sees: {shadow}"),
            "every row of it is read back, and what came into the lake meanwhile is loaded too".to_owned(),
            format!("one RENAME puts it in the place of {table}, under a brief lock on both; the old table is kept"),
        ];
        self.obstacles.extend(obstacles);
    }
}

impl crate::outcome::CommandOutcome for Preview {
    fn exit(&self) -> Exit {
        match &self.stopped {
            Some(_) => Exit::Stopped,
            None if self.obstacles.is_empty() => Exit::Clean,
            None => Exit::Findings,
        }
    }
}
