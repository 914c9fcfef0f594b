//! Random numbers as a pure function of a key, and the distributions drawn from them.
//!
//! There is no generator state: a [`KeyedRng`] is a key (seed, farm, pen, lot, day, purpose), and the same key gives
//! the same number on any thread, in any order. Keys are hashed with the finalizer of SplitMix64 (Steele, Lea and
//! Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014), whose constants are Stafford's variant 13.
//! Distributions use only integers and the `f64` operations that IEEE 754 rounds exactly (+ − × ÷ √), never libm, so
//! the bytes are the same on every platform.

/// 2^64 / golden ratio: the increment of SplitMix64.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// A random key, which is also its 64-bit random number.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyedRng(u64);

impl KeyedRng {
    /// Creates a key from a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(mix(seed.wrapping_add(GOLDEN)))
    }

    /// Extends the key with one more part; the order of parts matters.
    #[inline]
    pub(super) fn with(self, part: impl Into<u64>) -> Self {
        Self(mix((self.0 ^ part.into()).wrapping_add(GOLDEN)))
    }

    /// Returns 64 random bits.
    #[inline]
    pub(super) fn bits(self) -> u64 {
        self.0
    }

    /// Returns a uniform integer from `low` to `high`, both inclusive (uniform to within 2^-32).
    #[inline]
    pub(super) fn between(self, low: u32, high: u32) -> u32 {
        let span = u64::from(high - low) + 1;
        low + (((self.0 >> 32) * span) >> 32) as u32
    }

    /// Returns a uniform number from 0 (inclusive) to 1 (exclusive).
    #[inline]
    pub(super) fn share(self) -> f64 {
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns four independent 16-bit integers.
    #[inline]
    pub(super) fn lanes(self) -> [u32; 4] {
        // Not a `map` over the array, which would not be inlined; there are ten of them per reading.
        let lane = |shift: u32| ((self.0 >> shift) & 0xFFFF) as u32;
        [lane(0), lane(16), lane(32), lane(48)]
    }

    /// Returns an approximately normal number with mean 0 and standard deviation 1, within ±3.47.
    ///
    /// The sum of four uniform 16-bit parts (Irwin–Hall, n = 4), which is close to normal and needs no logarithm.
    #[inline]
    pub(super) fn bell(self) -> f64 {
        /// Mean of the sum: 4 × 65535 / 2.
        const MEAN: f64 = 131_070.0;
        /// Standard deviation of the sum: √(4 × (65536² − 1) / 12).
        const DEVIATION: f64 = 37_837.227_252_5;
        let [a, b, c, d] = self.lanes();
        (f64::from(a + b + c + d) - MEAN) * (1.0 / DEVIATION)
    }
}

#[inline]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Fractional parts of √2 and √3 in units of 2^-64 (also initial hash values of SHA-512, FIPS 180-4 §5.3.5).
const ROOT_2: u64 = 0x6A09_E667_F3BC_C908;
const ROOT_3: u64 = 0xBB67_AE85_84CA_A73B;

/// Number of turns of lots per period in [`spread_lots`]. Determined by measurement, as the number below 100 that keeps
/// the breeds of about 228 lots closest to their shares, regardless of the herd's shape.
const TURNS: u64 = 36;

/// Distributes pens evenly over 0..2^64 from a random offset: a Kronecker lattice on √2 for farms and √3 for their
/// pens.
///
/// Neighbours are far apart and any block of pens fills the range evenly, so a herd of 200 lots already has the age
/// distribution of a large one.
pub(super) fn spread_pens(offset: u64, farm: u32, pen: u32) -> u64 {
    offset.wrapping_add(u64::from(farm).wrapping_mul(ROOT_2)).wrapping_add(u64::from(pen).wrapping_mul(ROOT_3))
}

/// Distributes the lots of evenly distributed pens, one per `period`, evenly over 0..2^64 from a random offset.
///
/// Within one period, lots go round [`TURNS`] times plus a golden fraction. So lots that are on feed together fill the
/// range evenly, and consecutive lots of a pen are far apart. `place` is the position of the pen within a period.
pub(super) fn spread_lots(offset: u64, place: u64, period: u32) -> u64 {
    let golden_part = ((u128::from(place) * u128::from(GOLDEN)) >> 64) as u64;
    let turned = place.wrapping_mul(TURNS).wrapping_add(golden_part);
    offset.wrapping_add(u64::from(period).wrapping_mul(GOLDEN)).wrapping_sub(turned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_is_that_of_splitmix64() {
        // First output of SplitMix64 seeded with 1234567, as published with the algorithm's test vectors.
        assert_eq!(KeyedRng::new(1_234_567).bits(), 6_457_827_717_110_365_317);
    }

    #[test]
    fn the_bell_has_mean_zero_and_deviation_one() {
        let draws: Vec<f64> = (0..100_000u64).map(|i| KeyedRng::new(5).with(i).bell()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.01, "{mean}");
        assert!((variance - 1.0).abs() < 0.02, "{variance}");
    }

    #[test]
    fn between_includes_both_ends_and_nothing_beyond() {
        let draws: Vec<u32> = (0..1_000u64).map(|i| KeyedRng::new(9).with(i).between(3, 7)).collect();
        assert_eq!(draws.iter().min(), Some(&3));
        assert_eq!(draws.iter().max(), Some(&7));
    }
}
