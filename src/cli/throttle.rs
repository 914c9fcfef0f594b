//! Throttling flags of replay for shared servers, and their changes in the config file during a run.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::ensure;

use super::config::{Config, ConfigWatcher};
use super::flags::WarehouseFlags;
use crate::replay::{ReloadLimits, ThrottleLimits};
use crate::units;
use pipeline::warehouse::{BulkWarehouse, throttle_query};

/// Default timeout for an unavailable warehouse.
const UNAVAILABLE_TIMEOUT: &str = "5m";

/// Throttling flags of replay.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ThrottleFlags {
    /// Pause while the server has more than N running threads
    ///
    /// This limit, --max-replica-lag, --rows-per-second, --pause-file and --throttle-query can be changed in the config file
    /// during the run.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_threads_running: Option<u64>,
    /// Pause while a replica lags by more than this, such as 10s
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    max_replica_lag: Option<Duration>,
    /// Replica URL whose lag to monitor, as for --warehouse (repeatable)
    // Stored as text until it is opened: clap would print a rejected value, including its password.
    #[arg(long = "replica", value_name = "URL", hide_env_values = true)]
    replicas: Vec<String>,
    /// Maximum average rows per second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rows_per_second: Option<u64>,
    /// Pause while this file exists
    #[arg(long, value_name = "FILE")]
    pause_file: Option<PathBuf>,
    /// Pause while this SELECT returns more than 0; it runs in a read-only transaction
    #[arg(long, value_name = "SQL", value_parser = select)]
    throttle_query: Option<String>,
    /// How long to wait for an unavailable warehouse or throttling signal before stopping
    #[arg(long, value_name = "DURATION", default_value = UNAVAILABLE_TIMEOUT, value_parser = units::duration)]
    pub unavailable_timeout: Duration,
}

/// Throttle limits that can be changed in the config file during a run.
const WATCHED: [&str; 5] =
    ["max-threads-running", "max-replica-lag", "rows-per-second", "pause-file", "throttle-query"];

impl ThrottleFlags {
    /// Rejects limits that would have no effect.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let watched = self.max_replica_lag.is_none() || !self.replicas.is_empty();
        ensure!(watched, "--max-replica-lag needs a replica to monitor: add --replica URL");
        Ok(())
    }

    /// Opens the replicas.
    pub(super) fn open(&self, warehouse: &WarehouseFlags) -> anyhow::Result<Vec<Arc<dyn BulkWarehouse>>> {
        self.replicas.iter().map(|url| warehouse.replica(url)).collect()
    }

    /// Returns a hook that reads changed limits from the config file; a removed key restores its initial value.
    pub(super) fn reload(&self, config: &Config) -> ReloadLimits {
        let (started, watches) = (self.limits(), !self.replicas.is_empty());
        let state = Mutex::new((ConfigWatcher::new(config, "replay", &WATCHED), started.clone()));
        Arc::new(move || {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let (watched, limits) = &mut *state;
            let changes = watched.poll_changes();
            for (key, value) in &changes {
                let change = apply_change(limits, &started, watches, key, value.as_deref());
                if let Err(e) = change {
                    tracing::warn!("config file: {key}: {e}; value unchanged");
                }
            }
            (!changes.is_empty()).then(|| limits.clone())
        })
    }

    pub(super) fn limits(&self) -> ThrottleLimits {
        ThrottleLimits {
            max_threads_running: self.max_threads_running,
            max_replica_lag: self.max_replica_lag.map(|lag| lag.as_secs_f64()),
            rows_per_second: self.rows_per_second,
            pause_file: self.pause_file.clone(),
            throttle_query: self.throttle_query.clone(),
        }
    }
}

fn apply_change(
    limits: &mut ThrottleLimits,
    started: &ThrottleLimits,
    watches: bool,
    key: &str,
    value: Option<&str>,
) -> Result<(), String> {
    match key {
        "max-threads-running" => {
            limits.max_threads_running = parse_or_initial(value, started.max_threads_running, number)?
        }
        "max-replica-lag" => {
            let max = parse_or_initial(value, started.max_replica_lag, seconds)?;
            if max.is_some() && !watches {
                return Err("this run was started without --replica".to_owned());
            }
            limits.max_replica_lag = max;
        }
        "rows-per-second" => limits.rows_per_second = parse_or_initial(value, started.rows_per_second, number)?,
        "pause-file" => limits.pause_file = value.map(PathBuf::from).or_else(|| started.pause_file.clone()),
        "throttle-query" => {
            limits.throttle_query = value.map(select).transpose()?.or_else(|| started.throttle_query.clone());
        }
        _ => return Err("this key cannot be changed during a run".to_owned()),
    }
    Ok(())
}

/// Parses a value like the flag, or returns the initial value if the key is missing.
fn parse_or_initial<T>(
    value: Option<&str>,
    started: Option<T>,
    read: fn(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    value.map(read).transpose().map(|read| read.or(started))
}

/// Parses a throttle query.
fn select(sql: &str) -> Result<String, String> {
    throttle_query::check(sql).map(|()| sql.to_owned())
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("{text:?} is not a whole number above 0"))
}

fn seconds(text: &str) -> Result<f64, String> {
    units::duration(text).map(|lag| lag.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_file_changes_limits_as_the_flags_would_and_nothing_else() {
        let started = ThrottleLimits { rows_per_second: Some(7), ..ThrottleLimits::default() };
        let mut limits = started.clone();
        for (key, value) in [
            ("max-replica-lag", "nan"),
            ("max-replica-lag", "5s"),
            ("max-replica-lag", "5"),
            ("max-threads-running", "0"),
            ("rows-per-second", "0"),
            ("throttle-query", "DELETE FROM historico_consumo"),
        ] {
            assert!(apply_change(&mut limits, &started, false, key, Some(value)).is_err(), "{key} = {value}");
        }
        assert_eq!(limits, started);
        apply_change(&mut limits, &started, true, "max-replica-lag", Some("5s")).unwrap();
        apply_change(&mut limits, &started, true, "rows-per-second", Some("9")).unwrap();
        assert_eq!((limits.max_replica_lag, limits.rows_per_second), (Some(5.0), Some(9)));
        apply_change(&mut limits, &started, true, "rows-per-second", None).unwrap();
        assert_eq!(limits.rows_per_second, Some(7));
    }
}
