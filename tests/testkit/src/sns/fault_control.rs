//! Control of the faults while the stub runs, and the state of faults that depend on earlier requests: attempts, the throttle's
//! token bucket, expired credentials. `middleware` applies the faults.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::sns::fault_settings::Settings;

/// Maximum number of messages whose attempts are counted; then the counts are reset, to bound memory.
const TRIES: usize = 1 << 20;

/// Minimum size of the throttle's bucket: a batch must fit.
const LEAST_BURST: f64 = 10.0;

/// Planned fault of the next publishing call, one per call, before the fault settings apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call is rejected with this status and code, and nothing is published.
    Call(u16, &'static str),
    /// The entry at this position, from 0, fails with this code; the flag marks a fault of the sender.
    Entry(usize, &'static str, bool),
    /// The call is processed, and then the connection is reset.
    LostAnswer,
    /// The connection is reset before the call is processed.
    Reset,
}

/// Fault setting of a random choice.
#[derive(Debug, Clone, Copy, Hash)]
pub(crate) enum Drawn {
    Reset,
    InternalError,
    LostAnswer,
    Entry,
    Jitter,
    Twice,
    Close,
}

/// Handle to the fault settings of a running stub; clones share them.
#[derive(Debug, Clone, Default)]
pub struct FaultControl(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    settings: RwLock<Arc<CurrentSettings>>,
    past: Mutex<Past>,
}

/// Settings, and the time of their last change.
#[derive(Debug)]
pub(crate) struct CurrentSettings {
    pub settings: Settings,
    pub since: Instant,
}

impl Default for CurrentSettings {
    fn default() -> Self {
        Self { settings: Settings::default(), since: Instant::now() }
    }
}

#[derive(Debug, Default)]
struct Past {
    tries: HashMap<u64, u32>,
    script: VecDeque<Fault>,
    bucket: Option<(f64, Instant)>,
    served: u64,
    /// Credentials seen so far, and those of them that have expired.
    seen: HashSet<u64>,
    expired: HashSet<u64>,
}

impl FaultControl {
    /// Changes the settings for later calls. Periods of stalls start now, and the attempts are reset.
    ///
    /// # Panics
    /// Panics if a setting is invalid, such as a fraction over 1.
    pub fn change(&self, change: impl FnOnce(&mut Settings)) {
        let mut settings = self.settings();
        change(&mut settings);
        self.try_set(settings).expect("valid fault settings");
    }

    /// Replaces all settings.
    pub(crate) fn try_set(&self, settings: Settings) -> Result<(), String> {
        settings.check()?;
        let current = CurrentSettings { settings, since: Instant::now() };
        *self.0.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(current);
        let mut past = self.past();
        (past.bucket, past.served) = (None, 0);
        past.tries.clear();
        Ok(())
    }

    /// Returns the current settings.
    pub fn settings(&self) -> Settings {
        self.current().settings.clone()
    }

    /// Plans the faults of the next publishing calls, in order.
    pub fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        self.past().script.extend(faults);
    }

    pub(crate) fn current(&self) -> Arc<CurrentSettings> {
        Arc::clone(&self.0.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.0.past.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the planned fault of this call.
    pub(crate) fn planned(&self) -> Option<Fault> {
        self.past().script.pop_front()
    }

    /// Returns how often this content arrived before.
    pub(crate) fn tries(&self, content: u64) -> u32 {
        let mut past = self.past();
        if past.tries.len() >= TRIES {
            past.tries.clear();
        }
        let tries = past.tries.entry(content).or_default();
        std::mem::replace(tries, *tries + 1)
    }

    /// Takes N tokens from the throttle's bucket, one per message. Returns false if it has fewer.
    pub(crate) fn admits(&self, messages: usize, per_second: u32) -> bool {
        let mut past = self.past();
        let (now, rate) = (Instant::now(), f64::from(per_second));
        let max = rate.max(LEAST_BURST);
        let (left, at) = past.bucket.unwrap_or((max, now));
        let left = (left + rate * now.duration_since(at).as_secs_f64()).min(max);
        let admitted = left >= messages as f64;
        past.bucket = Some((if admitted { left - messages as f64 } else { left }, now));
        admitted
    }

    /// Returns true if these credentials have expired: after `after` requests, all credentials seen so far have.
    pub(crate) fn has_expired(&self, credentials: u64, after: u64) -> bool {
        let mut past = self.past();
        past.served += 1;
        if past.served > after && past.expired.is_empty() {
            past.expired = std::mem::take(&mut past.seen);
        }
        past.seen.insert(credentials);
        past.expired.contains(&credentials)
    }
}

impl CurrentSettings {
    /// Returns true if a fault with this fraction applies to this attempt of a content.
    pub fn strikes(&self, fraction: f64, drawn: Drawn, content: u64, tries: u32) -> bool {
        fraction > 0.0 && self.unit(drawn, content, tries) < fraction
    }

    /// Returns a number in [0, 1) that depends on all arguments.
    fn unit(&self, drawn: Drawn, content: u64, tries: u32) -> f64 {
        (hash(&(self.settings.seed, drawn, content, tries)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns the latency of the response, and whether the service is in a stall.
    pub fn latency(&self, number: u64) -> Duration {
        let Settings { latency_ms, jitter_ms, .. } = self.settings;
        let jitter = if jitter_ms > 0.0 { jitter_ms * self.unit(Drawn::Jitter, number, 0) } else { 0.0 };
        Duration::from_secs_f64((latency_ms + jitter) / 1e3)
    }

    /// Returns the remaining duration of a stall.
    pub fn stall_left(&self) -> Option<Duration> {
        self.settings.stall_left(self.since.elapsed())
    }

    /// Returns true if a setting requires random choices for calls or entries.
    pub fn may_strike(&self) -> bool {
        let Settings { reset, close, internal_error, lost_answer, fail_entries, .. } = self.settings;
        [reset, close, internal_error, lost_answer, fail_entries].iter().any(|&fraction| fraction > 0.0)
    }
}

/// Returns a hash that is the same in every run: `DefaultHasher::new` has fixed keys. Another Rust version may have
/// other values.
pub(crate) fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_and_attempts_choose_the_failing_requests_and_not_the_order() {
        let faults = FaultControl::default();
        faults.change(|d| (d.seed, d.fail_entries) = (7, 0.1));
        let current = faults.current();
        let hit = |n: u64, tries| current.strikes(0.1, Drawn::Entry, hash(&n), tries);
        let struck = (0..5_000).filter(|&n| hit(n, 0)).count();
        assert!((400..600).contains(&struck), "{struck} of 5,000");
        let both = (0..5_000).filter(|&n| hit(n, 0) && hit(n, 1)).count();
        assert!(both < 100, "a retry is drawn again: {both}");
        assert_eq!([faults.tries(1), faults.tries(1), faults.tries(2)], [0, 1, 0]);
    }

    #[test]
    fn a_throttle_has_a_second_of_messages_and_fills_up_again() {
        let faults = FaultControl::default();
        let admitted = (0..100).filter(|_| faults.admits(10, 100)).count();
        assert!((10..=11).contains(&admitted), "{admitted}");
        std::thread::sleep(Duration::from_millis(220));
        let admitted = (0..100).filter(|_| faults.admits(10, 100)).count();
        assert!((2..=4).contains(&admitted), "{admitted}");
        faults.change(|_| ());
        assert!(faults.admits(10, 3), "a batch fits in any case");
    }

    #[test]
    fn credentials_expire_after_n_requests_and_others_do_not() {
        let faults = FaultControl::default();
        let of = |credentials| faults.has_expired(credentials, 2);
        assert_eq!([of(1), of(1), of(1), of(2), of(1), of(2)], [false, false, true, false, true, false]);
    }
}
