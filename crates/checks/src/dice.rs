//! Repeatable randomness: a failure names its seed, and the seed repeats the choices.

/// The `SplitMix64` sequence: small, quick, good enough to choose moments and keys; never for credentials.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The sequence named by `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 where the bound is 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.roll() % bound }
    }

    /// One of `items`.
    ///
    /// # Panics
    /// Where `items` is empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let bound = u64::try_from(items.len()).expect("lengths fit 64 bits");
        let index = usize::try_from(self.below(bound)).expect("an index below a length fits");
        &items[index]
    }

    /// True in `percent` of 100 rolls.
    pub const fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}
