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
    /// DeleteObject and DeleteObjects, one each however many keys.
    Delete,
    /// ListObjectsV2, one a page.
    List,
    /// Everything on buckets, and anything unknown.
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
    /// 503 SlowDown, by the dial of that name.
    SlowDown,
    /// 503 SlowDown, because requests came faster than `max_per_second`.
    OverRate,
    /// 500 InternalError.
    InternalError,
    /// 503 ServiceUnavailable, after the outage began.
    Outage,
    /// The connection was reset and the request ignored.
    Reset,
    /// The request was carried out, then the connection was reset.
    LostAnswer,
    /// Half a body, then the end of the connection.
    Truncated,
    /// An error document under a 200.
    ErrorInOk,
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
    most_open: AtomicU64,
}

impl Tally {
    /// Counts a request in.
    pub fn arrive(&self, op: Op) {
        self.requests[op as usize].fetch_add(1, Relaxed);
        let open = self.open.fetch_add(1, Relaxed) + 1;
        self.most_open.fetch_max(open, Relaxed);
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
            most_open: self.most_open.load(Relaxed),
        }
    }

    /// Back to zero, but for the requests still open.
    pub fn reset(&self) {
        self.requests.iter().chain(&self.injected).for_each(|n| n.store(0, Relaxed));
        self.most_open.store(self.open.load(Relaxed), Relaxed);
    }
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    requests: [u64; Op::ALL.len()],
    injected: [u64; KINDS],
    most_open: u64,
}

impl Counts {
    /// Requests of one operation that arrived, refused and failed ones too.
    pub fn requests(&self, op: Op) -> u64 {
        self.requests[op as usize]
    }

    /// Requests of every operation.
    pub fn total(&self) -> u64 {
        self.requests.iter().sum()
    }

    /// How many times one fault was injected.
    pub fn injected(&self, kind: Injected) -> u64 {
        self.injected[kind as usize]
    }

    /// The most requests that were open at once: the client's real concurrency.
    pub fn most_open(&self) -> u64 {
        self.most_open
    }
}
