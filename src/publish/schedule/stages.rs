//! Changing rates: a sequence of ramps, holds, steps, spikes and waves.
//!
//! A stage is a rate as a function of time. Message `n` is due when the integral of the rate reaches `n`. Linear stages
//! are solved in closed form, waves by bisection.

use std::f64::consts::TAU;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Rate;
use crate::units;

/// Bisection steps for a wave: 2⁻⁶⁰ of an hour is less than a nanosecond.
const HALVINGS: u32 = 60;

/// The stages of a run, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Stages {
    text: String,
    stages: Vec<Stage>,
}

/// One stage, with its start time and the messages before it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stage {
    form: RateCurve,
    /// Duration in seconds; infinite for an endless last stage.
    seconds: f64,
    /// Start in seconds since the start of the run.
    begin: f64,
    /// Messages due before it.
    before: f64,
}

/// The rate over the time of a stage, in messages per second.
#[derive(Debug, Clone, Copy, PartialEq)]
enum RateCurve {
    /// A straight line from one rate to another.
    Linear { from: f64, to: f64 },
    /// A sine wave that starts at its mean and rises.
    Sine { mean: f64, swing: f64, period: f64 },
}

impl RateCurve {
    /// Returns the messages due in the first `t` seconds of a stage of `seconds` seconds.
    fn integral(self, t: f64, seconds: f64) -> f64 {
        match self {
            Self::Linear { from, to } => from * t + (to - from) * t * t / (2.0 * seconds),
            Self::Sine { mean, swing, period } => mean * t + swing * period / TAU * (1.0 - (TAU * t / period).cos()),
        }
    }

    /// Returns the time at which `count` messages are due, in seconds.
    fn inverse(self, count: f64, seconds: f64) -> f64 {
        match self {
            _ if count <= 0.0 => 0.0, // the root is 0/0 if a ramp starts at 0
            Self::Linear { from, to } => {
                let slope = (to - from) / seconds;
                // This form of the root keeps its precision when the slope is small.
                2.0 * count / (from + (from * from + 2.0 * slope * count).max(0.0).sqrt())
            }
            Self::Sine { .. } => {
                let (mut low, mut high) = (0.0, seconds);
                for _ in 0..HALVINGS {
                    let middle = f64::midpoint(low, high);
                    if self.integral(middle, seconds) < count { low = middle } else { high = middle }
                }
                high
            }
        }
    }

    fn highest(self) -> f64 {
        match self {
            Self::Linear { from, to } => from.max(to),
            Self::Sine { mean, swing, .. } => mean + swing,
        }
    }

    fn last(self) -> f64 {
        match self {
            Self::Linear { to, .. } => to,
            Self::Sine { mean, .. } => mean,
        }
    }
}

impl Stages {
    /// Returns when message `n`, counted from 0, is due; `None` after the last stage.
    pub(super) fn due(&self, n: u64) -> Option<Duration> {
        let n = n as f64;
        let at = self.stages.partition_point(|stage| stage.before + stage.messages() <= n);
        let stage = self.stages.get(at)?;
        let t = stage.form.inverse(n - stage.before, stage.seconds);
        Some(Duration::from_secs_f64(stage.begin + t.clamp(0.0, stage.seconds)))
    }

    /// Returns true if the last stage has no end.
    pub(super) fn is_endless(&self) -> bool {
        self.stages.last().is_some_and(|last| last.seconds.is_infinite())
    }

    /// Returns the rate at the end, in messages per second; the highest rate if the stages end at 0.
    pub fn last_rate(&self) -> f64 {
        let last = self.stages.last().map_or(0.0, |last| last.form.last());
        if last > 0.0 { last } else { self.highest() }
    }

    /// Returns the messages of all stages; `u64::MAX` if there is no end.
    pub(super) fn messages(&self) -> u64 {
        self.stages.last().map_or(0, |last| (last.before + last.messages()).ceil() as u64)
    }

    /// Returns the duration of `messages` messages, or else of all stages, in seconds; infinite without an end.
    pub(super) fn seconds(&self, messages: Option<f64>) -> f64 {
        let whole = self.stages.last().map_or(0.0, |last| last.begin + last.seconds);
        let last = messages.map(|messages| (messages.max(1.0) - 1.0) as u64);
        last.and_then(|last| self.due(last)).map_or(whole, |due| due.as_secs_f64())
    }

    pub(super) fn highest(&self) -> f64 {
        self.stages.iter().map(|stage| stage.form.highest()).fold(0.0, f64::max)
    }
}

impl Stage {
    fn messages(&self) -> f64 {
        if self.seconds.is_infinite() {
            return f64::INFINITY;
        }
        self.form.integral(self.seconds, self.seconds)
    }
}

impl fmt::Display for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Stages {
    type Err = String;

    /// Parses stages separated by commas:
    ///
    /// - `hold:5000/s:5m` (or `step`): a constant rate. The last stage may have no time (`hold:5000/s`) and then lasts
    ///   until the messages end.
    /// - `ramp:0-5000/s:60s`, or `ramp:5000/s:60s` from the rate of the stage before.
    /// - `spike:20000/s:10s`: that rate at once, and then the rate of the stage before for the same time.
    /// - `sine:1000-5000/s:60s:10m`: a wave between two rates, with its period and its duration.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut stages = Self { text: text.to_owned(), stages: Vec::new() };
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let wrong = |why: &str| format!("{word}: {why}");
            let parts: Vec<_> = word.split(':').map(str::trim).collect();
            let before = stages.stages.last().map_or(0.0, |stage| stage.form.last());
            let length = |text: &str| match units::duration(text).map_err(|e| wrong(&e))?.as_secs_f64() {
                0.0 => Err(wrong("a stage needs a time above 0: write 60s or 5m")),
                seconds => Ok(seconds),
            };
            let constant = |rate: f64| RateCurve::Linear { from: rate, to: rate };
            if stages.is_endless() {
                return Err(wrong("the stage before it has no time and so never ends: only the last one may"));
            }
            match parts[..] {
                ["hold" | "step", rate, long] => {
                    stages.push(constant(parse_rate(rate).map_err(|e| wrong(&e))?), length(long)?);
                }
                ["hold" | "step", rate] => {
                    let rate = parse_rate(rate).map_err(|e| wrong(&e))?;
                    if rate <= 0.0 {
                        return Err(wrong("nothing would ever be sent: give it a time, or a rate"));
                    }
                    stages.push(constant(rate), f64::INFINITY);
                }
                ["ramp", rates, long] => {
                    let (from, to) = parse_rate_range(rates).map_err(|e| wrong(&e))?;
                    stages.push(RateCurve::Linear { from: from.unwrap_or(before), to }, length(long)?);
                }
                ["spike", rate, long] => {
                    let (rate, long) = (parse_rate(rate).map_err(|e| wrong(&e))?, length(long)?);
                    stages.push(constant(rate), long);
                    if before > 0.0 {
                        stages.push(constant(before), long);
                    }
                }
                ["sine", rates, period, long] => {
                    let (Some(low), high) = parse_rate_range(rates).map_err(|e| wrong(&e))? else {
                        return Err(wrong("give the lowest and the highest rate, such as 1000-5000/s"));
                    };
                    if low > high {
                        return Err(wrong("the lower rate comes first"));
                    }
                    let (mean, swing) = (f64::midpoint(low, high), (high - low) / 2.0);
                    stages.push(RateCurve::Sine { mean, swing, period: length(period)? }, length(long)?);
                }
                _ => return Err(wrong(&malformed(&parts))),
            }
        }
        if stages.messages() == 0 {
            return Err("has no messages: give stages such as ramp:0-5000/s:60s,hold:5000/s:5m".into());
        }
        Ok(stages)
    }
}

impl Stages {
    fn push(&mut self, form: RateCurve, seconds: f64) {
        let (begin, before) =
            self.stages.last().map_or((0.0, 0.0), |last| (last.begin + last.seconds, last.before + last.messages()));
        self.stages.push(Stage { form, seconds, begin, before });
    }
}

/// Returns what a stage lacks, with the complete form.
fn malformed(parts: &[&str]) -> String {
    match *parts {
        ["hold" | "step"] => "its rate is missing: write hold:5000/s:5m".into(),
        ["ramp"] => "its rates are missing: write ramp:0-5000/s:60s".into(),
        ["spike"] => "its rate is missing: write spike:5000/s:60s".into(),
        ["sine"] => "its rates are missing: write sine:1000-5000/s:60s:10m".into(),
        [kind @ ("ramp" | "spike"), rates] => format!("its time is missing: write {kind}:{rates}:60s"),
        ["sine", rates] => format!("its period and its time are missing: write sine:{rates}:60s:10m"),
        ["sine", rates, period] => format!("its time is missing: write sine:{rates}:{period}:10m"),
        [kind, ..] => {
            let is_known = ["hold", "step", "ramp", "spike", "sine"].contains(&kind);
            let what = if is_known { "it has too many parts".to_owned() } else { format!("{kind:?} is not a stage") };
            format!(
                "{what}: write hold:RATE:TIME, ramp:FROM-TO:TIME, spike:RATE:TIME or sine:LOW-HIGH:PERIOD:TIME, such as \
                 ramp:0-5000/s:60s,hold:5000/s:5m; a last hold:RATE lasts until the input ends"
            )
        }
        [] => "it is empty".into(),
    }
}

/// Parses a rate, which may be 0 in a stage.
fn parse_rate(text: &str) -> Result<f64, String> {
    if matches!(text.split('/').next(), Some("0" | "0.0")) {
        return Ok(0.0);
    }
    text.parse::<Rate>().map(Rate::per_second)
}

/// Parses `FROM-TO/s`, or `TO/s` alone.
fn parse_rate_range(text: &str) -> Result<(Option<f64>, f64), String> {
    let Some((from, to)) = text.split_once('-') else { return Ok((None, parse_rate(text)?)) };
    let unit = to.split_once('/').map(|(_, unit)| unit);
    let from = match unit {
        Some(unit) if !from.contains('/') => parse_rate(&format!("{from}/{unit}"))?,
        _ => parse_rate(from)?,
    };
    Ok((Some(from), parse_rate(to)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages(text: &str) -> Stages {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    fn due(stages: &Stages, n: u64) -> f64 {
        stages.due(n).unwrap().as_secs_f64()
    }

    #[test]
    fn a_ramp_is_the_inverse_of_its_integral() {
        let stages = stages("ramp:0-1000/s:10s,hold:1000/s:5s");
        assert_eq!((stages.messages(), stages.due(0)), (10_000, Some(Duration::ZERO)));
        // n = 50 t², so message 1,250 is due after 5 s.
        assert!((due(&stages, 1_250) - 5.0).abs() < 1e-9);
        assert!((due(&stages, 5_000) - 10.0).abs() < 1e-9);
        assert!((due(&stages, 7_000) - 12.0).abs() < 1e-9);
        assert_eq!(stages.due(10_000), None);
        assert!((stages.highest() - 1_000.0).abs() < 1e-9);
    }

    #[test]
    fn a_wave_has_its_mean_rate_over_full_periods() {
        let stages = stages("sine:100-300/s:2s:10s");
        assert_eq!(stages.messages(), 2_000);
        assert!((due(&stages, 400) - 2.0).abs() < 1e-6, "200 per second on average");
        // The rate peaks after half a second, so more than 250 messages are due within the first second.
        let first = (0..2_000).take_while(|&n| due(&stages, n) < 1.0).count();
        assert!((262..=265).contains(&first), "{first}: 200 + 100 × 2 / π");
        assert!((1..2_000).all(|n| due(&stages, n) >= due(&stages, n - 1)));
    }

    #[test]
    fn after_a_spike_the_rate_before_it_returns() {
        let stages = stages("hold:100/s:1s,spike:1000/s:1s,ramp:0/s:2s");
        assert_eq!(stages.messages(), 100 + 1_000 + 100 + 100);
        assert!((due(&stages, 600) - 1.5).abs() < 1e-9);
        assert!((due(&stages, 1_150) - 2.5).abs() < 1e-9);
        assert!((due(&stages, 1_200) - 3.0).abs() < 1e-9);
        assert_eq!(stages.to_string(), "hold:100/s:1s,spike:1000/s:1s,ramp:0/s:2s");
    }

    #[test]
    fn a_stage_without_messages_is_a_pause() {
        let stages = stages("hold:10/s:1s,hold:0/s:5s,hold:10/s:1s");
        assert_eq!(stages.messages(), 20);
        assert!((due(&stages, 9) - 0.9).abs() < 1e-9);
        assert!((due(&stages, 10) - 6.0).abs() < 1e-9);
    }

    #[test]
    fn a_last_stage_without_a_time_lasts_until_the_messages_end() {
        let stages = stages("ramp:0-200/s:5s,hold:200/s");
        assert_eq!((stages.messages(), stages.is_endless()), (u64::MAX, true));
        assert!((due(&stages, 500) - 5.0).abs() < 1e-9);
        assert!(
            (due(&stages, 4_144) - (5.0 + 3_644.0 / 200.0)).abs() < 1e-6,
            "5 s of ramp, and the rest at 200 per second"
        );
        assert!((due(&stages, 1_000_000_500) - 5_000_005.0).abs() < 1e-3);
        assert!((stages.seconds(Some(4_145.0)) - 23.22).abs() < 1e-6 && stages.seconds(None).is_infinite());
        assert_eq!(stages.to_string(), "ramp:0-200/s:5s,hold:200/s");
        assert!((stages.last_rate() - 200.0).abs() < 1e-9);
    }

    #[test]
    fn an_invalid_stage_is_rejected_by_name() {
        let message = |text: &str| text.parse::<Stages>().unwrap_err();
        for text in
            ["", "hold", "hold:0/s", "hold:x/s:1s", "hold:5/s:0s", "ramp:5-/s:1s", "jump:5/s:1s", "sine:5/s:1s:1s"]
        {
            assert!(!message(text).is_empty(), "{text}");
        }
        assert!(message("hold:5/s:1s,jump:5/s:1s").starts_with("jump:5/s:1s: \"jump\" is not a stage: write hold"));
        assert!(message("ramp:200/s:5").contains("write 5ms, 5s or 5m"));
        assert!(message("hold:200:5s").contains("write 200/s"));
        assert!(message("hold:5/s,hold:6/s:1s").contains("only the last one may"));
        for (text, end) in [
            ("ramp:0-200/s", "its time is missing: write ramp:0-200/s:60s"),
            ("sine:1-5/s", "its period and its time are missing: write sine:1-5/s:60s:10m"),
            ("sine:1-5/s:60s", "its time is missing: write sine:1-5/s:60s:10m"),
            ("hold", "its rate is missing: write hold:5000/s:5m"),
        ] {
            assert_eq!(message(text), format!("{text}: {end}"));
        }
        assert!(message("hold:5/s:1s:1s").contains("too many parts"));
        assert!(message("sine:9-5/s:1s:1s").contains("lower rate"));
        assert!(message("hold:0/s:5s").contains("no messages"));
    }
}
