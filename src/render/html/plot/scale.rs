//! Scales of plots: positions of values, and the tick labels of the axis.

use serde::Serialize;

use crate::render::html::numbers;
use crate::render::millis;

/// Approximate number of ticks per axis.
const MARKS: f64 = 5.0;
/// Minimum ratio of maximum to minimum for a logarithmic scale of latencies.
const WIDE: f64 = 30.0;
/// Minimum measurable latency, in milliseconds.
const LEAST_MS: f64 = 0.001;
/// Distances between the ticks of a time axis, in seconds.
const CLOCK: [f64; 23] = [
    0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0,
    10_800.0, 21_600.0, 43_200.0, 86_400.0, 172_800.0, 604_800.0,
];

/// Axis.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::render::html) struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
    marks: Vec<(f64, String)>,
}

/// Tick of an axis.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::render::html) struct Tick {
    /// Position from 0 to 1.
    #[serde(skip)]
    pub place: f64,
    /// Position in percent of the axis.
    at: String,
    text: String,
}

impl Scale {
    /// Returns a scale for rates, from 0 to at least `max`.
    pub(in crate::render::html) fn from_zero(max: f64) -> Self {
        Self::linear(max, 0.0, |value, step| numbers::decimal(value, decimals(step)))
    }

    /// Returns a scale for counts, from 0 to at least `max`, with ticks at whole numbers.
    pub(in crate::render::html) fn counts(max: f64) -> Self {
        Self::linear(max, 1.0, |value, _| numbers::decimal(value, 0))
    }

    /// Returns a scale for latencies in milliseconds: from 0, or logarithmic for a large range.
    pub(in crate::render::html) fn latencies(least: f64, max: f64) -> Self {
        let least = least.max(LEAST_MS);
        if max / least < WIDE {
            return Self::linear(max, 0.0, |value, _| if value == 0.0 { "0".into() } else { round_millis(value) });
        }
        let low = 10_f64.powf(least.log10().floor());
        let decades = (max.log10().floor() - low.log10()) as i32 + 1;
        let factors: &[f64] = if decades <= 3 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let candidates =
            (0..=decades + 1).flat_map(|decade| [1.0, 2.0, 5.0].map(|factor| low * 10_f64.powi(decade) * factor));
        let high = candidates.into_iter().find(|mark| *mark >= max * 0.999).unwrap_or(max);
        let marks =
            (0..=decades).flat_map(|decade| factors.iter().map(move |factor| low * 10_f64.powi(decade) * factor));
        let marks = marks.filter(|mark| *mark <= high * 1.001).map(|mark| (mark, round_millis(mark))).collect();
        Self { low, high, logarithmic: true, marks }
    }

    /// Returns a scale for the time since the start of the run.
    pub(in crate::render::html) fn seconds(all: f64) -> Self {
        let all = all.max(1e-3);
        let step = CLOCK.into_iter().find(|step| all / step <= MARKS + 1.0).unwrap_or(all / MARKS);
        let marks = std::iter::successors(Some(0.0), |at| Some(at + step)).take_while(|at| *at <= all * 1.000_1);
        let marks = marks.map(|at| (at, moment(at, all, decimals(step)))).collect();
        Self { low: 0.0, high: all, logarithmic: false, marks }
    }

    /// Returns a scale for percentiles by the number of their nines, which gives the slowest ones the most space: 90 %,
    /// 99 %, 99.9 %.
    pub(in crate::render::html) fn nines(all: f64) -> Self {
        let all = all.max(1.0);
        let mut marks = vec![(nines(50.0), "50".to_owned())];
        for nine in (1..).take_while(|nine| f64::from(*nine) <= all) {
            let text =
                if nine <= 2 { "9".repeat(nine as usize) } else { format!("99.{}", "9".repeat(nine as usize - 2)) };
            marks.push((f64::from(nine), if nine == 1 { "90".into() } else { text }));
        }
        Self { low: 0.0, high: all, logarithmic: false, marks }
    }

    fn linear(max: f64, min_step: f64, text: impl Fn(f64, f64) -> String) -> Self {
        let most = if max > 0.0 { max } else { 1.0 };
        let rough = most / MARKS;
        let decade = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * decade).into_iter().find(|step| *step >= rough * 0.999);
        let step = step.unwrap_or(rough).max(min_step);
        let steps = (most / step - 1e-6).ceil().max(1.0) as u32;
        let marks = (0..=steps).map(|n| f64::from(n) * step).map(|value| (value, text(value, step))).collect();
        Self { low: 0.0, high: f64::from(steps) * step, logarithmic: false, marks }
    }

    /// Returns the position of a value from 0 to 1; values outside are placed at the edge.
    pub(in crate::render::html) fn place(&self, value: f64) -> f64 {
        let place = if self.logarithmic {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        if place.is_finite() { place.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// Returns true if the scale is logarithmic.
    pub(in crate::render::html) const fn is_logarithmic(&self) -> bool {
        self.logarithmic
    }

    /// Returns the ticks.
    pub(in crate::render::html) fn ticks(&self) -> Vec<Tick> {
        let tick = |(value, text): &(f64, String)| {
            let place = self.place(*value);
            Tick { place, at: format!("{:.2}", place * 100.0), text: text.clone() }
        };
        self.marks.iter().map(tick).collect()
    }
}

/// Returns the number of nines of a percentile: 1 for 90, 2 for 99, 0.3 for 50.
pub(in crate::render::html) fn nines(percentile: f64) -> f64 {
    -(1.0 - percentile / 100.0).max(1e-12).log10()
}

/// Returns the label of a latency tick, without trailing zeros.
fn round_millis(ms: f64) -> String {
    let text = millis(ms);
    let (value, unit) = text.split_once(' ').unwrap_or((&text, ""));
    let value = if value.contains('.') { value.trim_end_matches('0').trim_end_matches('.') } else { value };
    format!("{value} {unit}")
}

/// Returns a time in a run of length `all`: `12 s`, `3:20`, `2:05 h`.
pub(in crate::render::html) fn moment(at: f64, all: f64, decimals: usize) -> String {
    let whole = at.round() as u64;
    if all <= 120.0 {
        format!("{} s", numbers::decimal(at, decimals))
    } else if all <= 7_200.0 {
        format!("{}:{:02}", whole / 60, whole % 60)
    } else {
        format!("{}:{:02} h", whole / 3_600, whole % 3_600 / 60)
    }
}

/// Returns the name of the time axis for a run of length `all`.
pub(in crate::render::html) fn since(all: f64) -> String {
    let unit = if all <= 120.0 {
        "seconds"
    } else if all <= 7_200.0 {
        "minutes:seconds"
    } else {
        "hours:minutes"
    };
    format!("time since the run began, {unit}")
}

/// Returns the number of decimals that distinguish ticks at this distance.
fn decimals(step: f64) -> usize {
    if step >= 1.0 { 0 } else { (-step.log10()).ceil().max(0.0) as usize }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: &Scale) -> Vec<String> {
        scale.ticks().into_iter().map(|tick| tick.text).collect()
    }

    #[test]
    fn marks_are_round_and_hold_what_is_drawn() {
        assert_eq!(texts(&Scale::from_zero(480.0)), ["0", "100", "200", "300", "400", "500"]);
        assert_eq!(texts(&Scale::from_zero(0.0)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts(&Scale::counts(2.0)), ["0", "1", "2"]);
        assert_eq!(texts(&Scale::counts(0.0)), ["0", "1"]);
        assert_eq!(texts(&Scale::counts(480.0)), texts(&Scale::from_zero(480.0)));
        assert_eq!(texts(&Scale::seconds(60.0)), ["0 s", "10 s", "20 s", "30 s", "40 s", "50 s", "60 s"]);
        assert_eq!(texts(&Scale::seconds(0.35)), ["0.0 s", "0.1 s", "0.2 s", "0.3 s"]);
        assert_eq!(texts(&Scale::seconds(600.0)), ["0:00", "2:00", "4:00", "6:00", "8:00", "10:00"]);
        assert_eq!(texts(&Scale::nines(4.2)), ["50", "90", "99", "99.9", "99.99"]);
        for max in [0.3, 1.0, 7.0, 99.0, 1_234_567.0] {
            let scale = Scale::from_zero(max);
            assert!(scale.high >= max && scale.place(max) > 0.7 && scale.ticks().len() <= 7, "{scale:?}");
        }
    }

    #[test]
    fn latencies_that_differ_widely_are_drawn_by_ratio() {
        let near = Scale::latencies(20.0, 90.0);
        assert!(!near.is_logarithmic() && texts(&near)[..2] == ["0", "20 ms"], "{near:?}");
        let far = Scale::latencies(0.8, 1_300.0);
        assert_eq!(texts(&far), ["0.1 ms", "1 ms", "10 ms", "100 ms", "1 s"]);
        assert!(far.high >= 1_300.0 && far.place(0.0) == 0.0 && (far.place(1_300.0) - 1.0).abs() < 0.1, "{far:?}");
        assert_eq!(texts(&Scale::latencies(0.0, 0.0))[0], "0");
    }
}
