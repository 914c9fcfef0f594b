//! Counters of the server for tests: requests by operation, faults by kind, and concurrent requests. `fault_control` chooses the
//! faults.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Operations that faults and counters distinguish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// GetObject.
    Get,
    /// HeadObject.
    Head,
    /// PutObject.
    Put,
    /// CopyObject.
    Copy,
    /// DeleteObject and DeleteObjects, counted once regardless of the number of keys.
    Delete,
    /// ListObjectsV2, one per page.
    List,
    /// Operations on buckets, and unknown ones.
    Other,
}

impl Op {
    /// Every operation.
    pub const ALL: [Op; 7] = [Op::Get, Op::Head, Op::Put, Op::Copy, Op::Delete, Op::List, Op::Other];

    pub(crate) fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Faults that the counters distinguish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Injected {
    /// 503 SlowDown, by the fault setting of this name.
    SlowDown,
    /// 503 SlowDown, because requests came faster than `max_per_second`.
    OverRate,
    /// 500 InternalError.
    InternalError,
    /// 503 ServiceUnavailable, after the outage began.
    Outage,
    /// The connection was reset and the request ignored.
    Reset,
    /// The request was processed, then the connection was reset.
    LostAnswer,
    /// Half a body, then the end of the connection.
    Truncated,
    /// An error document under a 200.
    ErrorInOk,
    /// The connection was closed and the request ignored.
    Closed,
    /// NoSuchKey for a key that is listed.
    Vanished,
}

const KINDS: usize = Injected::Vanished as usize + 1;

/// The live counters.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    requests: [AtomicU64; Op::ALL.len()],
    injected: [AtomicU64; KINDS],
    open: AtomicU64,
    max_open: AtomicU64,
}

impl Tally {
    /// Counts a request as open.
    pub fn arrive(&self, op: Op) {
        self.requests[op as usize].fetch_add(1, Relaxed);
        let open = self.open.fetch_add(1, Relaxed) + 1;
        self.max_open.fetch_max(open, Relaxed);
    }

    pub fn leave(&self) {
        self.open.fetch_sub(1, Relaxed);
    }

    pub fn inject(&self, kind: Injected) {
        self.injected[kind as usize].fetch_add(1, Relaxed);
    }

    pub fn read(&self) -> Counts {
        Counts {
            requests: self.requests.each_ref().map(|n| n.load(Relaxed)),
            injected: self.injected.each_ref().map(|n| n.load(Relaxed)),
            max_open: self.max_open.load(Relaxed),
        }
    }

    /// Resets the counters, except for open requests.
    pub fn reset(&self) {
        self.requests.iter().chain(&self.injected).for_each(|n| n.store(0, Relaxed));
        self.max_open.store(self.open.load(Relaxed), Relaxed);
    }
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    requests: [u64; Op::ALL.len()],
    injected: [u64; KINDS],
    max_open: u64,
}

impl Counts {
    /// Returns the number of requests of an operation, including rejected and failed ones.
    pub fn requests(&self, op: Op) -> u64 {
        self.requests[op as usize]
    }

    /// Returns the number of requests of all operations.
    pub fn total(&self) -> u64 {
        self.requests.iter().sum()
    }

    /// Returns how often a fault was injected.
    pub fn injected(&self, kind: Injected) -> u64 {
        self.injected[kind as usize]
    }

    /// Returns the maximum number of open requests: the client's real concurrency.
    pub fn max_open(&self) -> u64 {
        self.max_open
    }
}
