//! Where an attempt runs: the host, and the ids of the scheduler's job, which lead to its log.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Variables of schedulers with the ids of a job and its attempt. The host of a pod is its name.
const IDS: [&str; 9] = [
    "AWS_BATCH_JOB_ID",
    "AWS_BATCH_JOB_ATTEMPT",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_JOB_ID",
    "SLURM_RESTART_COUNT",
    "BATCH_TASK_RETRY_ATTEMPT",
    "CLOUD_RUN_EXECUTION",
    "CLOUD_RUN_TASK_ATTEMPT",
    "AWS_LAMBDA_LOG_STREAM_NAME",
];
/// Maximum length of a value, in characters.
const LONGEST: usize = 200;

/// Host of an attempt, and the ids of its job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Name of the host, container or pod. `None` if not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Ids of the scheduler's job, by the names of their variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub job: BTreeMap<String, String>,
}

impl Place {
    /// Returns the place of this process; `variable` returns the value of an environment variable.
    pub fn here(variable: impl Fn(&str) -> Option<String>) -> Self {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let host = kernel.or_else(|| variable("HOSTNAME")).or_else(|| variable("COMPUTERNAME"));
        Self::of(host.as_deref(), variable)
    }

    fn of(host: Option<&str>, variable: impl Fn(&str) -> Option<String>) -> Self {
        let short = |text: &str| text.trim().chars().take(LONGEST).collect::<String>();
        let ids = IDS.iter().filter_map(|name| Some(((*name).to_owned(), short(&variable(name)?))));
        Self { host: host.map(short).filter(|host| !host.is_empty()), job: ids.collect() }
    }
}

/// Formats the place as ` on HOST (NAME=ID, …)`; nothing if it is not known.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, " on {host}")?;
        }
        let ids: Vec<String> = self.job.iter().map(|(name, id)| format!("{name}={id}")).collect();
        if ids.is_empty() { Ok(()) } else { write!(f, " ({})", ids.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_the_ids_of_its_scheduler_and_nothing_else() {
        let variable = |name: &str| match name {
            "SLURM_JOB_ID" => Some("17".to_owned()),
            "SLURM_ARRAY_JOB_ID" => Some("9".repeat(300)),
            "DATABASE_URL" => Some("mysql://u:secret@h/d".to_owned()),
            _ => None,
        };
        let place = Place::of(Some("node-3\n"), variable);
        assert_eq!(place.host.as_deref(), Some("node-3"));
        assert_eq!(place.job.keys().collect::<Vec<_>>(), ["SLURM_ARRAY_JOB_ID", "SLURM_JOB_ID"]);
        assert!(place.job["SLURM_ARRAY_JOB_ID"].len() == LONGEST && !place.to_string().contains("secret"));
        assert!(place.to_string().starts_with(" on node-3 (SLURM_ARRAY_JOB_ID=999"), "{place}");
        assert_eq!(Place::of(None, |_| None).to_string(), "");
        assert!(Place::here(|_| None).host.is_some() || cfg!(not(target_os = "linux")));
    }
}
