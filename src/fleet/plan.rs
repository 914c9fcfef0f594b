//! Plan of a run: `plan.json`, which every shard and the merge read first.
//!
//! The file has the plan and its id, the SHA-256 of its canonical JSON: sorted names, no white space, as written by
//! `jq -cSj .plan plan.json`. An edited plan is therefore detected, and every other file of the run contains the id.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::job::JobSettings;
use super::shards::{self, Shard};
use super::store::RunStore;
use crate::outcome::read_back;
use crate::request_cost::ClassCounts;
use pipeline::hex::hex;

/// Name of the plan.
pub(super) const PLAN: &str = "plan.json";
/// Name of the list of shards.
pub(super) const SHARDS: &str = "shards.jsonl";
/// Version of the format of all files of a run.
pub(super) const FORMAT: u32 = 1;
/// Returns the folder of a shard's files.
pub(super) fn shard_folder(shard: u32) -> String {
    format!("shards/{shard:06}/")
}

/// Version of this program.
const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// Plan of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunPlan {
    /// Version of the format.
    pub format: u32,
    /// Version of the program. All steps of a run are done by one version.
    pub program: String,
    /// Job, with the settings that determine its result.
    #[serde(flatten)]
    pub job: JobSettings,
    /// The stores, without secrets.
    pub stores: Stores,
    /// Cutoff of all shards: later objects are not part of the run.
    pub cutoff: DateTime<Utc>,
    /// Listed objects.
    pub listing: Listing,
    /// Number of shards.
    pub shards: u32,
    /// SHA-256 of the list of shards.
    pub shards_sha256: String,
}

/// Identities of the stores, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stores {
    /// Address of the lake.
    pub lake: String,
    /// Identity of the lake, regardless of how its address is written.
    pub lake_identity: String,
    /// The warehouse; a compaction has none.
    #[serde(flatten)]
    pub warehouse: Option<PlannedWarehouse>,
}

impl Stores {
    /// Returns the warehouse, which every job but a compaction has.
    ///
    /// # Errors
    /// Returns an error if the plan has none.
    pub fn warehouse(&self) -> anyhow::Result<&PlannedWarehouse> {
        self.warehouse.as_ref().context("the plan names no warehouse: plan again")
    }
}

/// Identity of a warehouse, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedWarehouse {
    /// Address of the warehouse without its password.
    pub warehouse: String,
    /// Server, database and table, without the account.
    pub warehouse_identity: String,
    /// Table of the warehouse.
    pub table: String,
    /// Type of each column.
    pub columns: BTreeMap<String, String>,
}

/// Objects that a plan listed, and the cost of reading them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    /// Source of the listing: `list` for list requests.
    pub source: String,
    /// Number of objects.
    pub objects: u64,
    /// Total size, in bytes.
    pub bytes: u64,
    /// Number of objects that are assigned by the day of their path: legacy, unrecognized and misfiled names.
    pub by_day: u64,
    /// Number of objects outside of the paths of days.
    pub strays: u64,
    /// First day of the partitions.
    pub first_day: Option<NaiveDate>,
    /// Last day of the partitions.
    pub last_day: Option<NaiveDate>,
    /// Objects by storage class.
    pub classes: BTreeMap<String, ClassCounts>,
    /// Number of list requests of the plan.
    pub list_requests: u64,
    /// Number of read requests of all shards, without retries.
    pub get_requests: u64,
    /// Cost of these requests in US dollars (S3 prices, us-east-1), as text with four decimals; other stores may charge nothing.
    pub request_cost_usd: String,
}

/// The file.
#[derive(Serialize, Deserialize)]
struct PlanFile {
    plan_id: String,
    plan: Value,
}

/// A planned run: its files, plan and shards.
#[derive(Debug, Clone)]
pub struct Run {
    /// Files of the run.
    pub store: RunStore,
    /// Id of the plan.
    pub plan_id: String,
    /// Plan of the run.
    pub plan: RunPlan,
    /// Its shards.
    pub shards: Vec<Shard>,
}

impl Run {
    /// Writes a plan: the list of shards first, then the plan.
    ///
    /// # Errors
    /// Returns an error if there is a plan already, or if a file cannot be written.
    pub(super) async fn create(store: RunStore, plan: RunPlan, shards: Vec<Shard>) -> anyhow::Result<Self> {
        let lines = shards::to_lines(&shards)?;
        let plan = RunPlan { shards_sha256: sha256(lines.as_bytes()), ..plan };
        let value = serde_json::to_value(&plan)?;
        let plan_id = id_of(&value)?;
        if store.read(PLAN).await?.is_some() {
            bail!("the run {} has a plan already: give another --out", store.address());
        }
        if !store.create(SHARDS, lines.clone().into()).await?
            && store.read(SHARDS).await?.is_none_or(|before| before != lines.as_bytes())
        {
            bail!(
                "the run {} has a file {SHARDS} and no {PLAN}: an earlier plan was interrupted; give another --out, or \
                 remove the file",
                store.address()
            );
        }
        let mut file = serde_json::to_vec_pretty(&PlanFile { plan_id: plan_id.clone(), plan: value })?;
        file.push(b'\n');
        if !store.create(PLAN, file.into()).await? {
            bail!("another process wrote a plan for the run {} in the meantime: give another --out", store.address());
        }
        Ok(Self { store, plan_id, plan, shards })
    }

    /// Reads a plan and its shards.
    ///
    /// # Errors
    /// Returns an error if there is no plan, if it was edited, or if it belongs to another version of the program.
    pub async fn open(store: RunStore) -> anyhow::Result<Self> {
        let address = store.address();
        Self::find(store).await?.with_context(|| {
            format!("{address} has no {PLAN}: check the address of the run, or write a plan with `ruminate plan`")
        })
    }

    /// Reads a plan and its shards. `None` if there is no plan.
    ///
    /// # Errors
    /// Returns an error if the plan was edited, or if it belongs to another version of the program.
    pub async fn find(store: RunStore) -> anyhow::Result<Option<Self>> {
        let address = store.address();
        let Some(file) = store.read(PLAN).await? else { return Ok(None) };
        let context = || format!("{PLAN} of the run {address} is not the plan of a run");
        let PlanFile { plan_id, plan: value } = serde_json::from_slice(&file).with_context(context)?;
        check_version(&value, &address)?;
        let plan: RunPlan = read_back(&serde_json::to_vec(&value)?).with_context(context)?;
        let edited = |name: &str| format!("{name} of the run {address} was changed after it was written: plan again");
        ensure!(id_of(&value)? == plan_id, edited(PLAN));
        let Some(lines) = store.read(SHARDS).await? else {
            bail!("the run {address} has no {SHARDS}: plan again");
        };
        ensure!(sha256(&lines) == plan.shards_sha256, edited(SHARDS));
        let text = std::str::from_utf8(&lines).with_context(|| edited(SHARDS))?;
        let shards = shards::parse(text).with_context(|| format!("{SHARDS} of the run {address}"))?;
        ensure!(shards.len() == plan.shards as usize, edited(SHARDS));
        Ok(Some(Self { store, plan_id, plan, shards }))
    }

    /// Returns the command that runs a shard.
    pub fn shard_command(&self, shard: u32) -> String {
        let words = ["ruminate", "shard", &self.store.address(), "--shard", &shard.to_string()];
        shlex::try_join(words).unwrap_or_else(|_| words.join(" "))
    }

    /// Returns what to do to repeat a shard with damaged files, as the end of a message.
    pub(super) fn repeat_shard(&self, shard: u32) -> String {
        format!("remove the folder {} of the run, then run `{}`", shard_folder(shard), self.shard_command(shard))
    }
}

/// Checks the versions before anything else is read, because other versions have other fields.
fn check_version(plan: &Value, address: &str) -> anyhow::Result<()> {
    let format = plan.get("format").and_then(Value::as_u64);
    let program = plan.get("program").and_then(Value::as_str).unwrap_or("(unknown version)");
    ensure!(
        format == Some(u64::from(FORMAT)) && program == PROGRAM,
        "the run {address} was planned by ruminate {program}, and this is {PROGRAM}: use one version for all steps, or plan \
         again"
    );
    Ok(())
}

/// Returns the id of a plan.
fn id_of(plan: &Value) -> anyhow::Result<String> {
    // The map of `Value` is sorted by name.
    Ok(sha256(&serde_json::to_vec(plan)?))
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

impl RunPlan {
    /// Returns the plan of a job, without its shards.
    pub(super) fn new(
        job: JobSettings,
        stores: Stores,
        cutoff: DateTime<Utc>,
        listing: Listing,
        shards: usize,
    ) -> Self {
        let shards = u32::try_from(shards).unwrap_or(u32::MAX);
        Self {
            format: FORMAT,
            program: PROGRAM.to_owned(),
            job,
            stores,
            cutoff,
            listing,
            shards,
            shards_sha256: String::new(),
        }
    }
}
