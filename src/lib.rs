//! Everything around a feedlot's consumption pipeline (producer → SNS → Lambda → S3 lake + MySQL warehouse), in bulk:
//! make histories, publish them, backfill, replay, reconcile.
//!
//! This page is the map of the house. The way in: the README says what the program promises, this page which room keeps
//! the promise, [`cli`] how a command line becomes a run; then read one command (`cli/replay.rs` is a good first)
//! and the room it wires ([`replay`]).
//!
//! # Words
//!
//! A *reading* is one message as a farm publishes it, a *record* the treated reading. A *lake* holds a record as one JSON
//! object under `<farm>/<YYYY>/<MM>/<DD>/`, a *warehouse* holds it as one row. The *intake* is what happens to a message;
//! the *quarantine* is where it ends if it can never be processed. *Drift* is any disagreement of the two stores.
//!
//! # Rooms
//!
//! Each opens with what it owns and what it leaves to others. A room uses those below it:
//!
//! ```text
//! cli · demo                                     the commands: wire rooms, choose back ends
//!   │
//! generate · publish · backfill · process ·      the jobs: each ends in an outcome of `report`,
//! listen · replay · reconcile · doctor · bundle  shows itself through `progress`, heeds `stop`
//!   │
//! herd · history · topic                         where messages come from, and where they are published
//!   │
//! intake                                         one message: parse → rules → lake → warehouse
//!   │
//! lake · warehouse                               the two stores: a small trait, its back ends, one conformance suite
//!   │
//! record · retry · aws                           the domain, pure; trying again; the AWS clients' set-up
//!   │
//! error                                          the kind of a failure: transient, permanent, usage
//! ```
//!
//! The commands:
//!
//! - [`cli`]: one file a subcommand, shared flags, settings; no algorithms.
//! - [`demo`]: the whole loop with no server, told as a story.
//!
//! The jobs:
//!
//! - [`generate`]: synthetic histories as files or as a stream; names, no half files, no overwriting.
//! - [`publish`]: bulk publishing to a topic: pacing, batches, retry, dead letters, latency.
//! - [`backfill`]: history files through the intake, in batches.
//! - [`process`]: one SNS or SQS event through the intake, as the Lambda does it.
//! - [`listen`]: the endpoint that SNS can be subscribed to: signature, topic, and the answers SNS understands.
//! - [`replay`]: lake → warehouse: plan, read, order, load, verify, resume.
//! - [`reconcile`]: lake against warehouse: ordered merge, verdicts, repair.
//! - [`doctor`]: is everything ready? One line a check.
//! - [`bundle`]: the Lambda as a folder to deploy: build, check what Lambda can run, zip, template, sums.
//!
//! What the jobs share:
//!
//! - [`report`]: one outcome a command, as text, as JSON, and for audits as HTML; counts that must add up; exit codes.
//! - [`progress`]: bars on a terminal, lines elsewhere, silence in tests.
//! - [`stop`]: the wish to stop, looked at between pieces of work.
//! - [`history`]: files of readings, NDJSON or CSV, line by line.
//! - [`truth`]: the truth file: what was done to every reading, and what must be in the stores in the end.
//! - [`herd`]: what a herd looks like and what goes wrong on the way: seeded, pure, any part by itself.
//! - [`topic`]: SNS; `local`, which is the intake in this process; memory.
//! - [`evidence`]: an audit as files that somebody else can check.
//! - [`seen`]: many things told by one number, whatever their order.
//! - [`undo`]: what was overwritten, so that it can be put back.
//! - `half`: a file on its way to its name.
//! - [`pack`]: gzip and zstd.
//! - `parquet`: records as Parquet, from the column table.
//! - `sort`: sorting more than fits in memory.
//!
//! What the Lambda stands on too:
//!
//! - [`intake`]: what happens to a message, and the quarantine. Knows traits only.
//! - [`lake`]: the grammar of names, partitions, and the one read path; S3, directory, memory.
//! - [`warehouse`]: the table, and the one way by which records become rows; MySQL, SQLite, memory; RDS's logins.
//! - [`record`]: readings, records, their ids and rules, and comparison at a column's precision. No IO, no clock.
//! - [`retry`]: trying again, by kind of error, in one place.
//! - [`aws`]: credentials, one HTTP stack, time-outs.
//! - `hex`: bytes as text.
//! - [`error`]: the one question that retry, the Lambda and the exit code ask.
//!
//! # What holds everywhere
//!
//! - The lake first, then the warehouse; objects of the lake are never overwritten, moved or deleted.
//! - The id is made from content ([`record::reading_id`], `docs/ids.md`), so everything is safe to repeat.
//! - Every input is accounted for: an outcome whose counts do not add up is an error of the program.
//! - Time and randomness are values, an instant and a seed; streams are read in bounded memory.
//! - Only [`report`] and [`progress`] print; only [`cli`] and [`demo`] name concrete back ends.
//!
//! # Features
//!
//! The Lambda itself is the workspace's package `ruminate-lambda` (`lambda/`); its crate page says what becomes of bad input.
//!
//! `cli` (default) is everything a person at a terminal needs. With `--no-default-features` the library is what the Lambda
//! takes: the last group above and the trait of [`topic`], without SQLite, SNS, clap, HTML and the like.

pub mod backfill;
pub mod bundle;
pub mod cli;
pub mod demo;
pub mod doctor;
pub mod evidence;
pub mod generate;
pub mod herd;
pub mod history;
pub mod listen;
pub mod outcome;
pub mod pack;
mod parquet;
pub mod process;
pub mod progress;
pub mod publish;
pub mod reader;
pub mod reconcile;
pub mod render;
pub mod replay;
pub mod seen;
mod sort;
pub mod stop;
pub mod topic;
pub mod truth;
pub mod undo;
