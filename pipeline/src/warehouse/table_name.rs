//! Names used in SQL text: the table's name, and the displayed address.

use std::fmt;
use std::str::FromStr;

/// Maximum length of a table name, so that names of views stay within MySQL's limit of 64.
const MAX_CHARS: usize = 48;

/// Table name that is safe in SQL text: letters, digits and `_`, not starting with a digit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName(String);

impl TableName {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TableName {
    fn default() -> Self {
        Self("historico_consumo".into())
    }
}

impl FromStr for TableName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if plain && text.starts_with(|c: char| !c.is_ascii_digit()) && text.len() <= MAX_CHARS {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "{text:?} is not a table name: 1 to {MAX_CHARS} letters, digits and _, not beginning with a digit"
            ))
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_tables() {
        for name in ["historico_consumo", "_x", "T1"] {
            assert!(name.parse::<TableName>().is_ok(), "{name}");
        }
        for name in ["", "1x", "a b", "a`b", "a;DROP TABLE b", "ação", &"x".repeat(49)] {
            assert!(name.parse::<TableName>().is_err(), "{name}");
        }
    }
}
