//! How gently a replay goes about a server that others use: its flags, and how the settings file changes them meanwhile.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::ensure;

use super::command_line::CommandLine;
use super::config::ConfigWatcher;
use super::flags::{WarehouseFlags, replica};
use crate::replay::{ReloadLimits, ThrottleLimits};
use pipeline::warehouse::BulkWarehouse;

/// Seconds.
const PATIENCE: u64 = 300;

/// How gently.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Gentle on production (may be changed while it runs, in the settings file)")]
pub(super) struct ThrottleFlags {
    /// Wait while more threads than this run on the server
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_threads_running: Option<u64>,
    /// Wait while a replica is further behind than this, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    max_replica_lag: Option<f64>,
    /// A replica whose lag is watched: its address, as for --warehouse; may be repeated
    // Text until it is opened: a value that clap refuses is printed, password and all.
    #[arg(long = "replica", value_name = "URL", hide_env_values = true)]
    replicas: Vec<String>,
    /// Load no more rows a second than this, on average
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rows_per_second: Option<u64>,
    /// Wait while this file is there
    #[arg(long, value_name = "FILE")]
    pause_file: Option<PathBuf>,
    /// Wait while this query answers more than 0
    #[arg(long, value_name = "SQL")]
    throttle_query: Option<String>,
    /// How long a warehouse that is gone, or a signal that cannot be had, is waited for, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = PATIENCE)]
    pub patience: u64,
}

/// What of the limits an edited settings file may change.
const WATCHED: [&str; 5] =
    ["max-threads-running", "max-replica-lag", "rows-per-second", "pause-file", "throttle-query"];

impl ThrottleFlags {
    /// Refuses limits that would protect nothing.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let watched = self.max_replica_lag.is_none() || !self.replicas.is_empty();
        ensure!(watched, "--max-replica-lag watches nothing: name a replica with --replica URL");
        Ok(())
    }

    /// The replicas, opened.
    pub(super) fn open(&self, warehouse: &WarehouseFlags) -> anyhow::Result<Vec<Arc<dyn BulkWarehouse>>> {
        self.replicas.iter().map(|url| warehouse.replica(url)).collect()
    }

    /// Spells out what was given.
    pub(super) fn append_to(&self, command: &mut CommandLine) -> anyhow::Result<()> {
        command
            .flag_if_some("max-threads-running", self.max_threads_running)
            .flag_if_some("max-replica-lag", self.max_replica_lag);
        for url in &self.replicas {
            command.flag("replica", replica(url)?);
        }
        command.flag_if_some("rows-per-second", self.rows_per_second);
        command.flag_if_some("pause-file", self.pause_file.as_ref().map(|path| path.display()));
        command.flag_if_some("throttle-query", self.throttle_query.as_ref());
        command.flag_unless_default("patience", self.patience, PATIENCE);
        Ok(())
    }

    /// The limits as the settings file changes them while the run goes on; what is taken out of it is as it was at the start.
    pub(super) fn reload(&self) -> ReloadLimits {
        let (started, watches) = (self.limits(), !self.replicas.is_empty());
        let state = ConfigWatcher::new(&WATCHED).map(|watched| Mutex::new((watched, started.clone())));
        Arc::new(move || {
            let mut state = state.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
            let (watched, limits) = &mut *state;
            let changes = watched.poll_changes();
            for (key, value) in &changes {
                let change = apply_change(limits, &started, watches, key, value.as_deref());
                if let Err(e) = change {
                    tracing::warn!("settings file: {key}: {e}: it stays as it was");
                }
            }
            (!changes.is_empty()).then(|| limits.clone())
        })
    }

    pub(super) fn limits(&self) -> ThrottleLimits {
        ThrottleLimits {
            max_threads_running: self.max_threads_running,
            max_replica_lag: self.max_replica_lag,
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
                return Err("the run was begun without --replica, and there is none to watch".to_owned());
            }
            limits.max_replica_lag = max;
        }
        "rows-per-second" => limits.rows_per_second = parse_or_initial(value, started.rows_per_second, number)?,
        "pause-file" => limits.pause_file = value.map(PathBuf::from).or_else(|| started.pause_file.clone()),
        _ => limits.throttle_query = value.map(str::to_owned).or_else(|| started.throttle_query.clone()),
    }
    Ok(())
}

/// The value as the flag takes it; what the run was begun with where there is none.
fn parse_or_initial<T>(
    value: Option<&str>,
    started: Option<T>,
    read: fn(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    value.map(read).transpose().map(|read| read.or(started))
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("{text:?} is no whole number above 0"))
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0);
    seconds.ok_or_else(|| format!("{text:?} is no number of seconds: write 0, 1.5 or more"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settings_file_changes_limits_as_the_flags_would_and_nothing_else() {
        let started = ThrottleLimits { rows_per_second: Some(7), ..ThrottleLimits::default() };
        let mut limits = started.clone();
        for (key, value) in [
            ("max-replica-lag", "nan"),
            ("max-replica-lag", "5"),
            ("max-threads-running", "0"),
            ("rows-per-second", "0"),
        ] {
            assert!(apply_change(&mut limits, &started, false, key, Some(value)).is_err(), "{key} = {value}");
        }
        assert_eq!(limits, started);
        apply_change(&mut limits, &started, true, "max-replica-lag", Some("5")).unwrap();
        apply_change(&mut limits, &started, true, "rows-per-second", Some("9")).unwrap();
        assert_eq!((limits.max_replica_lag, limits.rows_per_second), (Some(5.0), Some(9)));
        apply_change(&mut limits, &started, true, "rows-per-second", None).unwrap();
        assert_eq!(limits.rows_per_second, Some(7));
    }
}
