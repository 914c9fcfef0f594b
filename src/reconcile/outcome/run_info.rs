//! Identification of a run, its options, and its stores: everything needed to repeat and compare an audit.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::outcome::ShardTimes;
use pipeline::hex::hex;
use pipeline::record::Column;
use pipeline::record::row::{ColumnType, TableSchema};

/// Run of the program. In addition to the cutoff and the duration, only this differs between reports of the same
/// inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// UUID of the run (version 7: ordered by time); empty if not requested.
    pub id: String,
    /// Start time, by the local clock.
    pub started_at: Option<DateTime<Utc>>,
    /// Version of the program.
    pub version: Cow<'static, str>,
    /// Shards of the run, if it was merged from shards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<ShardRun>,
}

/// Run of a shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShardRun {
    /// Number of listed objects.
    pub objects: u64,
    /// Start time, by the clock of its machine.
    pub started_at: DateTime<Utc>,
    /// Duration, in seconds.
    pub seconds: f64,
    /// Number of attempts; the first one that ended counts.
    pub attempts: u64,
    /// Number of retried lake requests.
    pub retries: u64,
    /// Source of its number: a scheduler, or the command line.
    pub source: String,
}

impl Default for RunInfo {
    fn default() -> Self {
        Self { id: String::new(), started_at: None, version: env!("CARGO_PKG_VERSION").into(), shards: Vec::new() }
    }
}

impl RunInfo {
    /// Returns the information for a run that starts now.
    pub fn begin() -> Self {
        let started_at = Utc::now();
        let id = crate::outcome::run_id(started_at).to_string();
        Self { id, started_at: Some(started_at), ..Self::default() }
    }

    /// Returns the durations of the shards; `None` if the run was not merged from shards.
    pub fn shard_times(&self) -> Option<ShardTimes> {
        ShardTimes::of(self.shards.iter().map(|shard| shard.seconds))
    }
}

/// Options of an audit, for its report and for repeating it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AuditOptions {
    /// Directories of the farms; empty for all farms.
    pub farms: Vec<String>,
    /// First day.
    pub from: Option<NaiveDate>,
    /// Last day.
    pub to: Option<NaiveDate>,
    /// Target intake as a fraction of live weight.
    pub meta_rate: f64,
    /// Command that repeats the audit, without secrets.
    pub command: String,
    /// File with all findings. `None` if not written.
    pub drift_file: Option<String>,
    /// All settings that can change the findings, by flag name.
    pub settings: AuditSettings,
    /// SHA-256 of the settings.
    pub settings_sha256: String,
}

/// Settings of an audit by flag name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AuditSettings(BTreeMap<Cow<'static, str>, Value>);

impl AuditSettings {
    /// Returns the settings with one more; a value that serializes to null is not set, and is omitted.
    #[must_use]
    pub fn with(mut self, flag: &'static str, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).unwrap_or(Value::Null);
        if !value.is_null() {
            self.0.insert(flag.into(), value);
        }
        self
    }

    /// Returns the SHA-256 of the canonical JSON: sorted names, no white space, as written by
    /// `jq -cSj .options.settings`.
    pub fn sha256(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default(); // names and plain values always serialize
        hex(&Sha256::digest(json))
    }
}

/// Properties of the stores that determine their content and how it was read.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct StoreInfo {
    /// Settings of the warehouse by name: `sql_mode`, time zone, collation.
    pub server_settings: BTreeMap<String, String>,
    /// Type of each column, which determines how it is compared.
    pub columns: BTreeMap<Cow<'static, str>, String>,
}

impl StoreInfo {
    /// Returns the column types of a table, and the settings of its server.
    pub fn of(schema: &TableSchema, server_settings: BTreeMap<String, String>) -> Self {
        let columns =
            Column::ALL.into_iter().map(|column| (column.name().into(), description(schema.of(column)))).collect();
        Self { server_settings, columns }
    }
}

fn description(column: ColumnType) -> String {
    let rounded = |decimals: Option<u8>| match decimals {
        None => String::new(),
        Some(1) => ", rounded to 1 decimal".to_owned(),
        Some(n) => format!(", rounded to {n} decimals"),
    };
    match column {
        ColumnType::Text { chars } => format!("text of at most {chars} characters"),
        ColumnType::Float { decimals } => format!("FLOAT (32-bit){}", rounded(decimals)),
        ColumnType::Double { decimals } => format!("DOUBLE (64-bit){}", rounded(decimals)),
        ColumnType::Integer => "integer".to_owned(),
        ColumnType::DateTime { digits: 0 } => "time to the second, UTC".to_owned(),
        ColumnType::DateTime { digits } => format!("time with {digits} digits of a second, UTC"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_the_hash_of_their_canonical_json() {
        let settings =
            AuditSettings::default().with("to", "2024-01-31").with("halt-after", None::<u64>).with("meta-rate", 0.0176);
        assert_eq!(serde_json::to_string(&settings).unwrap(), r#"{"meta-rate":0.0176,"to":"2024-01-31"}"#);
        // printf '{"meta-rate":0.0176,"to":"2024-01-31"}' | sha256sum
        assert_eq!(settings.sha256(), hex(&Sha256::digest(br#"{"meta-rate":0.0176,"to":"2024-01-31"}"#)));
        let other = AuditSettings::default().with("meta-rate", 0.0176).with("to", "2024-01-31");
        assert_eq!(other, settings, "in any order");
        assert_ne!(other.with("quick", true).sha256(), settings.sha256());
    }

    #[test]
    fn every_run_has_its_own_id() {
        let (one, other) = (RunInfo::begin(), RunInfo::begin());
        assert_ne!(one.id, other.id);
        assert_eq!(uuid::Uuid::parse_str(&one.id).unwrap().get_version_num(), 7);
    }

    #[test]
    fn columns_have_the_type_by_which_they_are_compared() {
        let stores = StoreInfo::of(&TableSchema::standard(), BTreeMap::new());
        assert_eq!(stores.columns.len(), Column::COUNT);
        assert_eq!(stores.columns["peso_medio"], "FLOAT (32-bit)");
        assert_eq!(stores.columns["data"], "time to the second, UTC");
        assert_eq!(description(ColumnType::Double { decimals: Some(2) }), "DOUBLE (64-bit), rounded to 2 decimals");
    }
}
