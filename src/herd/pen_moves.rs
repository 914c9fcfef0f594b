//! Moves of lots between pens: which pen a lot is in on a day. `pens` owns entry and exit.
//!
//! Pens form pairs, and at times the two swap what they hold: two lots, or a lot and an empty pen. So on any day each
//! lot has one pen and each pen at most one lot, and the mapping is its own inverse. No past days need to be computed.
//! In a herd with an odd number of pens, the last one swaps with a pen outside the herd.

use super::random::KeyedRng;

/// Days per period; in each period, a pair decides once, on a random day, whether it is swapped.
const SETTLED_DAYS: u32 = 120;

/// Fraction of decisions after which the two pens are swapped. About one lot in three moves during its stay, most of
/// them back again (assumption: no source counts moves).
const TRADED: f64 = 0.11;

/// Returns the pen whose calendar a pen follows on a day (from 1970-01-01): its own, or that of its neighbour.
///
/// `moves` is the random key of moves on the farm. Swaps are symmetric, so this is also the pen in which the lot of a
/// calendar is.
#[inline]
pub(super) fn calendar_of(moves: KeyedRng, pen: u32, unix_day: u32) -> u32 {
    let two = moves.with(pen / 2);
    let (time, day) = (unix_day / SETTLED_DAYS, unix_day % SETTLED_DAYS);
    let settled = two.with(time + 1);
    let before = day < (settled.lanes()[0] * SETTLED_DAYS) >> 16;
    let standing = if before { two.with(time) } else { settled };
    // Other bits than those that chose the day.
    let traded = f64::from(standing.lanes()[3]) < TRADED * 65_536.0;
    pen ^ u32::from(traded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mapping_of_pens_is_a_permutation_and_its_own_inverse() {
        let farm = KeyedRng::new(6);
        for day in (0..5_000).step_by(7) {
            let mut followed: Vec<u32> = (0..40).map(|pen| calendar_of(farm, pen, day)).collect();
            assert!((0..40).all(|pen| calendar_of(farm, followed[pen as usize], day) == pen));
            followed.sort_unstable();
            assert!(followed.into_iter().eq(0..40));
        }
    }

    #[test]
    fn about_one_lot_in_three_moves_in_two_hundred_days() {
        let moves = |two: u32| {
            let stands = (19_000..19_200).map(|day| calendar_of(KeyedRng::new(6), two * 2, day));
            stands.collect::<Vec<_>>().windows(2).filter(|pair| pair[0] != pair[1]).count()
        };
        let moved = (0..5_000).filter(|&two| moves(two) > 0).count() as f64 / 5_000.0;
        assert!((0.25..0.35).contains(&moved), "{moved}");
    }
}
