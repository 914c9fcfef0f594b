//! What goes wrong between a lot and its file, and how often. Owns the kinds, their rates and the choice for a reading;
//! leaves carrying them out to `delivery`.

use std::fmt;
use std::str::FromStr;

use super::Error;
use super::chance::Chance;

/// One way a reading is delivered badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// Its line stands in the file twice.
    Duplicate,
    /// Its line breaks off: no JSON, or a CSV row of fewer than ten fields.
    Malformed,
    /// It is in the file of a day 1 to 3 days later, or of the last day if that comes first.
    Late,
    /// It is never delivered.
    Missing,
    /// Its intake is 0.
    Zero,
    /// Its mean weight is negative.
    Negative,
    /// Its intake is a word.
    Text,
    /// A wrong intake comes first, and right after it a second reading of the same natural key with the true one.
    Correction,
}

impl Fault {
    /// All kinds, in the order of [`FaultCounts`].
    pub const ALL: [Self; 8] = [
        Self::Duplicate,
        Self::Malformed,
        Self::Late,
        Self::Missing,
        Self::Zero,
        Self::Negative,
        Self::Text,
        Self::Correction,
    ];

    /// The word for it on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Malformed => "malformed",
            Self::Late => "late",
            Self::Missing => "missing",
            Self::Zero => "zero",
            Self::Negative => "negative",
            Self::Text => "text",
            Self::Correction => "correction",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Fault {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|fault| fault.name() == text).ok_or_else(|| Error::FaultKind(text.to_owned()))
    }
}

/// How often each kind of fault happens; by default none does.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Faults {
    /// Share of readings, 0 to 1, a kind; their sum is at most 1.
    rates: [f64; Fault::ALL.len()],
}

impl Faults {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads `duplicate=0.01,late=0.05`: kinds and shares of readings (0 to 1), in any order; an empty text is no faults.
    ///
    /// # Errors
    /// A kind that is unknown or given twice, a rate that is no number from 0 to 1, or rates that add up to more than 1.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut faults = Self::none();
        let mut seen = [false; Fault::ALL.len()];
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (kind, rate) = part.split_once('=').ok_or_else(|| Error::FaultSyntax(part.to_owned()))?;
            let fault: Fault = kind.trim().parse()?;
            if std::mem::replace(&mut seen[fault as usize], true) {
                return Err(Error::FaultTwice(fault));
            }
            let rate = rate.trim();
            let share = rate.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
            faults.rates[fault as usize] = share.ok_or_else(|| Error::FaultRate { fault, rate: rate.to_owned() })?;
        }
        let sum: f64 = faults.rates.iter().sum();
        // A hair above 1 is how ten tenths add up in binary.
        if sum > 1.0 + 1e-9 {
            return Err(Error::FaultSum(sum));
        }
        Ok(faults)
    }

    /// The share of readings a kind of fault happens to, 0 to 1.
    pub fn rate(&self, fault: Fault) -> f64 {
        self.rates[fault as usize]
    }

    /// What happens to the reading with this chance: at most one fault.
    pub(super) fn choose(&self, chance: Chance) -> Option<Fault> {
        let mut left = (chance.bits() >> 11) as f64 / (1u64 << 53) as f64;
        for fault in Fault::ALL {
            if left < self.rate(fault) {
                return Some(fault);
            }
            left -= self.rate(fault);
        }
        None
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
        let given = Fault::ALL.into_iter().filter(|&fault| self.rate(fault) > 0.0);
        for (n, fault) in given.enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(f, "{comma}{fault}={}", self.rate(fault))?;
        }
        Ok(())
    }
}

/// How many readings each kind of fault happened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultCounts([u64; Fault::ALL.len()]);

impl FaultCounts {
    /// How many readings one kind happened to.
    pub fn get(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    /// Name and count of every kind, also of those that never happened.
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
        let faults = Faults::parse(" late=0.05, duplicate = 0.01 ,text=0").unwrap();
        assert_eq!(faults.to_string(), "duplicate=0.01,late=0.05");
        assert_eq!(faults.to_string().parse::<Faults>().unwrap(), faults);
        assert_eq!(Faults::parse("").unwrap(), Faults::none());
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let said = |text: &str| Faults::parse(text).unwrap_err().to_string();
        assert!(said("lost=0.1").starts_with("fault \"lost\" is unknown: use one of duplicate, malformed, late"));
        assert!(said("late").contains("not kind=rate"));
        assert!(said("late=0.1,late=0.1").contains("given twice"));
        for rate in ["1.1", "-0.1", "NaN", "many", ""] {
            assert!(said(&format!("late={rate}")).contains("between 0 and 1"), "{rate}");
        }
        assert!(said("late=0.6,zero=0.6").contains("add up to 1.2"));
    }

    #[test]
    fn rates_of_ten_tenths_are_not_too_many() {
        let eight = Fault::ALL.map(|fault| format!("{fault}=0.125")).join(",");
        let all = Faults::parse(&eight).unwrap();
        assert!((0..1_000u64).all(|n| all.choose(Chance::new(n)).is_some()));
    }
}
