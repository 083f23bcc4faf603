//! Chance from a seed: the same seed gives the same run, on every machine and in every version of every crate.

/// Numbers by `SplitMix64` (Steele, Lea and Flood, 2014): good enough to choose tests by, and nothing else.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The run that a seed names.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).expect("a usize has at most 64 bits");
        usize::try_from(self.bits() % end).expect("below a usize")
    }

    /// A number from `least` to `most`, both possible.
    pub fn within(&mut self, least: u64, most: u64) -> u64 {
        least + self.bits() % (most - least).saturating_add(1)
    }

    /// Whether what happens once in so many times happens now.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of several. There must be one.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// Any byte.
    pub const fn byte(&mut self) -> u8 {
        self.bits().to_le_bytes()[0]
    }

    /// At most so many bytes.
    pub fn bytes(&mut self, len_max: usize) -> Vec<u8> {
        let len = self.below(len_max + 1);
        (0..len).map(|_| self.byte()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_names_one_run() {
        let run = |seed| {
            let mut chance = Chance::new(seed);
            (0..4).map(|_| chance.bits()).collect::<Vec<_>>()
        };
        // The first numbers of the published generator from 0 and from 1: no machine and no later version may change them.
        assert_eq!(run(0)[..2], [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
        assert_eq!(run(1)[0], 0x910a_2dec_8902_5cc1);
        assert_ne!(run(2), run(3));
    }

    #[test]
    fn a_number_lies_within_its_bounds_and_each_comes() {
        let mut chance = Chance::new(7);
        let mut seen = [0; 3];
        (0..300).for_each(|_| seen[chance.below(3)] += 1);
        assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
        assert!((0..300).all(|_| (5..=6).contains(&chance.within(5, 6))));
        assert_eq!(chance.below(0), 0);
    }
}
