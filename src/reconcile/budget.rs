//! Amount of drift that an audit accepts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Accepted drift: a number of findings, or a fraction of the ids on both sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    /// Maximum number of findings.
    Count(u64),
    /// Maximum number of findings per 100 compared ids, 0 to 100. As a fraction it would not be printed as it was written.
    Share(f64),
}

impl Budget {
    /// Returns true if `findings` among `ids` are within the budget.
    #[allow(clippy::cast_precision_loss, reason = "counts of rows")]
    pub fn allows(self, findings: u64, ids: u64) -> bool {
        match self {
            Self::Count(max) => findings <= max,
            Self::Share(percent) => findings as f64 <= percent / 100.0 * ids as f64,
        }
    }
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("{text:?} is neither a count nor a share: give 25 or 0.1%");
        match text.trim().strip_suffix('%') {
            None => text.trim().parse().map(Self::Count).map_err(|_| refuse()),
            Some(percent) => {
                let percent: f64 = percent.trim().parse().map_err(|_| refuse())?;
                if (0.0..=100.0).contains(&percent) { Ok(Self::Share(percent)) } else { Err(refuse()) }
            }
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(max) => write!(f, "{max}"),
            Self::Share(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Serialize for Budget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Budget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_a_count_or_a_share_and_includes_its_limit() {
        let parse = |text: &str| text.parse::<Budget>();
        assert!(parse("25").unwrap().allows(25, 30) && !parse("25").unwrap().allows(26, 1_000_000));
        let share = parse("0.1%").unwrap();
        assert!(share.allows(10, 10_000) && !share.allows(11, 10_000) && !share.allows(1, 0) && share.allows(0, 0));
        assert_eq!(share.to_string(), "0.1%");
        for invalid in ["", "-1", "1.5", "101%", "-1%", "nan%", "%", "a few"] {
            assert!(parse(invalid).unwrap_err().contains("0.1%"), "{invalid}");
        }
    }
}
