//! Control of the faults while the server runs, and the state of faults that depend on earlier requests. `fault_settings`
//! defines the faults, `middleware` applies them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use crate::s3::fault_settings::{Request, Settings};
use crate::s3::stats::{Counts, Injected, Tally};

/// Handle to the fault settings and counters of a running server; clones share them.
#[derive(Debug, Clone, Default)]
pub struct FaultControl {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    settings: RwLock<Arc<Settings>>,
    tally: Tally,
    progress: Mutex<Progress>,
}

/// State of the faults that depend on earlier requests.
#[derive(Debug, Default)]
struct Progress {
    /// Attempts by request, counted only while a fault is set.
    tries: HashMap<u64, u32>,
    served: u64,
    second: u64,
    in_second: u32,
}

impl FaultControl {
    /// Changes the settings for later requests. Resets the attempts and the outage count.
    pub fn change(&self, change: impl FnOnce(&mut Settings)) {
        let mut settings = self.shared.settings.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut settings));
        *self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner) = Progress::default();
    }

    /// Returns the current settings.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.shared.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the current counters.
    pub fn counts(&self) -> Counts {
        self.shared.tally.read()
    }

    /// Resets the counters.
    pub fn reset_counts(&self) {
        self.shared.tally.reset();
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.shared.tally
    }

    /// Returns the fault of a request, if any, in the order in which they occur for a real request.
    pub(crate) fn draw(&self, request: &Request<'_>, settings: &Settings, clock: Duration) -> Option<Injected> {
        let faults = [
            (&settings.reset, Injected::Reset),
            (&settings.close, Injected::Closed),
            (&settings.slow_down, Injected::SlowDown),
            (&settings.internal_error, Injected::InternalError),
            (&settings.error_in_ok, Injected::ErrorInOk),
            (&settings.truncate, Injected::Truncated),
            (&settings.lost_answer, Injected::LostAnswer),
        ];
        let may_strike = faults.iter().any(|(fault, _)| fault.is_set());
        if !may_strike && settings.outage_after.is_none() && settings.max_per_second.is_none() {
            return None;
        }
        let mut progress = self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(early) = progress.exhausted(settings, clock) {
            return Some(early);
        }
        let tries = progress.tries.entry(request.identity()).or_default();
        let tries_before = std::mem::replace(tries, *tries + 1);
        faults
            .into_iter()
            .find(|(fault, kind)| fault.hits(request, *kind, settings.seed, tries_before))
            .map(|(_, kind)| kind)
    }
}

impl Progress {
    /// Counts a request for the outage and the rate limit. Returns the one that rejects it.
    fn exhausted(&mut self, settings: &Settings, clock: Duration) -> Option<Injected> {
        self.served += 1;
        if settings.outage_after.is_some_and(|after| self.served > after) {
            return Some(Injected::Outage);
        }
        if self.second != clock.as_secs() {
            (self.second, self.in_second) = (clock.as_secs(), 0);
        }
        self.in_second += 1;
        settings.max_per_second.filter(|&max| self.in_second > max).map(|_| Injected::OverRate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::fault_settings::Fault;
    use crate::s3::stats::Op;

    fn drawn(faults: &FaultControl, keys: impl Iterator<Item = usize>) -> Vec<(usize, Option<Injected>)> {
        let settings = faults.settings();
        let mut all: Vec<_> = keys
            .map(|n| {
                let path = format!("lake/{n}");
                let request = Request { op: Op::Get, path: &path, query: "" };
                (n, faults.draw(&request, &settings, Duration::ZERO))
            })
            .collect();
        all.sort_by_key(|(n, _)| *n);
        all
    }

    #[test]
    fn the_order_of_arrival_does_not_choose_the_failing_requests() {
        let faults = FaultControl::default();
        faults.change(|d| (d.seed, d.slow_down, d.reset) = (7, Fault::rate(0.1), Fault::rate(0.05)));
        let forward = drawn(&faults, 0..5_000);
        faults.change(|_| ());
        assert_eq!(forward, drawn(&faults, (0..5_000).rev()));
        let slowed = forward.iter().filter(|(_, kind)| *kind == Some(Injected::SlowDown)).count();
        assert!((400..600).contains(&slowed), "{slowed} of 5,000");
        assert_ne!(forward, drawn(&faults, 0..5_000), "a retry is drawn again");
    }

    #[test]
    fn a_fault_is_limited_to_its_operations_paths_and_attempts() {
        let faults = FaultControl::default();
        faults.change(|d| d.reset = Fault::first(2).on(&[Op::Get]).under("lake/4"));
        for expected in [Some(Injected::Reset), Some(Injected::Reset), None] {
            assert_eq!(drawn(&faults, 4..6), [(4, expected), (5, None)]);
        }
        faults.change(|d| d.reset = Fault::always().on(&[Op::Put, Op::List]));
        assert_eq!(drawn(&faults, 4..5), [(4, None)]);
    }

    #[test]
    fn an_outage_begins_after_n_requests_and_a_rate_limit_restarts_each_second() {
        let faults = FaultControl::default();
        faults.change(|d| d.outage_after = Some(3));
        assert_eq!(drawn(&faults, 0..5).iter().filter(|(_, kind)| *kind == Some(Injected::Outage)).count(), 2);
        faults.change(|d| (d.outage_after, d.max_per_second) = (None, Some(2)));
        let settings = faults.settings();
        let request = Request { op: Op::Get, path: "lake/1", query: "" };
        let at = |seconds| faults.draw(&request, &settings, Duration::from_secs(seconds));
        assert_eq!([at(1), at(1), at(1), at(2)], [None, None, Some(Injected::OverRate), None]);
    }
}
