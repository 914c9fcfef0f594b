//! Random numbers as a pure function of a key: the same key gives the same number in any order of calls, so a fault does
//! not depend on which of two concurrent calls comes first.

/// A random key, which is also its random number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// Extends the key by a number.
    pub fn with(self, part: u64) -> Self {
        Self(mix(self.0 ^ mix(part)))
    }

    /// Extends the key by a text.
    pub fn text(self, part: &str) -> Self {
        part.bytes().fold(self.with(part.len() as u64), |draw, byte| draw.with(u64::from(byte)))
    }

    pub fn bits(self) -> u64 {
        self.0
    }

    /// Returns a number below `limit`.
    pub fn below(self, limit: u64) -> u64 {
        self.0 % limit.max(1)
    }

    /// Returns true in `permille` of 1,000 cases.
    pub fn permille(self, permille: u64) -> bool {
        self.below(1_000) < permille
    }

    pub fn pick<T: Copy>(self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

/// The finalizer of SplitMix64, after one step of its counter.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
