//! An S3 service in the test process: the real protocol and SigV4 (crate `s3s`) over a `BTreeMap`.
//!
//! Tests and benchmarks can rely on S3's behaviour (1,000 keys per page, conditional writes, archived objects, 503 SlowDown,
//! lost responses) without network, container or waiting:
//!
//! ```
//! use testkit::s3::{Fault, Op, S3Server};
//!
//! let s3 = S3Server::with_bucket("lake");
//! s3.store().put("lake", "a/1.json", "{}");
//! s3.faults().change(|d| d.slow_down = Fault::rate(0.1).on(&[Op::Get]));
//! // … drive the client at s3.endpoint(), with ACCESS_KEY, SECRET_KEY and REGION …
//! assert_eq!(s3.faults().counts().requests(Op::Get), 0);
//! ```
//!
//! Modules: [`S3Server`] listens; `middleware` counts requests and injects faults; `fast_get` answers plain reads, `s3s` all
//! other requests; `service` implements the operations, with `wire_types` for the types of the protocol; `listing` orders keys
//! into pages, `versions` stores the versions of a key; [`Store`] contains the objects, which tests can read and write
//! directly; [`FaultControl`] changes the fault settings while the server runs.
//!
//! Not supported: multipart uploads, ACLs, ListObjects version 1, virtual-hosted addresses, TLS.

mod fast_get;
mod fault_control;
mod fault_settings;
mod listing;
mod listing_fault;
mod middleware;
mod object;
mod policy;
mod server;
mod service;
mod stats;
mod store;
mod versions;
mod wire_types;

pub use fault_control::FaultControl;
pub use fault_settings::{Fault, Settings};
pub use listing::{Page, Query, url_encode};
pub use listing_fault::ListingFault;
pub use object::{Described, Object, Restore, StorageClass};
pub use policy::{Policy, SessionEnd};
pub use server::{Config, S3Server};
pub use stats::{Counts, Injected, Op};
pub use store::Store;
pub use versions::{Version, Versioning};

/// The only access key that the server accepts.
pub const ACCESS_KEY: &str = "AKIARUMINATETEST0000";
/// The secret of [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "ruminate/test/secret+key/not/a/real/one0";
/// The only region of the server.
pub const REGION: &str = "us-east-1";
