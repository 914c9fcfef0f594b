//! Counters of a job as a table: an enum of counters, each with its name, title, help and role, and the counts.
//!
//! A new counter is one line of `counters!`; totals, merging, JSON and text follow from it.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{AddAssign, Index, IndexMut};

use enum_map::{EnumArray, EnumMap};
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Role of a counter in the balance of its job: the parts must add up to the inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The inputs: the sum of the parts.
    Input,
    /// A part of the inputs without problems.
    Part,
    /// A part of the inputs that needs attention; sets exit code 1 if not 0.
    Finding,
    /// A part of the inputs that was skipped intentionally.
    Skipped,
    /// A skipped part of the inputs that needs attention; sets exit code 1 if not 0.
    SkippedFinding,
    /// A counter that is not part of the inputs.
    Detail,
    /// A counter that is not part of the inputs and needs attention; sets exit code 1 if not 0.
    DetailFinding,
}

impl Role {
    /// Returns true if it is a part of the inputs.
    pub const fn is_part(self) -> bool {
        matches!(self, Self::Part | Self::Finding | Self::Skipped | Self::SkippedFinding)
    }

    /// Returns true if it is a skipped part of the inputs.
    pub const fn is_skipped(self) -> bool {
        matches!(self, Self::Skipped | Self::SkippedFinding)
    }

    /// Returns true if it needs attention.
    pub const fn is_finding(self) -> bool {
        matches!(self, Self::Finding | Self::SkippedFinding | Self::DetailFinding)
    }
}

/// Description of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// Its name in JSON.
    pub name: &'static str,
    /// Its title in text and HTML.
    pub title: &'static str,
    /// What is counted, as a sentence.
    pub help: &'static str,
    /// Its role.
    pub role: Role,
}

impl Spec {
    /// Returns its name without the prefix for skipped inputs: `unrecognized` for `skipped_unrecognized`.
    pub fn short_name(&self) -> &'static str {
        self.name.strip_prefix("skipped_").unwrap_or(self.name)
    }
}

/// An enum of counters, declared by `counters!`.
pub trait Counter: EnumArray<u64> + Copy + Eq + fmt::Debug + 'static {
    /// All counters, in display order.
    const ALL: &'static [Self];

    /// Returns its description.
    fn spec(self) -> Spec;
}

/// Declares an enum of counters: `Variant: "json_name", "title", Role, "what is counted";`. With `impl Outcome { field: Counter }`
/// an outcome is indexed by the counters of that field.
macro_rules! counters {
    (impl $outcome:ident { $($field:ident: $counter:ty),+ $(,)? }) => {$(
        impl std::ops::Index<$counter> for $outcome {
            type Output = u64;

            fn index(&self, counter: $counter) -> &u64 {
                &self.$field[counter]
            }
        }

        impl std::ops::IndexMut<$counter> for $outcome {
            fn index_mut(&mut self, counter: $counter) -> &mut u64 {
                &mut self.$field[counter]
            }
        }
    )+};
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($variant:ident: $json:literal, $title:literal, $role:ident, $help:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, enum_map::Enum)]
        $vis enum $name { $(#[doc = $help] $variant,)+ }

        impl $crate::outcome::Counter for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn spec(self) -> $crate::outcome::Spec {
                match self {
                    $(Self::$variant => $crate::outcome::Spec {
                        name: $json, title: $title, help: $help, role: $crate::outcome::Role::$role,
                    },)+
                }
            }
        }
    };
}
pub(crate) use counters;

/// The count of each counter.
pub struct Counts<C: Counter>(EnumMap<C, u64>);

impl<C: Counter> Counts<C> {
    /// Adds 1 to a counter.
    pub fn add(&mut self, counter: C) {
        self[counter] += 1;
    }

    /// Adds all counts of another.
    pub fn merge(&mut self, other: &Self) {
        C::ALL.iter().for_each(|counter| self[*counter] += other[*counter]);
    }

    /// Returns the sum of the counters for which `wanted` returns true.
    pub fn total(&self, wanted: impl Fn(Spec) -> bool) -> u64 {
        C::ALL.iter().filter(|counter| wanted(counter.spec())).map(|counter| self[*counter]).sum()
    }

    /// Returns the sum of the parts, which must equal the inputs.
    pub fn parts(&self) -> u64 {
        self.total(|spec| spec.role.is_part())
    }

    /// Returns the sum of the counters that need attention.
    pub fn findings(&self) -> u64 {
        self.total(|spec| spec.role.is_finding())
    }

    /// Iterates over all counters with their counts, in display order.
    pub fn iter(&self) -> impl Iterator<Item = (C, u64)> + '_ {
        C::ALL.iter().map(|counter| (*counter, self[*counter]))
    }
}

impl<C: Counter, const N: usize> From<[(C, u64); N]> for Counts<C> {
    fn from(counts: [(C, u64); N]) -> Self {
        let mut all = Self::default();
        counts.into_iter().for_each(|(counter, n)| all[counter] += n);
        all
    }
}

impl<C: Counter> Default for Counts<C> {
    fn default() -> Self {
        Self(EnumMap::from_fn(|_| 0))
    }
}

impl<C: Counter> Clone for Counts<C> {
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        copy.merge(self);
        copy
    }
}

impl<C: Counter> PartialEq for Counts<C> {
    fn eq(&self, other: &Self) -> bool {
        C::ALL.iter().all(|counter| self[*counter] == other[*counter])
    }
}

impl<C: Counter> Eq for Counts<C> {}

impl<C: Counter> fmt::Debug for Counts<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<C: Counter> Index<C> for Counts<C> {
    type Output = u64;

    fn index(&self, counter: C) -> &u64 {
        &self.0[counter]
    }
}

impl<C: Counter> IndexMut<C> for Counts<C> {
    fn index_mut(&mut self, counter: C) -> &mut u64 {
        &mut self.0[counter]
    }
}

impl<C: Counter> AddAssign<&Self> for Counts<C> {
    fn add_assign(&mut self, other: &Self) {
        self.merge(other);
    }
}

/// Writes a map of names and counts; with `#[serde(flatten)]` they are fields of the outcome.
impl<C: Counter> Serialize for Counts<C> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(C::ALL.len()))?;
        for (counter, n) in self.iter() {
            map.serialize_entry(counter.spec().name, &n)?;
        }
        map.end()
    }
}

/// Reads its own names from a map and ignores others; with `#[serde(flatten)]` they are fields of the outcome.
/// [`read_back`](super::read_back) detects unknown names.
impl<'de, C: Counter> Deserialize<'de> for Counts<C> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(optional(from)?.unwrap_or_default())
    }
}

/// Reads optional counts, for `#[serde(flatten, deserialize_with)]`. Returns `None` if the map contains none of the
/// names.
///
/// # Errors
///
/// Returns an error if a count is not a number.
pub fn optional<'de, C: Counter, D: Deserializer<'de>>(from: D) -> Result<Option<Counts<C>>, D::Error> {
    struct Names<C>(PhantomData<C>);

    impl<'de, C: Counter> Visitor<'de> for Names<C> {
        type Value = Option<Counts<C>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("counts by name")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut counts = None::<Counts<C>>;
            while let Some(name) = map.next_key::<String>()? {
                match C::ALL.iter().find(|counter| counter.spec().name == name) {
                    Some(counter) => counts.get_or_insert_default()[*counter] = map.next_value()?,
                    None => drop(map.next_value::<serde::de::IgnoredAny>()?),
                }
            }
            Ok(counts)
        }
    }

    from.deserialize_map(Names(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    counters! {
        /// Counters of letters.
        enum Letters {
            Read: "read", "read", Input, "Letters read.";
            Sent: "sent", "sent", Part, "Letters sent.";
            Lost: "lost", "lost", Finding, "Letters lost.";
            Left: "left", "omitted", Skipped, "Letters omitted.";
            Again: "again", "retries", Detail, "Letters sent again.";
        }
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Outcome {
        name: String,
        #[serde(flatten)]
        counts: Counts<Letters>,
    }

    #[test]
    fn counts_add_up_merge_and_survive_a_json_round_trip() {
        let mut counts = Counts::<Letters>::default();
        counts[Letters::Read] = 5;
        counts[Letters::Sent] = 3;
        [Letters::Lost, Letters::Left, Letters::Again].into_iter().for_each(|counter| counts.add(counter));
        assert_eq!((counts.parts(), counts.findings()), (5, 1));
        let mut twice = counts.clone();
        twice += &counts;
        assert_eq!((twice[Letters::Read], twice[Letters::Again]), (10, 2));
        let outcome = Outcome { name: "x".into(), counts };
        let json = serde_json::to_string(&outcome).unwrap();
        assert_eq!(json, r#"{"name":"x","read":5,"sent":3,"lost":1,"left":1,"again":1}"#);
        assert_eq!(serde_json::from_str::<Outcome>(&json).unwrap(), outcome);
    }
}
