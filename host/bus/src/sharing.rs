//! Which of several receivers a key belongs to.

/// The member that a key belongs to while these members stand: rendezvous hashing (Thaler and Ravishankar, 1998). A member that
/// comes takes keys from the others, and one that goes leaves its own to them; no other key moves.
///
/// The same for the same names in any order, on every host and over restarts. `None` without members.
pub fn shard_of<'a, M: AsRef<str> + ?Sized>(key: &str, members: impl IntoIterator<Item = &'a M>) -> Option<&'a M> {
    let key = hash(key.as_bytes());
    let score = |member: &M| mixed(key ^ hash(member.as_ref().as_bytes()));
    // By name too, so that two members of one score are always taken in the same order.
    members.into_iter().max_by(|one, other| (score(one), one.as_ref()).cmp(&(score(other), other.as_ref())))
}

/// FNV-1a with 64 bits: short, and the same everywhere. Who picks keys on purpose only crowds its own tenant's replicas.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The finaliser of `SplitMix64` (Steele, Lea and Flood, 2014): every bit of the input moves every bit of the score.
pub(crate) const fn mixed(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_has_one_place_and_none_without_members() {
        assert_eq!(shard_of::<str>("k", []), None);
        assert_eq!(shard_of("k", ["a"]), Some("a"));
        // On the wire between hosts: this must never change.
        assert_eq!(shard_of("order-17", ["kb/0", "kb/1", "kb/2"]), shard_of("order-17", ["kb/2", "kb/0", "kb/1"]));
    }

    #[test]
    fn many_keys_are_spread_about_evenly() {
        let members = ["kb/0", "kb/1", "kb/2", "kb/3"];
        let mut counts = [0_u32; 4];
        for number in 0..4_000 {
            let key = format!("order-{number}");
            let place = shard_of(&key, members).unwrap();
            counts[members.iter().position(|member| *member == place).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
    }

    proptest! {
        #[test]
        fn a_member_that_comes_or_goes_moves_its_own_keys_alone(
            members in proptest::collection::btree_set("[a-z0-9/-]{1,12}", 2..12),
            keys in proptest::collection::vec(".{0,24}", 1..40),
            gone in any::<prop::sample::Index>(),
        ) {
            let all: Vec<String> = members.into_iter().collect();
            let gone = gone.get(&all).clone();
            let rest: Vec<String> = all.iter().filter(|member| **member != gone).cloned().collect();
            for key in &keys {
                let (with, without) = (shard_of(key, &all).unwrap(), shard_of(key, &rest).unwrap());
                prop_assert!(*with == gone || with == without, "{key:?} moved from {with} to {without} without {gone}");
            }
        }
    }
}
