//! The schedule of a run: when each message is due, independent of the responses.
//!
//! This is an open loop: a slow response adds to the latency of the messages after it, because latency starts at the
//! due time. Sources: Tene, "How not to measure latency", wrk2, and k6's arrival-rate executors. This module parses
//! schedules and computes due times; `pacer.rs` applies them to a run.

use std::fmt;
use std::time::Duration;

mod rate;
mod speedup;
mod stages;

pub use rate::Rate;
pub use speedup::Speedup;
pub use stages::Stages;

/// When messages are due.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Schedule {
    /// As fast as the topic accepts them.
    #[default]
    None,
    /// Evenly, at a constant rate.
    Rate(Rate),
    /// At changing rates; the run ends with the last stage.
    Stages(Stages),
    /// By the readings' own times, in compressed time.
    Speed(Speedup),
}

impl Schedule {
    /// Returns true if messages have a due time.
    pub fn is_open_loop(&self) -> bool {
        *self != Self::None
    }

    /// Returns the rate in messages per second; `None` if it is not constant.
    pub fn constant(&self) -> Option<f64> {
        match self {
            Self::Rate(rate) => Some(rate.per_second()),
            _ => None,
        }
    }

    /// Returns the highest rate in messages per second; `None` if it is unknown in advance.
    pub fn highest(&self) -> Option<f64> {
        match self {
            Self::None | Self::Speed(_) => None,
            Self::Rate(rate) => Some(rate.per_second()),
            Self::Stages(stages) => Some(stages.highest()),
        }
    }

    /// Returns how many messages the schedule has times for; `None` if it has no end.
    pub fn messages(&self) -> Option<u64> {
        match self {
            Self::Stages(stages) => (!stages.is_endless()).then(|| stages.messages()),
            _ => None,
        }
    }

    /// Returns how long `messages` messages from `days` days of history take, in seconds; `None` if unknown.
    pub fn seconds(&self, messages: Option<f64>, days: Option<f64>) -> Option<f64> {
        match self {
            Self::None => None,
            Self::Rate(rate) => messages.map(|messages| messages / rate.per_second()),
            Self::Stages(stages) => Some(stages.seconds(messages)).filter(|seconds| seconds.is_finite()),
            Self::Speed(speed) => days.map(|days| speed.seconds(days)),
        }
    }

    /// Returns a cursor over the due times.
    pub(super) fn times(&self) -> ScheduleCursor {
        ScheduleCursor { schedule: self.clone(), next: 0, speed: speedup::HistoryClock::default() }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("as fast as possible"),
            Self::Rate(rate) => rate.fmt(f),
            Self::Stages(stages) => stages.fmt(f),
            Self::Speed(speed) => speed.fmt(f),
        }
    }
}

/// When a message is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DueTime {
    /// As soon as possible.
    Immediately,
    /// This long after the run started.
    At(Duration),
    /// Never: the schedule has ended.
    Ended,
}

/// Cursor over the due times of a schedule.
#[derive(Debug, Clone)]
pub(super) struct ScheduleCursor {
    schedule: Schedule,
    next: u64,
    speed: speedup::HistoryClock,
}

impl ScheduleCursor {
    /// Returns when the next message is due, without advancing. `data_ms` is its own time in Unix milliseconds.
    pub(super) fn peek(&mut self, data_ms: Option<i64>) -> DueTime {
        match &self.schedule {
            Schedule::None => DueTime::Immediately,
            Schedule::Rate(rate) => DueTime::At(rate.due(self.next)),
            Schedule::Stages(stages) => stages.due(self.next).map_or(DueTime::Ended, DueTime::At),
            Schedule::Speed(speed) => DueTime::At(self.speed.due(*speed, data_ms)),
        }
    }

    /// Advances to the time of the next message.
    pub(super) fn take(&mut self) {
        self.next += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_gives_the_same_time_until_the_message_is_taken() {
        let mut times = Schedule::Rate("100/s".parse().unwrap()).times();
        assert_eq!([times.peek(None), times.peek(None)], [DueTime::At(Duration::ZERO); 2]);
        times.take();
        assert_eq!(times.peek(None), DueTime::At(Duration::from_millis(10)));
        assert_eq!(Schedule::None.times().peek(None), DueTime::Immediately);
    }
}
