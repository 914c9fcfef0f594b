//! Jobs on a fleet: planned once, run in shards anywhere, and merged. It contains no scheduler; any scheduler can start
//! a shard.
//!
//! A run is a directory or a prefix in a bucket:
//!
//! | file | content | written by |
//! | --- | --- | --- |
//! | `plan.json` | job, settings, stores, cutoff, totals, cost | `plan`, last |
//! | `shards.jsonl` | one line per shard: its range of ids and days, objects, bytes | `plan` |
//! | `shards/<K>/<stream>-<sha256>.zst` | entries that a shard defers to the merge | `shard` |
//! | `shards/<K>/outcome.json` | counts of a shard, and its files | `shard`, last, if it does not exist |
//! | `shards/<K>/attempt-<id>.json` | an attempt that started: when and where | `shard` |
//! | `shards/<K>/failure-<id>.json` | an attempt that failed: when, where and why | `shard` |
//!
//! This module owns these files, the division into shards, and the protocol of attempts. An audit and a replay know only that
//! their range ([`crate::job_range`]) and where they write deferred entries ([`crate::exchange`]); a compaction knows its months.
//!
//! # Files
//!
//! | file | content |
//! | --- | --- |
//! | `attempt` | Attempts at a shard: the first complete attempt writes the outcome last, and a second one is compared with it |
//! | `attempt_failure` | Record of an attempt that failed: what failed, when and where |
//! | `attempt_start` | Start of an attempt: when and where |
//! | `compact` | Compactions in shards |
//! | `create` | Creation of a run, the same for every job |
//! | `reconcile` | Audits in shards |
//! | `clock` | Check of the clocks of a machine and of the lake |
//! | `exchange` | Exchange files of a run: the entries that shards defer to the merge, named by their content |
//! | `index` | Number of the shard to run: from the flag, or from the variable of the scheduler that started the program |
//! | `job` | Jobs that can run in shards, with the settings that determine their result |
//! | `layout` | Division of a listing into shards |
//! | `machine` | Stores of a run as one machine opens them, with the settings of that machine |
//! | `missing_shards` | Shards of a run that have no outcome, with what is known about their attempts |
//! | `outcome` | Outcomes of `plan` and `shard` |
//! | `place` | Where an attempt runs: the host, and the ids of the scheduler's job |
//! | `plan` | Plan of a run, which every shard and the merge read first |
//! | `replay` | Replays in shards |
//! | `shards` | List of the shards of a run |
//! | `step` | A shard of any job, from its number to its outcome |
//! | `store` | Files of a run: in a directory, or in a bucket |
//! | `survey` | Listing of a lake for a plan: how many objects there are, and how their ids and days are distributed |

mod attempt;
mod attempt_failure;
mod attempt_start;
mod clock;
mod compact;
mod create;
mod exchange;
mod index;
mod job;
mod layout;
mod machine;
mod missing_shards;
mod outcome;
mod place;
mod plan;
mod reconcile;
mod replay;
mod shards;
mod step;
mod store;
mod survey;

pub use attempt::{Attempt, ShardOutcome, ShardResult, read as read_outcome};
pub use attempt_failure::Failure;
pub use attempt_start::AttemptStart;
pub use compact::{merge_compaction, plan_compaction};
pub use exchange::{ExchangeFile, exchange_entries};
pub use index::{Source, shard_index};
pub use job::{AuditJob, CompactJob, JobSettings, ReplayJob};
pub use layout::ShardSize;
pub use machine::{ShardStores, ShardWarehouse};
pub use missing_shards::{MissingShard, MissingShards, require_shards};
pub use outcome::{PlanOutcome, ShardReport, ShardState};
pub use place::Place;
pub use plan::{Listing, PlannedWarehouse, Run, RunPlan, Stores};
pub use reconcile::{merge_audit, plan_audit};
pub use replay::{merge_replay, plan_replay};
pub use shards::{Scope, Shard, ShardMonths};
pub use step::{is_temporary, run_shard};
pub use store::RunStore;
