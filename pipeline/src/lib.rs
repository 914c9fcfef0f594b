//! What the streaming Lambda and the toolkit `ruminate` share: the record, the lake, the warehouse and the intake.
//!
//! Nothing here knows of a terminal, of files of readings, or of bulk jobs; those are the toolkit's. Modules import downwards
//! only:
//!
//! ```text
//! intake                   one message: parse → rules → lake → warehouse; knows the traits only
//! lake · warehouse         the two stores: a small trait, its back ends, their in-memory implementations
//! aws                      credentials, HTTP and time-outs of the AWS clients
//! record · retry           the domain, pure; trying again by kind of error
//! atomic_file · hex · place · error
//! ```
//!
//! # Features
//!
//! A feature adds a back end that the Lambda must not carry: `bulk` the loading and scanning of many rows at once, `sqlite`
//! the embedded warehouse, `direct` S3 objects and SNS batches over a leaner client than the SDK's.
//! `testing` adds the in-memory stores and the conformance suites; only tests enable it.

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
