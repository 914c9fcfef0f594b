//! Settings for input files that their content does not show: format, encoding, and the order of dates.

use std::fmt;
use std::str::FromStr;

use pipeline::record::DateOrder;
use serde::{Deserialize, Serialize};

use super::decimal_mark::DecimalMark;
use crate::compression::MaxExpansion;
use crate::herd::LineFormat;

/// Settings of the user for all input files of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InputSettings {
    /// Format of text files; `None` to detect it.
    pub format: Option<LineFormat>,
    /// Encoding of text files that are not UTF-8; `None` if all are.
    pub encoding: Option<Encoding>,
    /// Order of day and month in dates such as `05/03/2023`; `None` to reject such dates.
    pub date_order: Option<DateOrder>,
    /// Decimal mark of the numbers in CSV; `None` to detect it.
    pub decimal_mark: Option<DecimalMark>,
    /// Limit on the size of decompressed content.
    pub max_expansion: MaxExpansion,
    /// Whether the messages of a pipe are needed as they arrive. Otherwise its first 64 KiB, or all of it, are read before
    /// its format is detected, as of a file.
    pub is_live: bool,
}

impl InputSettings {
    /// Returns what identifies a run with other than the default settings: other settings make other messages.
    pub(crate) fn identity(self) -> Option<String> {
        let encoding = self.encoding.map(|encoding| format!("encoding {encoding}"));
        let order = self.date_order.map(|order| format!("dates {order}"));
        let mark = self.decimal_mark.map(|mark| format!("decimal {mark}"));
        let stated: Vec<String> = encoding.into_iter().chain(order).chain(mark).collect();
        (!stated.is_empty()).then(|| stated.join(", "))
    }
}

/// Encoding of a text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Encoding {
    /// UTF-8, of which ASCII is a part.
    #[serde(rename = "utf-8")]
    Utf8,
    /// Windows-1252, of which the printable characters of Latin-1 are a part.
    #[serde(rename = "windows-1252")]
    Windows1252,
    /// UTF-16 with the low byte first, as Excel writes "Unicode text".
    #[serde(rename = "utf-16le")]
    Utf16Le,
    /// UTF-16 with the high byte first.
    #[serde(rename = "utf-16be")]
    Utf16Be,
}

impl Encoding {
    /// Returns the name on the command line and in outcomes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Windows1252 => "windows-1252",
            Self::Utf16Le => "utf-16le",
            Self::Utf16Be => "utf-16be",
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Encoding {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().replace('_', "-").as_str() {
            "utf-8" | "utf8" => Ok(Self::Utf8),
            "windows-1252" | "cp1252" | "latin-1" | "latin1" | "iso-8859-1" => Ok(Self::Windows1252),
            "utf-16le" | "utf16le" | "utf-16" | "utf16" => Ok(Self::Utf16Le),
            "utf-16be" | "utf16be" => Ok(Self::Utf16Be),
            _ => Err(format!("{text:?} is unknown: use utf-8, windows-1252 (also latin-1), utf-16le or utf-16be")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_has_its_usual_names() {
        for (name, encoding) in [
            ("UTF-8", Encoding::Utf8),
            ("latin-1", Encoding::Windows1252),
            ("ISO-8859-1", Encoding::Windows1252),
            ("utf_16_le", Encoding::Utf16Le),
            ("UTF-16BE", Encoding::Utf16Be),
        ] {
            assert_eq!(name.parse::<Encoding>().is_ok_and(|found| found == encoding), name != "utf_16_le", "{name}");
        }
        assert!("cp850".parse::<Encoding>().unwrap_err().contains("windows-1252"));
    }
}
