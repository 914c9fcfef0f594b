//! Settings of the faults, and the choice of the requests that they hit.
//!
//! A fault is drawn from the seed, the kind of fault, the request (method, path, query) and the number of earlier
//! attempts of that request; the order of arrival does not matter. So the same requests have the same faults with any
//! number of workers, and a retry is drawn again. `fault_control` counts the attempts, `middleware` applies the faults.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::s3::listing_fault::ListingFault;
use crate::s3::policy::Policy;
use crate::s3::stats::{Injected, Op};

/// Fault settings. The default is a server without faults.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Random seed: another seed affects other requests.
    pub seed: u64,
    /// Latency of every response.
    pub latency: Duration,
    /// 503 SlowDown, as S3 sends while it splits a partition.
    pub slow_down: Fault,
    /// Maximum requests per second of the clock; further ones return 503 SlowDown.
    pub max_per_second: Option<u32>,
    /// 500 InternalError.
    pub internal_error: Fault,
    /// The connection is reset before the request is processed.
    pub reset: Fault,
    /// The connection is closed without a response before the request is processed, as at the end of an idle time.
    pub close: Fault,
    /// The connection is reset after the request was processed.
    pub lost_answer: Fault,
    /// Half of the body is sent, then the connection ends.
    pub truncate: Fault,
    /// Status 200 with an error document as the body.
    pub error_in_ok: Fault,
    /// Number of further requests that are served; all later ones return 503 ServiceUnavailable.
    pub outage_after: Option<u64>,
    /// PUT ignores `If-None-Match: *` and overwrites, as Garage does.
    pub ignore_if_none_match: bool,
    /// Fault of every listing.
    pub listing: ListingFault,
    /// Maximum number of keys per page of a listing; 1,000 if not set.
    pub page_keys: Option<usize>,
    /// Listings show the times of objects to the millisecond, as Garage does.
    pub listed_milliseconds: bool,
    /// Time by which the store's clock is ahead of that of this machine.
    pub clock_ahead: Duration,
    /// Time by which it is behind; one of the two is zero.
    pub clock_behind: Duration,
    /// PUT and DELETE ignore `If-Match`.
    pub ignore_if_match: bool,
    /// PUT and DELETE with a condition return 501 NotImplemented.
    pub reject_conditions: bool,
    /// HEAD of an object returns 403, as without the permission to read.
    pub forbid_head: bool,
    /// Keys, of any bucket, whose GET gets 403, as without access to their KMS key.
    pub forbid_get: HashSet<String>,
    /// Keys of any bucket that are listed, but for which GET and HEAD return 404.
    pub vanish: HashSet<String>,
    /// Rejections of well-formed requests.
    pub policy: Policy,
}

/// Requests that have a kind of fault.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fault {
    when: When,
    ops: Option<u8>,
    under: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum When {
    /// No request.
    #[default]
    Never,
    /// This fraction of the requests.
    Rate(f64),
    /// The first attempts of every request.
    First(u32),
}

impl Fault {
    /// Returns true if any request can have it.
    pub(crate) fn is_set(&self) -> bool {
        self.when != When::Never
    }

    /// Returns a fault of a fraction of the requests, from 0 to 1.
    pub fn rate(rate: f64) -> Self {
        Fault { when: When::Rate(rate), ..Fault::default() }
    }

    /// Returns a fault of the first `tries` attempts of every request. A client that retries often enough then
    /// succeeds.
    pub fn first(tries: u32) -> Self {
        Fault { when: When::First(tries), ..Fault::default() }
    }

    /// Returns a fault of every request.
    pub fn always() -> Self {
        Fault::rate(1.0)
    }

    /// Limits the fault to these operations.
    pub fn on(self, ops: &[Op]) -> Self {
        Fault { ops: Some(ops.iter().fold(0, |bits, op| bits | op.bit())), ..self }
    }

    /// Limits the fault to objects whose `bucket/key` starts with this.
    pub fn under(self, path: impl Into<String>) -> Self {
        Fault { under: path.into(), ..self }
    }

    pub(crate) fn hits(&self, request: &Request<'_>, kind: Injected, seed: u64, tries_before: u32) -> bool {
        if self.ops.is_some_and(|ops| ops & request.op.bit() == 0) || !request.path.starts_with(&self.under) {
            return false;
        }
        match self.when {
            When::Never => false,
            When::First(tries) => tries_before < tries,
            When::Rate(rate) => unit(&(seed, kind, request.identity(), tries_before)) < rate,
        }
    }
}

/// The parts of a request that faults depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub op: Op,
    /// `bucket/key`, decoded.
    pub path: &'a str,
    /// Further identification of the request, such as the page of a listing.
    pub query: &'a str,
}

impl Request<'_> {
    /// Returns its identity among all requests.
    pub fn identity(&self) -> u64 {
        hash(&(self.op, self.path, self.query))
    }
}

/// Returns a hash that is the same in every run: `DefaultHasher::new` has fixed keys. Another Rust version may have
/// other values.
fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Returns a number in [0, 1) for the value.
fn unit(value: &impl Hash) -> f64 {
    (hash(value) >> 11) as f64 / (1u64 << 53) as f64
}
