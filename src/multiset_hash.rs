//! Many things told by one number, whatever their order: for saying later whether they are the same ones.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

/// How many things were seen, and the sum of their hashes (XXH3, 128 bits).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "(u64, String)", try_from = "(u64, String)")]
pub struct MultisetHash {
    /// Things.
    pub count: u64,
    sum: u128,
}

impl MultisetHash {
    /// Takes one thing.
    pub fn insert(&mut self, bytes: &[u8]) {
        self.insert_hash(xxh3_128(bytes));
    }

    /// Takes one thing by its hash.
    pub const fn insert_hash(&mut self, hash: u128) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(hash);
    }

    /// Takes all that another took.
    pub const fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// Takes away all that another took, which this one took too.
    pub(crate) const fn remove(&mut self, other: Self) {
        self.count = self.count.saturating_sub(other.count);
        self.sum = self.sum.wrapping_sub(other.sum);
    }

    /// The sum of the hashes: 32 hexadecimal digits.
    pub fn hex(&self) -> String {
        format!("{:032x}", self.sum)
    }

    /// All of those texts.
    pub(crate) fn of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut seen = Self::default();
        texts.into_iter().for_each(|text| seen.insert(text.as_bytes()));
        seen
    }
}

impl From<MultisetHash> for (u64, String) {
    fn from(seen: MultisetHash) -> Self {
        (seen.count, seen.hex())
    }
}

impl TryFrom<(u64, String)> for MultisetHash {
    type Error = std::num::ParseIntError;

    fn try_from((count, sum): (u64, String)) -> Result<Self, Self::Error> {
        Ok(Self { count, sum: u128::from_str_radix(&sum, 16)? })
    }
}

impl fmt::Display for MultisetHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.count, self.hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_nothing_and_everything_else_is_something() {
        let one = MultisetHash::of_texts(["a", "b", "c"]);
        assert_eq!(MultisetHash::of_texts(["c", "a", "b"]), one);
        let mut parts = MultisetHash::of_texts(["b"]);
        parts.merge(MultisetHash::of_texts(["c", "a"]));
        assert_eq!(parts, one, "nor is it how they were gathered");
        for other in [vec!["a", "b"], vec!["a", "b", "c", "c"], vec!["a", "b", "d"], vec!["a", "bc", ""]] {
            assert_ne!(MultisetHash::of_texts(other.iter().copied()), one, "{other:?}");
        }
        let written = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<MultisetHash>(&written).unwrap(), one);
    }
}
