//! Readings out of order: how long each is held back behind those that should follow it.

use super::Delivery;

/// A reading out of order is behind the next so many readings of its file at most.
const FARTHEST_BEHIND: u32 = 20;

/// Readings that wait until enough of those that should follow them are delivered.
#[derive(Default)]
pub(super) struct ReorderBuffer<'a>(Vec<(Delivery<'a>, u32)>);

impl<'a> ReorderBuffer<'a> {
    pub(super) fn hold_back(&mut self, delivery: Delivery<'a>) {
        self.0.push((delivery, delivery.rng.with(b'o').between(1, FARTHEST_BEHIND)));
    }

    /// Delivers a reading that has a line, and after it those that have waited long enough.
    pub(super) fn deliver(&mut self, delivery: Delivery<'a>, each: &mut impl FnMut(Delivery<'_>)) {
        each(delivery);
        if !self.0.is_empty() {
            self.0.iter_mut().for_each(|(_, behind)| *behind -= 1);
            self.0.extract_if(.., |(_, behind)| *behind == 0).for_each(|(delivery, _)| each(delivery));
        }
    }

    /// Delivers the rest at the end of the day, the last one first: behind that one nothing follows, so it is in order.
    pub(super) fn flush(self, each: &mut impl FnMut(Delivery<'_>)) {
        let last = self.0.len().saturating_sub(1);
        for (at, (delivery, behind)) in self.0.into_iter().enumerate().rev() {
            let waited = behind < delivery.rng.with(b'o').between(1, FARTHEST_BEHIND);
            each(if at == last && !waited { delivery.faultless() } else { delivery });
        }
    }
}
