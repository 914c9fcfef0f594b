//! Bulk work around the consumption pipeline of cattle feedlots: producer → SNS → Lambda → S3 lake and MySQL warehouse.
//!
//! The toolkit generates histories, publishes them, backfills files, replays the lake into the warehouse, reconciles the two
//! stores and repairs them, and bundles the Lambda. The README states what the program guarantees; this page shows which module
//! is responsible. To start reading: [`cli`], then one command (`cli/replay.rs`) and the module that it runs ([`replay`]).
//!
//! # Crates
//!
//! - `pipeline` (`pipeline/`): record, lake, warehouse and intake, which the Lambda and the toolkit share.
//! - `ruminate` (`src/`): the toolkit, this crate.
//! - `ruminate_lambda` (`lambda/`): the streaming Lambda, a thin shell around the intake.
//! - `testkit` (`tests/testkit/`): in-process S3 and SNS, sample data, faults and the conformance suites, for tests only.
//!
//! # Module order
//!
//! A module may import modules in lower rows and the crate `pipeline`, never its own row or a higher one. `tests/architecture`
//! reads this diagram and checks every import against it.
//!
//! ```text
//! main                               the program
//! cli                                the commands: flags, settings, choice of back ends
//! demo                               the complete pipeline without a server
//! render                             outcomes as text, JSON and HTML
//! endpoint · evidence · fleet        jobs that build on another job
//! backfill · bundle · compact · doctor · init · process · publish · reconcile · replay · restore
//!                                    the jobs: each owns its plan, its run and its outcome
//! generate                           histories as files
//! history                            input files
//! herd                               what a history contains
//! reader · topic · truth · undo      the lake's read path, publishing, and files that jobs share
//! inventory · parts                  listings from S3 Inventory, Parquet snapshots of the lake
//! compression · ddl · exchange · job_range · parquet · progress · request_cost · sort
//!                                    compression, SQL of query engines, jobs in shards, live display, costs, sorting
//! outcome                            counters, problems and exit codes of every outcome
//! terminal                           width of the terminal, wrapped text
//! cancellation · charset · line_limit · multiset_hash · open_files · units
//!                                    symbols, hash totals, cancellation, long lines, open files, durations and sizes
//! ```
//!
//! # Modules
//!
//! The commands:
//!
//! - [`cli`]: one file per subcommand, shared flags, the config file; no algorithms.
//! - [`demo`]: generate, publish, lose the warehouse, replay, damage, reconcile and repair in a temporary directory.
//! - [`render`]: text, JSON and HTML as functions of an outcome; it counts, decides and stores nothing.
//!
//! The jobs:
//!
//! - [`generate`]: synthetic histories as files or as a stream, in NDJSON, CSV or Parquet.
//! - [`publish`]: bulk publishing to a topic: schedule, batches, retry, dead letters, latency.
//! - [`backfill`]: history files through the intake, in batches.
//! - [`process`]: one SNS or SQS event through the intake, as the Lambda does it.
//! - [`endpoint`]: the HTTP endpoint that SNS delivers to: signature, topic, responses.
//! - [`replay`]: lake → warehouse: plan, read, order, load, verify, resume.
//! - [`reconcile`]: lake against warehouse: ordered merge, verdicts, repair.
//! - [`compact`]: objects → Parquet parts next to the lake, incrementally.
//! - [`restore`]: restores objects from parts, byte for byte.
//! - [`doctor`]: checks of everything a run needs, one line per check.
//! - [`bundle`]: the Lambda as a directory to deploy: build, check, zip, template, checksums.
//! - [`evidence`]: an audit as files that others can check.
//! - [`fleet`]: a job planned once, run in shards anywhere, and merged.
//!
//! What the jobs share:
//!
//! - [`herd`]: synthetic farms: seeded, pure, and any part without the ones before it.
//! - [`history`]: input files of readings, NDJSON, JSON, CSV or Parquet: dialect, inspection, message by message.
//! - [`reader`]: the one read path of the lake: list, fetch, parse, yield records and rejects.
//! - [`parts`]: Parquet snapshots of a farm's month: format, verification, and which rows are trusted.
//! - [`inventory`]: a lake whose partitions are listed from an S3 Inventory.
//! - [`topic`]: the trait of topics; SNS, and `local` (the intake in this process).
//! - [`truth`]: the truth file: each reading's fault and expected result.
//! - [`undo`]: the undo file: rows and objects before and after each change.
//! - [`compression`]: gzip and zstd.
//! - [`ddl`]: SQL that creates tables over the lake and its parts in a query engine.
//! - `parquet`: records as Parquet, from the column table; rows of any other flat file.
//! - [`exchange`]: named streams of entries that a shard of a job defers to the step that combines all shards.
//! - [`job_range`]: the objects and rows that a shard of a job covers.
//! - [`request_cost`]: requests of a run to S3, and what they cost.
//! - [`progress`]: bars on a terminal, lines elsewhere, silence in tests.
//! - `sort`: sorting more than fits in memory.
//! - [`terminal`]: the terminal's width, and text that is wrapped or cut to it.
//! - [`charset`]: ASCII in place of symbols if the locale is not UTF-8.
//! - [`outcome`]: counters, problems and exit codes of every outcome.
//! - `line_limit`: limits on the length of lines.
//! - [`multiset_hash`]: an order-independent hash of many items.
//! - [`cancellation`]: cancellation, checked between pieces of work.
//! - [`open_files`]: the limit on open files.
//! - [`units`]: durations and sizes as people write them.
//!
//! # Glossary
//!
//! | term | definition |
//! | --- | --- |
//! | reading | one message as a farm publishes it: ten fields for one lot on one day |
//! | record | a reading enriched with `id_treated_data`, `consumo_meta` and `row_ts` |
//! | history file | readings as a farm delivers them, NDJSON, JSON, CSV or Parquet |
//! | lot, pen, head | a group of cattle, the enclosure it is kept in, the number of animals |
//! | farm, slug | `cod_cliente` (`FazendaUm`) and its folder in the lake (`fazenda_um`) |
//! | lake | S3 prefix or directory with one JSON object per record |
//! | partition | the objects of one farm and day: `<farm>/<YYYY>/<MM>/<DD>/` |
//! | span | farms and days that a run is limited to, both ends inclusive |
//! | warehouse | the table `historico_consumo` in MySQL, MariaDB or SQLite, one row per record |
//! | topic | the SNS topic, or `local`: the intake in this process |
//! | intake | processing of one message: parse → rules → lake → warehouse |
//! | part | Parquet snapshot of a farm's month, next to the lake; its rows are used only for objects with the same `(key, etag, size)` |
//! | quarantine | folder next to the lake for messages that can never be processed, each with its reason |
//! | natural key | farm, pen, lot and `data`: what identifies a reading apart from its id |
//! | drift, finding | any disagreement between lake and warehouse; one instance of it |
//! | conflict | an existing row whose values differ from the record with the same id |
//! | cutoff | the lake's clock when a run starts; later objects are not part of the run |
//! | run, shard | a job that is planned once; one of its pieces, which any machine can run (`plan`, `shard`, `merge`) |
//! | outcome | the result of a command: counts that must add up, problems, an exit code |
//! | evidence | directory with an audit's outcome, findings, totals, report and checksums |
//! | hash total | order-independent sum of the XXH3-128 hashes of all records of a side |
//! | journal | progress of a run, for `--resume`: committed with its rows (replay) or saved every second (publish) |
//! | undo file | rows and objects before and after each change, written before the change; read by `undo` |
//! | shadow table | the table that `--into-new-table` loads and verifies before it is swapped in |
//! | truth file | file of `generate --truth`: each reading's fault and expected result |
//!
//! # Invariants
//!
//! - The lake is written first, then the warehouse. Only a repair with an explicit flag changes or deletes lake objects.
//! - An id is computed from content ([`pipeline::record::reading_id`], `docs/ids.md`), so every command can be repeated.
//! - Every input is accounted for: an outcome whose counts do not add up is an error of the program.
//! - Time and randomness are values, an instant and a seed; streams are read in bounded memory.
//! - Results are printed by [`render`], and everything else by [`progress`], the log and prompts of [`cli`]; only [`cli`] and [`demo`] choose concrete back ends.

pub mod backfill;
pub mod bundle;
pub mod cancellation;
pub mod charset;
pub mod cli;
pub mod compact;
pub mod compression;
pub mod ddl;
pub mod demo;
pub mod doctor;
pub mod endpoint;
pub mod evidence;
pub mod exchange;
pub mod fleet;
pub mod generate;
pub mod herd;
pub mod history;
pub mod init;
pub mod inventory;
pub mod job_range;
mod line_limit;
pub mod multiset_hash;
pub mod open_files;
pub mod outcome;
mod parquet;
pub mod parts;
pub mod process;
pub mod progress;
pub mod publish;
pub mod reader;
pub mod reconcile;
pub mod render;
pub mod replay;
pub mod request_cost;
pub mod restore;
mod sort;
pub mod terminal;
pub mod topic;
pub mod truth;
pub mod undo;
pub mod units;
