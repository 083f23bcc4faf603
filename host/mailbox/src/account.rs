//! What a tenant may still use in this round: its deficit counter.

/// Thread time that one unit of weight is worth in a round, in nanoseconds: 100 µs for the usual weight of 100.
const NANOS_PER_WEIGHT: i64 = 1_000;

/// A tenant's share of a shard against the others' shares, from 1 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weight(u16);

impl Weight {
    /// The weight itself, or the nearest that there is.
    pub fn new(weight: u64) -> Self {
        Self(u16::try_from(weight.clamp(1, 10_000)).expect("clamped"))
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self(100)
    }
}

/// A tenant's credit. In each round it gets one quantum for its weight; what it used over its credit it owes.
#[derive(Debug, Default)]
pub(crate) struct Account {
    weight: Weight,
    credit_nanos: i64,
    /// The last round that was credited.
    round: u64,
}

impl Account {
    /// Credits the rounds that passed. Never more than one quantum is in hand: who was idle has saved nothing.
    pub(crate) fn catch_up(&mut self, round: u64) {
        let rounds = i64::try_from(round.saturating_sub(self.round)).unwrap_or(i64::MAX);
        let quantum = self.quantum_nanos();
        self.credit_nanos = self.credit_nanos.saturating_add(quantum.saturating_mul(rounds)).min(quantum);
        self.round = round;
    }

    pub(crate) fn charge(&mut self, nanos: u64) {
        self.credit_nanos = self.credit_nanos.saturating_sub_unsigned(nanos);
    }

    /// Rounds until there is credit; none if there is some now.
    pub(crate) fn rounds_to_credit(&self) -> u64 {
        if self.credit_nanos > 0 {
            0
        } else {
            self.credit_nanos.unsigned_abs() / self.quantum_nanos().unsigned_abs() + 1
        }
    }

    pub(crate) fn set_weight(&mut self, weight: Weight) {
        self.weight = weight;
    }

    fn quantum_nanos(&self) -> i64 {
        i64::from(self.weight.0) * NANOS_PER_WEIGHT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debt_is_paid_by_rounds_and_rounds_spent_idle_save_nothing() {
        let check = |used: u64, rounds: u64, then: u64| {
            let mut account = Account::default();
            account.catch_up(1);
            account.charge(used);
            account.catch_up(1 + rounds);
            assert_eq!(account.rounds_to_credit(), then, "{used} ns used, then {rounds} rounds");
        };
        check(0, 0, 0);
        check(99_999, 0, 0);
        check(100_000, 0, 1);
        check(199_999, 0, 1);
        check(200_000, 0, 2);
        check(200_000, 1, 1);
        check(200_000, 2, 0);
        let mut idle = Account::default();
        idle.catch_up(1_000_000);
        idle.charge(100_000);
        assert_eq!(idle.rounds_to_credit(), 1, "a million idle rounds are worth one quantum");
    }

    #[test]
    fn a_weight_is_one_to_ten_thousand() {
        let check = |weight, taken| assert_eq!(Weight::new(weight), Weight(taken));
        check(0, 1);
        check(1, 1);
        check(10_000, 10_000);
        check(10_001, 10_000);
        check(u64::MAX, 10_000);
    }
}
