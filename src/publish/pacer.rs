//! Keeping a schedule: from times of a plan to instants of this run.
//!
//! A message is due at the run's begin plus its time, whatever happened to those before it: what was missed is sent as soon as it
//! can be, with a latency that says so. Only where the source had nothing to send is the schedule put back, for that is no
//! fault of the topic's; how far is told as the time the run starved.

use std::time::{Duration, Instant};

use super::entry::Entry;
use super::schedule::{DueTime, Schedule, ScheduleCursor};

/// When a message is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SendTime {
    /// Whenever it can be sent.
    Immediately,
    /// Then.
    At(Instant),
    /// Never: the schedule has ended.
    Ended,
}

/// The schedule under way.
#[derive(Debug)]
pub(super) struct Pacer {
    times: ScheduleCursor,
    /// When the first message was there.
    started: Option<Instant>,
    /// How far it was put back.
    starved: Duration,
}

impl Pacer {
    pub(super) fn new(schedule: &Schedule) -> Self {
        Self { times: schedule.times(), started: None, starved: Duration::ZERO }
    }

    /// When the message is due, if it is the next; the run begins with the first one that is asked for.
    pub(super) fn due(&mut self, entry: &Entry) -> SendTime {
        match self.times.peek(entry.data_ms) {
            DueTime::Immediately => SendTime::Immediately,
            DueTime::Ended => SendTime::Ended,
            DueTime::At(time) => SendTime::At(*self.started.get_or_insert_with(Instant::now) + self.starved + time),
        }
    }

    /// The message is the next.
    pub(super) fn take(&mut self) {
        self.times.take();
    }

    /// Nothing was there to send for so long, and this message is the first that is: puts the schedule back by what it is
    /// late for that.
    pub(super) fn delay_by(&mut self, entry: &Entry, waited: Duration) {
        if self.started.is_some()
            && waited > Duration::ZERO
            && let SendTime::At(due) = self.due(entry)
        {
            self.starved += Instant::now().saturating_duration_since(due).min(waited);
        }
    }

    /// How far the schedule was put back.
    pub(super) fn starved(&self) -> Duration {
        self.starved
    }
}
