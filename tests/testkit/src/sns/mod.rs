//! A stub of the SNS query API in the test's own process: the real wire protocol, SigV4 and limits, faults on demand, and
//! an exact account of what came.
//!
//! It exists so that tests and benchmarks can lean on SNS's own behaviour (ten entries a batch, 262,144 bytes with
//! attributes, entries that fail under a 200, throttling, lost answers, FIFO deduplication) with no network and at full
//! speed:
//!
//! ```
//! use testkit::sns::{SnsStub, TOPIC};
//!
//! let sns = SnsStub::with_topic(TOPIC);
//! sns.dials().change(|d| d.fail_entries = 0.01);
//! // … publish to TOPIC at sns.endpoint(), with ACCESS_KEY and SECRET_KEY …
//! assert_eq!(sns.stats().accepted, 0);
//! ```
//!
//! By hand it is `cargo run -p ruminate-testkit --bin ruminate-test-sns`; there the dials are turned by `PUT /dials` and the account is read at
//! `GET /stats`.
//!
//! Where things are: [`SnsStub`] listens; `middleware` counts requests, checks who asks and injects faults; `form` and `request` read
//! the query protocol, `limits` says what SNS would refuse, `topics` what a topic does (with `fifo`), `response` writes XML;
//! `stats` counts and keeps; `delivery` sends to HTTP subscribers, `filter` says to whom; [`Dials`] is what a test may
//! change while it runs.
//!
//! Left out on purpose: queues, Lambda, mail and SMS as subscribers, tags, policies, TLS.

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

pub use fault_control::{Dials, Fault};
pub use fault_settings::{Keep, Settings};
pub use request::Attribute;
pub use server::{Config, Login, SnsStub};
pub use stats::{Kept, Stats};

/// The only access key the stub knows, unless it was told to take any.
pub const ACCESS_KEY: &str = "AKIARUMINATETEST0000";
/// The secret of [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "ruminate/test/secret+key/not/a/real/one0";
/// The account that topics are of.
pub const ACCOUNT: &str = "123456789012";
/// A topic for tests that need only one.
pub const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:historico";
/// The same in order and without repeats.
pub const FIFO_TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:historico.fifo";
