//! Rates that change: ramps, holds, steps, spikes and waves, one after the other.
//!
//! A stage is a rate as a function of time; message `n` is due when the integral of the rates reaches `n`. Linear stages are
//! solved in closed form, waves by bisection.

use std::f64::consts::TAU;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{Rate, parse_duration};

/// Halvings of a wave's time: 2⁻⁶⁰ of an hour is less than a nanosecond.
const HALVINGS: u32 = 60;

/// Stages of a run, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Stages {
    text: String,
    stages: Vec<Stage>,
}

/// A stage, with what lies before it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stage {
    form: RateCurve,
    /// How long it lasts, seconds.
    seconds: f64,
    /// When it begins, seconds.
    begin: f64,
    /// Messages due before it.
    before: f64,
}

/// The rate over the time of a stage, messages a second.
#[derive(Debug, Clone, Copy, PartialEq)]
enum RateCurve {
    /// A straight line from one rate to another.
    Linear { from: f64, to: f64 },
    /// A wave about a mean, beginning there and rising.
    Sine { mean: f64, swing: f64, period: f64 },
}

impl RateCurve {
    /// Messages due in the first `t` seconds of a stage of that length.
    fn integral(self, t: f64, seconds: f64) -> f64 {
        match self {
            Self::Linear { from, to } => from * t + (to - from) * t * t / (2.0 * seconds),
            Self::Sine { mean, swing, period } => mean * t + swing * period / TAU * (1.0 - (TAU * t / period).cos()),
        }
    }

    /// The time at which so many messages are due.
    fn inverse(self, count: f64, seconds: f64) -> f64 {
        match self {
            _ if count <= 0.0 => 0.0, // where a ramp begins at nought, the root is 0/0
            Self::Linear { from, to } => {
                let slope = (to - from) / seconds;
                // The form of the root that does not lose digits where the slope is small.
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
    /// When message `n` is due, counted from 0; none once the stages have ended.
    pub(super) fn due(&self, n: u64) -> Option<Duration> {
        let n = n as f64;
        let at = self.stages.partition_point(|stage| stage.before + stage.messages() <= n);
        let stage = self.stages.get(at)?;
        let t = stage.form.inverse(n - stage.before, stage.seconds);
        Some(Duration::from_secs_f64(stage.begin + t.clamp(0.0, stage.seconds)))
    }

    /// Whether the last stage goes on as long as there are messages.
    pub(super) fn is_endless(&self) -> bool {
        self.stages.last().is_some_and(|last| last.seconds.is_infinite())
    }

    /// The rate at the end, messages a second; the highest one where they end at nought.
    pub fn last_rate(&self) -> f64 {
        let last = self.stages.last().map_or(0.0, |last| last.form.last());
        if last > 0.0 { last } else { self.highest() }
    }

    /// Messages of all stages; the largest number where there is no end to them.
    pub(super) fn messages(&self) -> u64 {
        self.stages.last().map_or(0, |last| (last.before + last.messages()).ceil() as u64)
    }

    /// How long so many messages take, or all it has room for, seconds; infinite where it has no end.
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

    /// Reads stages divided by commas:
    ///
    /// - `hold:5000/s:5m` (or `step`): one rate; the last stage may be without its time (`hold:5000/s`), and then goes on as
    ///   long as there are messages;
    /// - `ramp:0-5000/s:60s`, or `ramp:5000/s:60s` from the rate before it;
    /// - `spike:20000/s:10s`: up to that rate at once, and afterwards back to the rate before it for as long;
    /// - `sine:1000-5000/s:60s:10m`: between two rates, with that period, for that time.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut stages = Self { text: text.to_owned(), stages: Vec::new() };
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let wrong = |why: &str| format!("{word}: {why}");
            let parts: Vec<_> = word.split(':').map(str::trim).collect();
            let before = stages.stages.last().map_or(0.0, |stage| stage.form.last());
            let length = |text: &str| {
                let seconds = parse_duration(text).filter(|time| !time.is_zero()).map(|time| time.as_secs_f64());
                seconds.ok_or_else(|| wrong("give a length of time, such as 60s or 5m"))
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
                _ => {
                    return Err(wrong(
                        "give hold:RATE:TIME, ramp:FROM-TO:TIME, spike:RATE:TIME or sine:LOW-HIGH:PERIOD:TIME, such \
                         as ramp:0-5000/s:60s,hold:5000/s:5m; hold:RATE as the last one goes on until the input ends",
                    ));
                }
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

/// A rate, which in a stage may be nought.
fn parse_rate(text: &str) -> Result<f64, String> {
    if matches!(text.split('/').next(), Some("0" | "0.0")) {
        return Ok(0.0);
    }
    text.parse::<Rate>().map(Rate::per_second)
}

/// `FROM-TO/s`, or `TO/s` alone.
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
    fn a_wave_is_its_mean_over_whole_periods_and_never_goes_back() {
        let stages = stages("sine:100-300/s:2s:10s");
        assert_eq!(stages.messages(), 2_000);
        assert!((due(&stages, 400) - 2.0).abs() < 1e-6, "200 a second on the mean");
        // The rate is highest after half a second: 250 within the first second and some are due by then.
        let first = (0..2_000).take_while(|&n| due(&stages, n) < 1.0).count();
        assert!((262..=265).contains(&first), "{first}: 200 + 100 × 2 / π");
        assert!((1..2_000).all(|n| due(&stages, n) >= due(&stages, n - 1)));
    }

    #[test]
    fn spikes_go_back_to_the_rate_before_and_ramps_begin_there() {
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
    fn a_last_stage_without_a_time_holds_until_the_messages_end() {
        let stages = stages("ramp:0-200/s:5s,hold:200/s");
        assert_eq!((stages.messages(), stages.is_endless()), (u64::MAX, true));
        assert!((due(&stages, 500) - 5.0).abs() < 1e-9);
        assert!(
            (due(&stages, 4_144) - (5.0 + 3_644.0 / 200.0)).abs() < 1e-6,
            "5 s of ramp, and the rest at 200 a second"
        );
        assert!((due(&stages, 1_000_000_500) - 5_000_005.0).abs() < 1e-3);
        assert!((stages.seconds(Some(4_145.0)) - 23.22).abs() < 1e-6 && stages.seconds(None).is_infinite());
        assert_eq!(stages.to_string(), "ramp:0-200/s:5s,hold:200/s");
        assert!((stages.last_rate() - 200.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_no_stage_is_refused_by_name() {
        let message = |text: &str| text.parse::<Stages>().unwrap_err();
        for text in
            ["", "hold", "hold:0/s", "hold:x/s:1s", "hold:5/s:0s", "ramp:5-/s:1s", "jump:5/s:1s", "sine:5/s:1s:1s"]
        {
            assert!(!message(text).is_empty(), "{text}");
        }
        assert!(message("hold:5/s:1s,jump:5/s:1s").starts_with("jump:5/s:1s: give hold:RATE:TIME"));
        assert!(message("hold:5/s,hold:6/s:1s").contains("only the last one may"));
        assert!(message("ramp:0-5/s").contains("hold:RATE as the last one"));
        assert!(message("sine:9-5/s:1s:1s").contains("lower rate"));
        assert!(message("hold:0/s:5s").contains("no messages"));
    }
}
