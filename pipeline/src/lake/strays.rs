//! Objects with unrecognized names: counted, and only the first ones are held, because a lake can have millions.

use std::collections::BTreeSet;

/// Objects at unexpected places of a lake.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strays {
    count: u64,
    first: BTreeSet<String>,
}

impl Strays {
    /// Maximum number of keys that are held.
    pub const KEPT: usize = 1_000;

    /// Counts an object.
    pub fn add(&mut self, key: String) {
        self.count += 1;
        if self.first.len() < Self::KEPT {
            self.first.insert(key);
        } else if self.first.last().is_some_and(|last| key < *last) {
            self.first.pop_last();
            self.first.insert(key);
        }
    }

    /// Returns the number of objects.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the first keys in their order, at most [`Strays::KEPT`].
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.first.iter().map(String::as_str)
    }

    /// Returns the number of objects whose keys are not held.
    pub fn unnamed(&self) -> u64 {
        self.count - self.first.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_are_held_in_any_order() {
        let mut strays = Strays::default();
        for n in (0..10_000).rev() {
            strays.add(format!("{n:05}"));
        }
        assert_eq!((strays.count(), strays.unnamed()), (10_000, 9_000));
        let keys: Vec<&str> = strays.keys().collect();
        assert_eq!((keys.len(), keys[0], keys[999]), (1_000, "00000", "00999"));
    }
}
