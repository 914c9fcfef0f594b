//! Which run it was, what it was asked, and of which stores: what somebody needs to repeat an audit and compare.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use pipeline::hex::hex;
use pipeline::record::Column;
use pipeline::record::row::{ColumnType, TableSchema};

/// A run of the program: what differs between reports of the same inputs, beside the cutoff and the time taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    /// A UUID of its own (version 7: ordered by time); empty where nobody asked for one.
    pub id: String,
    /// When it began, by the clock of the machine that it ran on.
    pub began: Option<DateTime<Utc>>,
    /// The program's version.
    pub version: Cow<'static, str>,
}

impl Default for RunInfo {
    fn default() -> Self {
        Self { id: String::new(), began: None, version: env!("CARGO_PKG_VERSION").into() }
    }
}

impl RunInfo {
    /// A run that begins now.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn begin() -> anyhow::Result<Self> {
        let began = Utc::now();
        let id = crate::outcome::run_id(began).to_string();
        Ok(Self { id, began: Some(began), ..Self::default() })
    }
}

/// What was asked of an audit, so that its report can say so and it can be repeated.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AuditOptions {
    /// Folders of the farms; empty for all.
    pub farms: Vec<String>,
    /// The first day.
    pub from: Option<NaiveDate>,
    /// The last day.
    pub to: Option<NaiveDate>,
    /// Target intake as a share of live weight.
    pub meta_rate: f64,
    /// The command that repeats it, without secrets.
    pub command: String,
    /// The file of all findings.
    pub drift_file: Option<String>,
    /// Everything that can change what is found, by the name of its flag.
    pub settings: AuditSettings,
    /// The SHA-256 of the settings.
    pub settings_sha256: String,
}

/// AuditSettings by the names of their flags.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AuditSettings(BTreeMap<Cow<'static, str>, Value>);

impl AuditSettings {
    /// The same with one more; what serializes to null was not set, and is left out.
    #[must_use]
    pub fn with(mut self, flag: &'static str, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).unwrap_or(Value::Null);
        if !value.is_null() {
            self.0.insert(flag.into(), value);
        }
        self
    }

    /// The SHA-256 of their canonical JSON: names sorted, nothing between the signs, as `jq -cSj .asked.settings` writes it.
    pub fn sha256(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default(); // names and plain values cannot fail
        hex(&Sha256::digest(json))
    }
}

/// What of the stores decides what they hold and how it was read.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct StoreInfo {
    /// The warehouse's settings by name: `sql_mode`, time zone, collation.
    pub server_settings: BTreeMap<String, String>,
    /// What each column holds, and is compared as.
    pub columns: BTreeMap<Cow<'static, str>, String>,
}

impl StoreInfo {
    /// What the columns of a table hold, and what its server is set to.
    pub fn of(schema: &TableSchema, server_settings: BTreeMap<String, String>) -> Self {
        let columns = Column::ALL.into_iter().map(|column| (column.name().into(), said(schema.of(column)))).collect();
        Self { server_settings, columns }
    }
}

fn said(holds: ColumnType) -> String {
    let rounded = |decimals: Option<u8>| match decimals {
        None => String::new(),
        Some(1) => ", rounded to 1 decimal".to_owned(),
        Some(n) => format!(", rounded to {n} decimals"),
    };
    match holds {
        ColumnType::Text { chars } => format!("text of at most {chars} characters"),
        ColumnType::Float { decimals } => format!("binary f32{}", rounded(decimals)),
        ColumnType::Double { decimals } => format!("binary f64{}", rounded(decimals)),
        ColumnType::Integer => "integer".to_owned(),
        ColumnType::DateTime { digits: 0 } => "time to the second, UTC".to_owned(),
        ColumnType::DateTime { digits } => format!("time with {digits} digits of a second, UTC"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_hash_to_what_anybody_can_compute() {
        let settings =
            AuditSettings::default().with("to", "2024-01-31").with("halt-after", None::<u64>).with("meta-rate", 0.0176);
        assert_eq!(serde_json::to_string(&settings).unwrap(), r#"{"meta-rate":0.0176,"to":"2024-01-31"}"#);
        // printf '{"meta-rate":0.0176,"to":"2024-01-31"}' | sha256sum
        assert_eq!(settings.sha256(), hex(&Sha256::digest(br#"{"meta-rate":0.0176,"to":"2024-01-31"}"#)));
        let other = AuditSettings::default().with("meta-rate", 0.0176).with("to", "2024-01-31");
        assert_eq!(other, settings, "in whatever order they are given");
        assert_ne!(other.with("quick", true).sha256(), settings.sha256());
    }

    #[test]
    fn every_run_is_one_of_its_own() {
        let (one, other) = (RunInfo::begin().unwrap(), RunInfo::begin().unwrap());
        assert_ne!(one.id, other.id);
        assert_eq!(uuid::Uuid::parse_str(&one.id).unwrap().get_version_num(), 7);
    }

    #[test]
    fn columns_say_what_they_are_compared_as() {
        let stores = StoreInfo::of(&TableSchema::standard(), BTreeMap::new());
        assert_eq!(stores.columns.len(), 13);
        assert_eq!(stores.columns["peso_medio"], "binary f32");
        assert_eq!(stores.columns["data"], "time to the second, UTC");
        assert_eq!(said(ColumnType::Double { decimals: Some(2) }), "binary f64, rounded to 2 decimals");
    }
}
