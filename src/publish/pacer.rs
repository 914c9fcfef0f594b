//! Applies a schedule: converts its times to instants of this run.
//!
//! A message is due at the run's start plus its time, regardless of the messages before it. Late messages are sent as
//! soon as possible, and their latency includes the delay. If the source had nothing to send, the schedule is delayed,
//! because that is not caused by the topic. The total delay is reported as the time the run starved.

use std::time::{Duration, Instant};

use super::entry::Entry;
use super::schedule::{DueTime, Schedule, ScheduleCursor};

/// When to send a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SendTime {
    /// As soon as possible.
    Immediately,
    /// At this instant.
    At(Instant),
    /// Never: the schedule has ended.
    Ended,
}

/// The schedule of an active run.
#[derive(Debug)]
pub(super) struct Pacer {
    times: ScheduleCursor,
    /// When the first message was available.
    started: Option<Instant>,
    /// How far the schedule was delayed.
    starved: Duration,
}

impl Pacer {
    pub(super) fn new(schedule: &Schedule) -> Self {
        Self { times: schedule.times(), started: None, starved: Duration::ZERO }
    }

    /// Returns when the message is due if it is the next one. The first call starts the run.
    pub(super) fn due(&mut self, entry: &Entry) -> SendTime {
        match self.times.peek(entry.data_ms) {
            DueTime::Immediately => SendTime::Immediately,
            DueTime::Ended => SendTime::Ended,
            DueTime::At(time) => SendTime::At(*self.started.get_or_insert_with(Instant::now) + self.starved + time),
        }
    }

    /// Advances to the next message.
    pub(super) fn take(&mut self) {
        self.times.take();
    }

    /// Delays the schedule after a wait of `waited` for the source, by how late `entry` is, at most by `waited`.
    pub(super) fn delay_by(&mut self, entry: &Entry, waited: Duration) {
        if self.started.is_some()
            && waited > Duration::ZERO
            && let SendTime::At(due) = self.due(entry)
        {
            self.starved += Instant::now().saturating_duration_since(due).min(waited);
        }
    }

    /// Returns how far the schedule was delayed.
    pub(super) fn starved(&self) -> Duration {
        self.starved
    }
}
