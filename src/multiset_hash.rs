//! Order-independent hash of many items, to check later whether they are the same.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

/// The number of items and the sum of their hashes (XXH3, 128 bits).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "(u64, String)", try_from = "(u64, String)")]
pub struct MultisetHash {
    /// Number of items.
    pub count: u64,
    sum: u128,
}

impl MultisetHash {
    /// Adds one item.
    pub fn insert(&mut self, bytes: &[u8]) {
        self.insert_hash(xxh3_128(bytes));
    }

    /// Adds one item by its hash.
    pub const fn insert_hash(&mut self, hash: u128) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(hash);
    }

    /// Adds all items of another hash.
    pub const fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// Removes all items of another hash; this one must contain them.
    pub(crate) const fn remove(&mut self, other: Self) {
        self.count = self.count.saturating_sub(other.count);
        self.sum = self.sum.wrapping_sub(other.sum);
    }

    /// Returns the sum of the hashes as 32 hexadecimal digits.
    pub fn hex(&self) -> String {
        format!("{:032x}", self.sum)
    }

    /// Returns the hash of all texts.
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
    fn only_the_order_of_items_does_not_matter() {
        let one = MultisetHash::of_texts(["a", "b", "c"]);
        assert_eq!(MultisetHash::of_texts(["c", "a", "b"]), one);
        let mut parts = MultisetHash::of_texts(["b"]);
        parts.merge(MultisetHash::of_texts(["c", "a"]));
        assert_eq!(parts, one, "grouping does not matter either");
        for other in [vec!["a", "b"], vec!["a", "b", "c", "c"], vec!["a", "b", "d"], vec!["a", "bc", ""]] {
            assert_ne!(MultisetHash::of_texts(other.iter().copied()), one, "{other:?}");
        }
        let written = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<MultisetHash>(&written).unwrap(), one);
    }
}
