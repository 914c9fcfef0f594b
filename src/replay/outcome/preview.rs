//! Result of a dry run of `replay`.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::options::ReplayOptions;
use crate::outcome::Exit;
use crate::request_cost::ClassCounts;
use pipeline::lake::LakeUrl;

/// Sample of objects, read as in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ReadSample {
    /// Number of objects.
    pub objects: u64,
    /// Number of objects with a valid record.
    pub records: u64,
    /// Read rate, in objects per second.
    pub per_second: f64,
}

/// Dry run of a replay.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Preview {
    /// Address of the lake.
    pub lake: String,
    /// Address of the warehouse with its table, without secrets.
    pub warehouse: String,
    /// Options of the run.
    pub options: ReplayOptions,
    /// Time at which the run would start, by the lake's clock.
    pub cutoff: Option<DateTime<Utc>>,
    /// Number of partitions to read.
    pub partitions: u64,
    /// First day.
    pub first_day: Option<NaiveDate>,
    /// Last day.
    pub last_day: Option<NaiveDate>,
    /// Number of objects in them, and of unrecognized objects.
    pub objects: u64,
    /// Total size, in bytes.
    pub bytes: u64,
    /// Number of objects in an archive tier that are not restored.
    pub archived: u64,
    /// Number of objects written after the cutoff.
    pub after_cutoff: u64,
    /// Number of these whose time is in the future.
    pub future_dated: u64,
    /// Number of objects whose path is not one of the lake.
    pub unrecognized: u64,
    /// Number of objects that only mark a folder.
    pub folder_markers: u64,
    /// Objects by storage class.
    pub classes: BTreeMap<String, ClassCounts>,
    /// Number of objects per farm.
    pub farms: BTreeMap<String, u64>,
    /// Number of list requests.
    pub list_requests: u64,
    /// Number of read requests, without retries.
    pub get_requests: u64,
    /// Cost of these requests in US dollars (S3 prices, us-east-1); 0 for self-hosted stores.
    pub request_cost_usd: f64,
    /// Result of a sample. `None` if there is nothing to read.
    pub sample: Option<ReadSample>,
    /// Estimated duration of reading at the sample's rate, in seconds; it overlaps with loading.
    pub seconds: Option<f64>,
    /// Current number of rows in the table. `None` if the table does not exist.
    pub current_rows: Option<u64>,
    /// Method of loading rows, and the reason for it.
    pub method: String,
    /// Changes and locks of the run, one per line.
    pub planned_changes: Vec<String>,
    /// Reasons why the run would fail, one per line.
    pub blockers: Vec<String>,
    /// Reason for an early stop; the counts then include only the partitions listed before it.
    pub stopped: Option<String>,
}

impl Preview {
    /// Returns true if the lake is in S3, so that requests cost money and objects have storage classes.
    pub fn is_in_s3(&self) -> bool {
        self.lake.parse::<LakeUrl>().is_ok_and(|url| url.bucket_and_prefix().is_some())
    }

    /// Adds the changes and blockers of loading into a new table: its creation and the swap.
    pub fn swaps(&mut self, table: &str, shadow: String, blockers: Vec<String>) {
        self.planned_changes = vec![
            format!("create and load the shadow table {shadow}"),
            "verify every row and catch up with new objects".to_owned(),
            format!("swap it with {table} in one RENAME (brief lock on both); the old table is kept"),
        ];
        self.blockers.extend(blockers);
    }
}

impl crate::outcome::CommandOutcome for Preview {
    fn exit(&self) -> Exit {
        match &self.stopped {
            Some(_) => Exit::Stopped,
            None if self.blockers.is_empty() => Exit::Clean,
            None => Exit::Findings,
        }
    }
}
