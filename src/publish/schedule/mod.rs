//! The schedule of a run: when each message is due, fixed before anything is sent and whatever the answers do.
//!
//! That is an open loop: a slow answer shows as latency of what came after it, for latency counts from when a message was
//! due (Tene, "How not to measure latency"; wrk2; k6's arrival-rate executors). Owns what was asked for and the times that
//! follow from it; leaves keeping them to [`super::pace`].

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
    /// As fast as the topic takes them.
    #[default]
    None,
    /// Evenly, at one rate.
    Rate(Rate),
    /// At rates that change; the run ends with the last stage.
    Stages(Stages),
    /// As the readings' own times follow one another, in compressed time.
    Speed(Speedup),
}

impl Schedule {
    /// Whether messages have a time when they are due.
    pub fn is_open_loop(&self) -> bool {
        *self != Self::None
    }

    /// The one rate it asks for, messages a second, where it is one.
    pub fn constant(&self) -> Option<f64> {
        match self {
            Self::Rate(rate) => Some(rate.per_second()),
            _ => None,
        }
    }

    /// The highest rate it asks for, messages a second, where that can be said beforehand.
    pub fn highest(&self) -> Option<f64> {
        match self {
            Self::None | Self::Speed(_) => None,
            Self::Rate(rate) => Some(rate.per_second()),
            Self::Stages(stages) => Some(stages.highest()),
        }
    }

    /// How many messages it has room for; none where it has no end.
    pub fn messages(&self) -> Option<u64> {
        match self {
            Self::Stages(stages) => (!stages.is_endless()).then(|| stages.messages()),
            _ => None,
        }
    }

    /// How long so many messages, of so many days of history, take by it, seconds; none where that cannot be said.
    pub fn seconds(&self, messages: Option<f64>, days: Option<f64>) -> Option<f64> {
        match self {
            Self::None => None,
            Self::Rate(rate) => messages.map(|messages| messages / rate.per_second()),
            Self::Stages(stages) => Some(stages.seconds(messages)).filter(|seconds| seconds.is_finite()),
            Self::Speed(speed) => days.map(|days| speed.seconds(days)),
        }
    }

    /// The times one after the other.
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
    /// Whenever it can be sent.
    Immediately,
    /// So long after the run began.
    At(Duration),
    /// Never: the schedule has ended.
    Ended,
}

/// The times of a schedule, message by message.
#[derive(Debug, Clone)]
pub(super) struct ScheduleCursor {
    schedule: Schedule,
    next: u64,
    speed: speedup::HistoryClock,
}

impl ScheduleCursor {
    /// When the next message is due, which has this time of its own (Unix milliseconds); does not move on.
    pub(super) fn peek(&mut self, data_ms: Option<i64>) -> DueTime {
        match &self.schedule {
            Schedule::None => DueTime::Immediately,
            Schedule::Rate(rate) => DueTime::At(rate.due(self.next)),
            Schedule::Stages(stages) => stages.due(self.next).map_or(DueTime::Ended, DueTime::At),
            Schedule::Speed(speed) => DueTime::At(self.speed.due(*speed, data_ms)),
        }
    }

    /// The message that was looked at is taken: the next time is that of the one after it.
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
