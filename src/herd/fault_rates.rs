//! Fault rates: parsing, and choosing the fault of a reading. `fault` has the names, `delivery` injects faults, and
//! `malformed` breaks lines.

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

/// Rate of each fault; the default is no faults.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Faults {
    /// Fraction of readings (0 to 1) per fault. The sum of these and `kinds` is at most 1.
    rates: [f64; Fault::ALL.len()],
    /// Fraction of readings (0 to 1) per subtype of malformed, in addition to the rate of `malformed` itself.
    kinds: [f64; Malformed::ALL.len()],
    /// The sum of all rates.
    sum: f64,
}

impl Faults {
    /// Returns a configuration without faults.
    pub fn none() -> Self {
        Self::default()
    }

    /// Parses faults and their rates in any order, such as `duplicate=0.01,malformed.text=0.05`. A rate is a fraction
    /// of readings (0 to 1). An empty text means no faults. `malformed` is a random subtype, `malformed.KIND` a
    /// specific one.
    ///
    /// # Errors
    ///
    /// Returns an error if a fault is unknown or given twice, a rate is not a number from 0 to 1, or the rates add up
    /// to more than 1.
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
        // Tolerance for rounding: ten times 0.1 can exceed 1 in binary.
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

    /// Returns the fraction of readings with that fault, 0 to 1.
    pub fn rate(&self, fault: Fault) -> f64 {
        let kinds = if fault == Fault::Malformed { self.kinds.iter().sum() } else { 0.0 };
        self.rates[fault as usize] + kinds
    }

    /// Returns true if there are any faults.
    pub(super) fn happen(&self) -> bool {
        self.sum > 0.0
    }

    /// Returns true if the day of this random key is not delivered.
    pub(super) fn loses_day(&self, rng: KeyedRng) -> bool {
        share(rng) < self.rates[Fault::MissingDay as usize]
    }

    /// Chooses the fault, if any, of the reading with this random key, on a day that is delivered.
    pub(super) fn choose(&self, rng: KeyedRng) -> Option<InjectedFault> {
        let days = self.rates[Fault::MissingDay as usize];
        // Rates are fractions of all readings, so they are higher among those of delivered days.
        let mut left = share(rng) * (1.0 - days);
        if left >= self.sum - days {
            return None;
        }
        for fault in Fault::ALL.into_iter().filter(|&fault| fault != Fault::MissingDay) {
            if left < self.rates[fault as usize] {
                let any = || Malformed::ALL[rng.with(b'k').between(0, Malformed::ALL.len() as u32 - 1) as usize];
                return Some(InjectedFault { fault, malformed: (fault == Fault::Malformed).then(any) });
            }
            left -= self.rates[fault as usize];
        }
        for kind in Malformed::ALL {
            if left < self.kinds[kind as usize] {
                return Some(InjectedFault { fault: Fault::Malformed, malformed: Some(kind) });
            }
            left -= self.kinds[kind as usize];
        }
        None
    }
}

/// Returns a number from 0 (inclusive) to 1 (exclusive).
fn share(rng: KeyedRng) -> f64 {
    (rng.bits() >> 11) as f64 / (1u64 << 53) as f64
}

/// A fault with its subtype.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InjectedFault {
    /// The fault.
    pub fault: Fault,
    /// How a malformed line is malformed; `None` for other faults.
    pub malformed: Option<Malformed>,
}

impl From<Fault> for InjectedFault {
    fn from(fault: Fault) -> Self {
        Self { fault, malformed: None }
    }
}

impl FromStr for Faults {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl fmt::Display for Faults {
    /// Writes the text that [`Faults::parse`] reads; empty without faults.
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

/// Number of readings per fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultCounts([u64; Fault::ALL.len()]);

impl FaultCounts {
    /// Returns the number of readings with one fault.
    pub fn get(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    /// Iterates over name and count of every fault, including those with count 0.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Fault::ALL.into_iter().map(|fault| (fault.name(), self.get(fault)))
    }

    /// Returns the number of readings with any fault.
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
    fn faults_survive_a_text_round_trip() {
        let faults = Faults::parse(" late=0.05, duplicate = 0.01 ,malformed.text=0.5,malformed=0.25,zero=0").unwrap();
        assert_eq!(faults.to_string(), "duplicate=0.01,late=0.05,malformed=0.25,malformed.text=0.5");
        assert_eq!(faults.to_string().parse::<Faults>().unwrap(), faults);
        assert_eq!(faults.rate(Fault::Malformed), 0.75);
        assert_eq!(Faults::parse("").unwrap(), Faults::none());
    }

    #[test]
    fn invalid_faults_are_rejected() {
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
    fn ten_rates_of_one_tenth_are_valid() {
        let all = Fault::ALL.map(|fault| format!("{fault}=0.1")).join(",");
        let all = Faults::parse(&all).unwrap();
        assert!((0..1_000u64).all(|n| all.choose(KeyedRng::new(n)).is_some()));
    }

    #[test]
    fn all_subtypes_of_malformed_are_equally_frequent() {
        let faults = Faults::parse("malformed=1").unwrap();
        let mut counts = [0; Malformed::ALL.len()];
        for n in 0..13_000_u64 {
            let chosen = faults.choose(KeyedRng::new(n)).unwrap();
            counts[chosen.malformed.unwrap() as usize] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}
