//! Detection of a listing that returns to an earlier page, in constant memory.

use std::hash::{DefaultHasher, Hash, Hasher as _};

use serde::{Deserialize, Serialize};

/// The pages of a listing so far, for Brent's algorithm: their number, and one of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::lake::s3) struct PagesSeen {
    count: u64,
    /// Hash of the page whose number is the last power of two.
    kept: u64,
}

impl PagesSeen {
    /// Adds a page; `None` if the listing is in a cycle.
    pub(in crate::lake::s3) fn next(self, page: &impl Hash) -> Option<Self> {
        let mut hasher = DefaultHasher::new();
        page.hash(&mut hasher);
        let hash = hasher.finish();
        let count = self.count + 1;
        if self.count > 0 && hash == self.kept {
            return None;
        }
        Some(Self { count, kept: if count.is_power_of_two() { hash } else { self.kept } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the number of pages until a cycle is found.
    fn pages_until_found(mut pages: impl Iterator<Item = u32>) -> Option<usize> {
        let mut seen = Some(PagesSeen::default());
        pages.position(|page| {
            seen = seen.and_then(|seen| seen.next(&page));
            seen.is_none()
        })
    }

    #[test]
    fn every_cycle_is_found_and_no_listing_without_one() {
        assert_eq!(pages_until_found(0..10_000), None);
        for (start, length) in [(0, 1), (0, 2), (1, 1), (5, 3), (7, 20)] {
            let pages = (0..start).chain((start..start + length).cycle());
            let found = pages_until_found(pages).expect("the cycle");
            assert!(found as u32 <= 4 * (start + length) + 2, "{start} {length}: {found}");
        }
    }
}
