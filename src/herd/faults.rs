//! What goes wrong between a lot and its file, and how often. Owns how faults are read, their rates and the choice for a
//! reading; leaves the words to `fault`, carrying them out to `delivery` and how a line is broken to `malformed`.

use std::fmt;
use std::str::FromStr;

use super::Error;
use super::fault::{Fault, Malformed};
use super::random::KeyedRng;

impl FromStr for Fault {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|fault| fault.name() == text).ok_or_else(|| Error::FaultKind(text.to_owned()))
    }
}

impl FromStr for Malformed {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| Error::Malformed(text.to_owned()))
    }
}

/// How often each fault happens; by default none does.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Faults {
    /// Share of readings, 0 to 1, a fault; with `kinds` their sum is at most 1.
    rates: [f64; Fault::ALL.len()],
    /// Share of readings, 0 to 1, that are malformed in this one way, beside those malformed in any way.
    kinds: [f64; Malformed::ALL.len()],
    /// The sum of all of them.
    sum: f64,
}

impl Faults {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads `duplicate=0.01,malformed.text=0.05`: faults and shares of readings (0 to 1), in any order; an empty text is
    /// no faults. `malformed` is any kind of it, `malformed.KIND` the one.
    ///
    /// # Errors
    /// A fault that is unknown or given twice, a rate that is no number from 0 to 1, or rates that add up to more than 1.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut faults = Self::none();
        let mut seen = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (fault, rate) = part.split_once('=').ok_or_else(|| Error::FaultSyntax(part.to_owned()))?;
            let (fault, rate) = (fault.trim(), rate.trim());
            let place = faults.place(fault)?;
            let share = rate.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
            *place = share.ok_or_else(|| Error::FaultRate { fault: fault.to_owned(), rate: rate.to_owned() })?;
            if seen.contains(&fault) {
                return Err(Error::FaultTwice(fault.to_owned()));
            }
            seen.push(fault);
        }
        faults.sum = faults.rates.iter().chain(&faults.kinds).sum();
        // A hair above 1 is how ten tenths add up in binary.
        if faults.sum > 1.0 + 1e-9 {
            return Err(Error::FaultSum(faults.sum));
        }
        Ok(faults)
    }

    fn place(&mut self, word: &str) -> Result<&mut f64, Error> {
        match word.strip_prefix("malformed.") {
            Some(kind) => {
                let kind: Malformed = kind.parse()?;
                Ok(&mut self.kinds[kind as usize])
            }
            None => Ok(&mut self.rates[word.parse::<Fault>()? as usize]),
        }
    }

    /// The share of readings a fault happens to, 0 to 1.
    pub fn rate(&self, fault: Fault) -> f64 {
        let kinds = if fault == Fault::Malformed { self.kinds.iter().sum() } else { 0.0 };
        self.rates[fault as usize] + kinds
    }

    /// Whether anything goes wrong at all.
    pub(super) fn happen(&self) -> bool {
        self.sum > 0.0
    }

    /// Whether nothing of the day to which this chance belongs is delivered.
    pub(super) fn loses_day(&self, rng: KeyedRng) -> bool {
        share(rng) < self.rates[Fault::MissingDay as usize]
    }

    /// What happens to the reading with this chance, of a day that is delivered: at most one fault.
    pub(super) fn choose(&self, rng: KeyedRng) -> Option<InjectedFault> {
        let days = self.rates[Fault::MissingDay as usize];
        // Of the days that are left, so much more often: rates are shares of all readings.
        let mut left = share(rng) * (1.0 - days);
        if left >= self.sum - days {
            return None;
        }
        for fault in Fault::ALL.into_iter().filter(|&fault| fault != Fault::MissingDay) {
            if left < self.rates[fault as usize] {
                let any = || Malformed::ALL[rng.with(b'k').between(0, Malformed::ALL.len() as u32 - 1) as usize];
                return Some(InjectedFault { fault, kind: (fault == Fault::Malformed).then(any) });
            }
            left -= self.rates[fault as usize];
        }
        for kind in Malformed::ALL {
            if left < self.kinds[kind as usize] {
                return Some(InjectedFault { fault: Fault::Malformed, kind: Some(kind) });
            }
            left -= self.kinds[kind as usize];
        }
        None
    }
}

/// A number from 0 to 1, 1 excluded.
fn share(rng: KeyedRng) -> f64 {
    (rng.bits() >> 11) as f64 / (1u64 << 53) as f64
}

/// A fault with its kind, where it has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InjectedFault {
    /// The fault.
    pub fault: Fault,
    /// How a malformed line is malformed.
    pub kind: Option<Malformed>,
}

impl From<Fault> for InjectedFault {
    fn from(fault: Fault) -> Self {
        Self { fault, kind: None }
    }
}

impl FromStr for Faults {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl fmt::Display for Faults {
    /// The text that [`Faults::parse`] reads; empty without faults.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = Fault::ALL.into_iter().map(|fault| (fault.name().to_owned(), self.rates[fault as usize]));
        let kinds = Malformed::ALL.into_iter().map(|kind| (format!("malformed.{kind}"), self.kinds[kind as usize]));
        for (n, (word, rate)) in words.chain(kinds).filter(|&(_, rate)| rate > 0.0).enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(f, "{comma}{word}={rate}")?;
        }
        Ok(())
    }
}

/// How many readings each fault happened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultCounts([u64; Fault::ALL.len()]);

impl FaultCounts {
    /// How many readings one fault happened to.
    pub fn get(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    /// Name and count of every fault, also of those that never happened.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Fault::ALL.into_iter().map(|fault| (fault.name(), self.get(fault)))
    }

    /// How many readings had a fault.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(super) fn count(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }
}

impl std::ops::AddAssign for FaultCounts {
    fn add_assign(&mut self, other: Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_print_as_the_text_they_are_read_from() {
        let faults = Faults::parse(" late=0.05, duplicate = 0.01 ,malformed.text=0.5,malformed=0.25,zero=0").unwrap();
        assert_eq!(faults.to_string(), "duplicate=0.01,late=0.05,malformed=0.25,malformed.text=0.5");
        assert_eq!(faults.to_string().parse::<Faults>().unwrap(), faults);
        assert_eq!(faults.rate(Fault::Malformed), 0.75);
        assert_eq!(Faults::parse("").unwrap(), Faults::none());
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let message = |text: &str| Faults::parse(text).unwrap_err().to_string();
        assert!(message("lost=0.1").starts_with("fault \"lost\" is unknown: use one of duplicate, late, out_of_order"));
        assert!(
            message("malformed.lost=0.1").starts_with("malformed has no kind \"lost\": use one of truncated, garbage")
        );
        assert!(message("late").contains("not kind=rate"));
        assert!(message("late=0.1,late=0.1").contains("fault late is given twice"));
        assert!(message("malformed.nan=0.1,malformed.nan=0.1").contains("malformed.nan is given twice"));
        for rate in ["1.1", "-0.1", "NaN", "many", ""] {
            assert!(message(&format!("late={rate}")).contains("between 0 and 1"), "{rate}");
        }
        assert!(message("late=0.6,malformed.text=0.6").contains("add up to 1.2"));
    }

    #[test]
    fn rates_of_ten_tenths_are_not_too_many() {
        let all = Fault::ALL.map(|fault| format!("{fault}=0.1")).join(",");
        let all = Faults::parse(&all).unwrap();
        assert!((0..1_000u64).all(|n| all.choose(KeyedRng::new(n)).is_some()));
    }

    #[test]
    fn every_kind_of_malformed_comes_about_as_often_as_any_other() {
        let faults = Faults::parse("malformed=1").unwrap();
        let mut counts = [0; Malformed::ALL.len()];
        for n in 0..13_000_u64 {
            let chosen = faults.choose(KeyedRng::new(n)).unwrap();
            counts[chosen.kind.unwrap() as usize] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}
