//! What the streaming Lambda and the toolkit `ruminate` share: the record, the lake, the warehouse and the intake.
//!
//! Terminals, files of readings and bulk jobs belong to the toolkit. Back ends are in `lake` and `warehouse`; the Lambda and the
//! toolkit's command line choose one. The terms are in the glossary of the crate `ruminate`.
//!
//! # Module order
//!
//! A module may import modules in lower rows, never its own row or a higher one. `tests/architecture` of the toolkit reads this
//! diagram and checks every import against it.
//!
//! ```text
//! intake                           one message or a batch: parse → rules → lake → warehouse
//! lake · warehouse                 the two stores: a small trait each, with its back ends
//! aws                              credentials, HTTP and timeouts of the AWS clients
//! record · retry                   the domain, pure; retries by kind of error
//! atomic_file · error · hex · place
//!                                  files, kinds of errors, hexadecimal text, addresses
//! ```
//!
//! # Modules
//!
//! - [`intake`]: processes messages and fills the quarantine; knows the traits only.
//! - [`lake`]: keys, partitions and the trait of lakes; S3, directory, memory.
//! - [`warehouse`]: the table, the loader and the trait of warehouses; MySQL, SQLite, memory; RDS authentication.
//! - [`aws`]: one HTTP stack, credentials and signatures.
//! - [`record`]: readings, records, ids, rules, and comparison at a column's precision. No IO, no clock.
//! - [`retry`]: retry policies.
//! - [`atomic_file`]: files that appear under their name only when they are complete.
//! - [`error`]: transient, permanent or usage: what decides about retries and exit codes.
//! - [`hex`]: bytes as hexadecimal text.
//! - [`place`]: addresses of lakes, warehouses, topics and files, as they are written.
//!
//! # Features
//!
//! A feature adds a back end that the Lambda must not contain: `bulk` loads and scans many rows at once, `sqlite` is the embedded
//! warehouse, `direct` reads S3 objects and sends SNS batches with a leaner client than the SDK. `testing` adds the in-memory
//! stores; only tests enable it.

pub mod atomic_file;
pub mod aws;
pub mod error;
pub mod hex;
pub mod intake;
pub mod lake;
pub mod place;
pub mod record;
pub mod retry;
pub mod warehouse;
