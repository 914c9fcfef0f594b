//! Moves of lots between pens. Owns where a lot stands on a day; leaves when it comes and goes to `pens`.
//!
//! Pens stand in twos, and at times the two trade what they hold, be it two lots, or one and an empty pen. So on any day every lot
//! has one pen and every pen one lot, and the way back is the same as the way there: no pen's past needs to be walked. In a herd
//! with an odd number of pens the last one trades with a pen that is not in the herd.

use super::random::KeyedRng;

/// Two pens settle how they stand once in so many days, on a day of their own choice.
const SETTLED_DAYS: u32 = 120;

/// Share of these times in which the two hold each other's lots. It makes one lot in three move in its stay, most of them there and
/// back (assumption: no source counts moves).
const TRADED: f64 = 0.11;

/// The pen whose calendar a pen follows on a day (counted from 1970-01-01): its own, or that of its neighbour.
///
/// `pen_moves` is the chance that belongs to the moves on the farm. What is traded comes back, so this also is the pen in which the lot of a
/// calendar stands.
#[inline]
pub(super) fn calendar_of(moves: KeyedRng, pen: u32, unix_day: u32) -> u32 {
    let two = moves.with(pen / 2);
    let (time, day) = (unix_day / SETTLED_DAYS, unix_day % SETTLED_DAYS);
    let settled = two.with(time + 1);
    let before = day < (settled.lanes()[0] * SETTLED_DAYS) >> 16;
    let standing = if before { two.with(time) } else { settled };
    // Not the lane that chose the day.
    let traded = f64::from(standing.lanes()[3]) < TRADED * 65_536.0;
    pen ^ u32::from(traded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_every_pen_follows_one_calendar_and_the_way_back_is_the_way_there() {
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
