//! Many things told by one number, whatever their order: for saying later whether they are the same ones.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::order::Entry;

/// How many things were seen, and the sum of their hashes (XXH3, 128 bits).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "(u64, String)", try_from = "(u64, String)")]
pub(super) struct Seen {
    pub count: u64,
    sum: u128,
}

impl Seen {
    /// Takes one thing.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(xxh3_128(bytes));
    }

    /// All entries with everything that they hold.
    pub(super) fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let (mut seen, mut bytes) = (Self::default(), Vec::new());
        for entry in entries {
            bytes.clear();
            bytes.extend_from_slice(entry.key.as_bytes());
            bytes.push(0);
            bytes =
                postcard::to_extend(&entry.record, bytes).expect("records have nothing that cannot be written down");
            seen.take(&bytes);
        }
        seen
    }

    /// All of those texts.
    pub(super) fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut seen = Self::default();
        texts.into_iter().for_each(|text| seen.take(text.as_bytes()));
        seen
    }
}

impl From<Seen> for (u64, String) {
    fn from(seen: Seen) -> Self {
        (seen.count, format!("{:032x}", seen.sum))
    }
}

impl TryFrom<(u64, String)> for Seen {
    type Error = std::num::ParseIntError;

    fn try_from((count, sum): (u64, String)) -> Result<Self, Self::Error> {
        Ok(Self { count, sum: u128::from_str_radix(&sum, 16)? })
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:032x})", self.count, self.sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_nothing_and_everything_else_is_something() {
        let one = Seen::texts(["a", "b", "c"]);
        assert_eq!(Seen::texts(["c", "a", "b"]), one);
        for other in [vec!["a", "b"], vec!["a", "b", "c", "c"], vec!["a", "b", "d"], vec!["a", "bc", ""]] {
            assert_ne!(Seen::texts(other.iter().copied()), one, "{other:?}");
        }
        let written = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<Seen>(&written).unwrap(), one);
    }
}
