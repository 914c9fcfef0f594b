//! A stub of the SNS query API in the test process: the real protocol, SigV4 and limits, faults on demand, and exact counts.
//!
//! Tests and benchmarks can rely on SNS's behaviour (ten entries per batch, 262,144 bytes with attributes, entries that fail
//! in a response 200, throttling, lost responses, FIFO deduplication) without network and at full speed:
//!
//! ```
//! use testkit::sns::{SnsStub, TOPIC};
//!
//! let sns = SnsStub::with_topic(TOPIC);
//! sns.faults().change(|d| d.fail_entries = 0.01);
//! // … publish to TOPIC at sns.endpoint(), with ACCESS_KEY and SECRET_KEY …
//! assert_eq!(sns.stats().accepted, 0);
//! ```
//!
//! `cargo run -p ruminate-testkit --bin ruminate-test-sns` runs it as a program: `PUT /faults` sets the faults, `GET /stats`
//! returns the counts.
//!
//! Modules: [`SnsStub`] listens; `middleware` counts requests, authenticates them and injects faults; `form` and `request` parse
//! the query protocol, `limits` validates, `topics` implements the actions (with `fifo`), `response` writes XML; `stats` counts
//! and stores messages; `delivery` sends to HTTP subscribers, chosen by `filter`; [`FaultControl`] changes the fault settings
//! while the stub runs.
//!
//! Not supported: queues, Lambda, mail and SMS as subscribers, tags, policies, TLS.

mod delivery;
mod fault_control;
mod fault_settings;
mod fifo;
mod filter;
mod form;
mod limits;
mod middleware;
mod request;
mod response;
mod server;
mod signature;
mod stats;
mod topics;

pub use fault_control::{Fault, FaultControl};
pub use fault_settings::{Keep, Settings};
pub use request::Attribute;
pub use server::{Config, Login, SnsStub};
pub use stats::{Stats, StoredMessage};

/// The only access key that the stub accepts, unless it accepts any.
pub const ACCESS_KEY: &str = "AKIARUMINATETEST0000";
/// The secret of [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "ruminate/test/secret+key/not/a/real/one0";
/// Account of the topics.
pub const ACCOUNT: &str = "123456789012";
/// A topic for tests that need only one.
pub const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:historico";
/// A FIFO topic for tests that need only one.
pub const FIFO_TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:historico.fifo";
