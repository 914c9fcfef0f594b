//! An S3 service in the test's own process: the real wire protocol and SigV4 (crate `s3s`) over a `BTreeMap`.
//!
//! It exists so that tests and benchmarks can lean on S3's own behaviour (1,000 keys a page, conditional writes,
//! archived objects, 503 SlowDown, lost answers) with no network, no container and no waiting:
//!
//! ```
//! use testkit::s3::{Fault, Op, S3Server};
//!
//! let s3 = S3Server::with_bucket("lake");
//! s3.store().put("lake", "a/1.json", "{}");
//! s3.dials().change(|d| d.slow_down = Fault::rate(0.1).on(&[Op::Get]));
//! // … drive the client at s3.endpoint(), with ACCESS_KEY, SECRET_KEY and REGION …
//! assert_eq!(s3.dials().counts().requests(Op::Get), 0);
//! ```
//!
//! Where things are: [`S3Server`] listens; `middleware` counts requests and injects faults before anything answers; `fast_get`
//! answers plain reads, `s3s` all else; `service` is what each S3 operation does, with `wire_types` for S3's own words;
//! `listing` is the order of keys and the pages, `versions` what a bucket keeps of each key; [`Store`] holds the objects
//! and can be read and written with no HTTP; [`Dials`] is what a test may change while the server runs.
//!
//! Left out on purpose: multipart uploads, ACLs, ListObjects version 1, virtual-hosted addresses, TLS.

mod fast_get;
mod fault_control;
mod fault_settings;
mod listing;
mod middleware;
mod object;
mod policy;
mod server;
mod service;
mod stats;
mod store;
mod versions;
mod wire_types;

pub use fault_control::Dials;
pub use fault_settings::{Fault, Settings};
pub use listing::{Page, Query, url_encode};
pub use object::{Described, Object, Restore, StorageClass};
pub use policy::{Policy, SessionEnd};
pub use server::{Config, S3Server};
pub use stats::{Counts, Injected, Op};
pub use store::Store;
pub use versions::{Version, Versioning};

/// The only access key the server knows.
pub const ACCESS_KEY: &str = "AKIARUMINATETEST0000";
/// The secret of [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "ruminate/test/secret+key/not/a/real/one0";
/// The only region the server answers for.
pub const REGION: &str = "us-east-1";
