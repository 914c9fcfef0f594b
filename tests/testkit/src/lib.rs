//! Shared code of the tests, benchmarks and examples of the workspace.
//!
//! - [`s3`] and [`sns`]: servers in the test process, with faults on demand; as programs they are `ruminate-test-s3` and
//!   `ruminate-test-sns`.
//! - [`scene`]: the real binary in a separate directory and environment per test, and the outcome of a run.
//! - [`servers`] and [`private_mariadb`]: databases on real servers, whose addresses are in environment variables.
//! - [`samples`]: the real readings and the legacy lake of the repository.
//! - [`planted_drift`]: drift planted in a lake and its table, with the findings that an audit must report.
//! - [`table`]: statements about the warehouse's table, derived from its columns.
//! - [`evidence`]: comparison of the evidence of two audits.
//! - [`conformance`]: the suites that every back end of a lake and of a warehouse passes.
//! - [`faulty_lake`]: a lake that fails when an object's content requests it.
//! - [`lambda`]: events, the Runtime API and a sandbox for the Lambda.
//! - [`proxy`], [`tls`] and [`mysql_relay`]: intermediaries between a client and a server: a forward proxy, TLS with a test
//!   authority, and a relay in front of a real MySQL.
//! - [`elf`]: small ELF files that `bundle` accepts or rejects.
//!
//! It depends on `pipeline` only; the toolkit is reached through its binary. A test that needs both uses both.

mod listener;

pub mod proxy;
pub mod s3;
pub mod sns;
pub mod tcp;

#[allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test suite: panicking is how it reports")]
pub mod conformance;
#[allow(clippy::unwrap_used, missing_docs, reason = "support of tests")]
pub mod elf;
#[allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "support of tests")]
pub mod evidence;
#[allow(clippy::unwrap_used, missing_docs, reason = "support of tests")]
pub mod faulty_lake;
#[allow(clippy::unwrap_used, missing_docs, reason = "support of tests")]
pub mod lambda;
#[allow(clippy::unwrap_used, missing_docs, reason = "support of tests")]
pub mod mysql_relay;
#[allow(clippy::unwrap_used, missing_docs, reason = "support of tests")]
pub mod planted_drift;
#[allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "support of tests")]
pub mod private_mariadb;
#[allow(clippy::unwrap_used, missing_docs, reason = "support of tests")]
pub mod samples;
#[allow(clippy::unwrap_used, missing_docs, reason = "support of tests")]
pub mod scene;
#[allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "support of tests")]
pub mod servers;
pub mod table;
#[allow(clippy::unwrap_used, missing_docs, clippy::missing_panics_doc, reason = "support of tests")]
pub mod tls;

pub use evidence::assert_same_evidence;
pub use private_mariadb::PrivateMariaDb;
pub use samples::{extract_legacy_lake, real_files, real_readings, with_real};
pub use scene::{BUCKET, PREFIX, Ran, Scene, built, moment, ruminate, wait_for, without_marks};
pub use servers::{Database, MARIADB, MOTO, MYSQL, Server, server};
pub use table::{copy_rows, create_table};
