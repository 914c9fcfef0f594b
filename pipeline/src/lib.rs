//! Code shared by the streaming Lambda and the toolkit `ruminate`: records, lake, warehouse and intake.
//!
//! The toolkit owns terminal output, history files and bulk jobs. Back ends are in `lake` and `warehouse`; the Lambda
//! and the toolkit's command line select one. The crate `ruminate` has a glossary of the terms.
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
//! atomic_file · error · hex · outage · place · printable
//!                                  files, kinds of errors, hexadecimal text, outages, addresses, visible control characters
//! ```
//!
//! # Modules
//!
//! - [`intake`]: processing of messages and the quarantine; depends on the traits only.
//! - [`lake`]: keys, partitions and the lake trait; S3, directory, in-memory.
//! - [`warehouse`]: the table, the loader and the warehouse trait; MySQL, SQLite, in-memory; RDS authentication.
//! - [`aws`]: one HTTP stack, credentials and signatures.
//! - [`record`]: readings, records, ids, rules, and comparison at a column's precision. No IO, no clock.
//! - [`retry`]: retry policies.
//! - [`atomic_file`]: files that appear under their name only when they are complete.
//! - [`error`]: transient, permanent or usage: what decides about retries and exit codes.
//! - [`hex`]: bytes as hexadecimal text.
//! - [`outage`]: failures in a row, which show that a service is away.
//! - [`place`]: addresses of lakes, warehouses, topics and files, as they are written.
//! - [`printable`]: control characters of data made visible, for terminals, logs and pages.
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
pub mod outage;
pub mod place;
pub mod printable;
pub mod record;
pub mod retry;
pub mod warehouse;
