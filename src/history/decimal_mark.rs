//! The decimal mark of numbers in text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Decimal mark of the numbers of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DecimalMark {
    /// `234.941`
    #[serde(rename = ".")]
    Point,
    /// `234,941`, as written by spreadsheets in Brazil.
    #[serde(rename = ",")]
    Comma,
}

impl DecimalMark {
    /// Returns the name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Point => "point",
            Self::Comma => "comma",
        }
    }

    /// Returns the character.
    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::Point => b'.',
            Self::Comma => b',',
        }
    }

    /// Returns the other mark.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Point => Self::Comma,
            Self::Comma => Self::Point,
        }
    }
}

impl fmt::Display for DecimalMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DecimalMark {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "point" | "." => Ok(Self::Point),
            "comma" | "," => Ok(Self::Comma),
            _ => Err(format!("{text:?} is unknown: use point (1,234.5) or comma (1.234,5)")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_given_by_name_or_character() {
        for (text, mark) in [("point", DecimalMark::Point), (",", DecimalMark::Comma), ("Comma", DecimalMark::Comma)] {
            assert_eq!(text.parse(), Ok(mark));
        }
        assert!("dot".parse::<DecimalMark>().unwrap_err().contains("use point (1,234.5) or comma (1.234,5)"));
    }
}
