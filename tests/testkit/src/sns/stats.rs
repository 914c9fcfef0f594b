//! Exact counters of received messages and their results, and the stored accepted messages.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::sns::fault_settings::{Keep, Settings};
use crate::sns::request::{Attribute, Entry};

/// Maximum number of seconds in [`Stats::accepted_per_second`]: later messages are not in it.
const SECONDS: usize = 3_600;

/// Counters of a stub since its start or the last reset.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Time since the start or the last reset.
    pub seconds: f64,
    /// Connections opened.
    pub connections: u64,
    /// Requests, regardless of their result.
    pub requests: u64,
    /// Maximum number of concurrent requests.
    pub max_open_requests: u64,
    /// Calls by action.
    pub calls: BTreeMap<String, u64>,
    /// Messages in the publishing calls that could be read.
    pub offered: u64,
    /// Accepted messages, including those whose response was lost.
    pub accepted: u64,
    /// Size of these with attributes, in bytes.
    pub accepted_bytes: u64,
    /// Number of these that were accepted before, byte for byte; known only if digests or bodies are stored.
    pub repeats: u64,
    /// Repeats on a FIFO topic: answered, but neither accepted nor delivered.
    pub deduplicated: u64,
    /// Entries that failed in a response with status 200.
    pub failed_entries: u64,
    /// Calls rejected by the throttle.
    pub throttled_calls: u64,
    /// Messages in these.
    pub throttled_messages: u64,
    /// Calls that were processed but not answered.
    pub lost_answers: u64,
    /// Calls whose connection was reset before they were processed.
    pub resets: u64,
    /// Calls whose connection was closed, without a reset, before they were processed.
    pub closes: u64,
    /// Requests that waited for the end of a stall.
    pub stalled: u64,
    /// Calls rejected completely, by code.
    pub refused: BTreeMap<String, u64>,
    /// When the first message was accepted, in seconds since the start.
    pub first_accepted: Option<f64>,
    /// When the last message was accepted, in seconds since the start.
    pub last_accepted: Option<f64>,
    /// Messages accepted in each second from the start, for an hour.
    pub accepted_per_second: Vec<u64>,
    /// Deliveries that subscribers accepted.
    pub delivered: u64,
    /// Deliveries that were made a second time on purpose.
    pub delivered_twice: u64,
    /// Deliveries that failed permanently.
    pub undelivered: u64,
    /// Stored messages, or their digests.
    pub kept: usize,
    /// True if more messages arrived than may be stored.
    pub kept_is_cut: bool,
}

/// An accepted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// The topic's ARN.
    pub topic: String,
    /// The sender's id in its batch; empty outside of one.
    pub id: String,
    /// The message.
    pub body: String,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
    /// Its group.
    pub group: Option<String>,
    /// Its deduplication id.
    pub dedup: Option<String>,
}

impl StoredMessage {
    /// Returns the value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.value.as_str())
    }
}

/// The counters; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Counters(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    stats: Stats,
    started: Instant,
    open: u64,
    digests: HashSet<[u8; 16]>,
    messages: Vec<StoredMessage>,
}

impl Default for Counters {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State::new())))
    }
}

impl State {
    fn new() -> Self {
        let (stats, started) = (Stats::default(), Instant::now());
        Self { stats, started, open: 0, digests: HashSet::new(), messages: Vec::new() }
    }
}

impl Counters {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn read(&self) -> Stats {
        let state = self.state();
        let kept = state.digests.len().max(state.messages.len());
        Stats { seconds: state.started.elapsed().as_secs_f64(), kept, ..state.stats.clone() }
    }

    /// Resets the counters, except for open requests.
    pub fn reset(&self) {
        let mut state = self.state();
        let open = state.open;
        *state = State { open, ..State::new() };
    }

    pub fn messages(&self) -> Vec<StoredMessage> {
        self.state().messages.clone()
    }

    /// Changes the counters.
    pub fn count(&self, count: impl FnOnce(&mut Stats)) {
        count(&mut self.state().stats);
    }

    /// Counts a request as open until the returned value is dropped.
    pub fn arrive(&self) -> Open<'_> {
        let mut state = self.state();
        state.open += 1;
        state.stats.requests += 1;
        state.stats.max_open_requests = state.stats.max_open_requests.max(state.open);
        Open(self)
    }

    /// Records messages that a topic accepted.
    pub fn accept<'a>(&self, topic: &str, entries: impl Iterator<Item = &'a Entry<'a>>, settings: &Settings) {
        let digest = |entry: &Entry<'_>| {
            let whole = Sha256::digest(entry.message.as_deref().unwrap_or_default());
            <[u8; 16]>::try_from(&whole[..16]).unwrap_or_default()
        };
        let keeps = settings.keep != Keep::Counts;
        let entries: Vec<_> = entries.map(|entry| (entry, keeps.then(|| digest(entry)))).collect();
        if entries.is_empty() {
            return;
        }
        let mut state = self.state();
        let at = state.started.elapsed().as_secs_f64();
        for (entry, digest) in &entries {
            state.stats.accepted_bytes += entry.size_bytes() as u64;
            let Some(digest) = digest else { continue };
            if state.digests.contains(digest) {
                state.stats.repeats += 1;
            } else if state.digests.len() < settings.keep_max {
                state.digests.insert(*digest);
            } else {
                state.stats.kept_is_cut = true;
            }
            if settings.keep == Keep::Bodies {
                if state.messages.len() < settings.keep_max {
                    state.messages.push(stored(topic, entry));
                } else {
                    state.stats.kept_is_cut = true;
                }
            }
        }
        let (stats, second) = (&mut state.stats, at as usize);
        stats.accepted += entries.len() as u64;
        stats.first_accepted.get_or_insert(at);
        stats.last_accepted = Some(at);
        if second < SECONDS {
            if stats.accepted_per_second.len() <= second {
                stats.accepted_per_second.resize(second + 1, 0);
            }
            stats.accepted_per_second[second] += entries.len() as u64;
        }
    }
}

fn stored(topic: &str, entry: &Entry<'_>) -> StoredMessage {
    StoredMessage {
        topic: topic.to_owned(),
        id: entry.id.to_string(),
        body: entry.message.as_deref().unwrap_or_default().to_owned(),
        attributes: entry.attributes.clone(),
        group: entry.group.as_deref().map(str::to_owned),
        dedup: entry.dedup.as_deref().map(str::to_owned),
    }
}

/// Removes a request from the count of open ones when it ends, also if the client disconnected.
pub(crate) struct Open<'a>(&'a Counters);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.open = state.open.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(message: &'static str) -> Entry<'static> {
        Entry { message: Some(message.into()), ..Entry::default() }
    }

    #[test]
    fn repeats_are_detected_if_digests_are_stored_and_memory_is_bounded() {
        let counters = Counters::default();
        let settings = Settings { keep: Keep::Digests, keep_max: 2, ..Settings::default() };
        counters.accept("t", [entry("a"), entry("b"), entry("a"), entry("c")].iter(), &settings);
        let stats = counters.read();
        assert_eq!((stats.accepted, stats.repeats, stats.kept, stats.kept_is_cut), (4, 1, 2, true));
        assert_eq!((stats.accepted_bytes, stats.accepted_per_second.iter().sum::<u64>()), (4, 4));
        counters.reset();
        counters.accept("t", [entry("a")].iter(), &Settings { keep: Keep::Bodies, ..Settings::default() });
        assert_eq!((counters.read().accepted, counters.messages()[0].body.as_str()), (1, "a"));
    }

    #[test]
    fn the_maximum_of_open_requests_is_counted() {
        let counters = Counters::default();
        let (one, two) = (counters.arrive(), counters.arrive());
        drop((one, two));
        drop(counters.arrive());
        assert_eq!((counters.read().requests, counters.read().max_open_requests), (3, 2));
    }
}
