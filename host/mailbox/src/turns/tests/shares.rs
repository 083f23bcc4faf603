//! What busy tenants get of the time: tables first, at the end random weights and lengths of turns.

use proptest::prelude::*;

use super::*;

/// Serves busy tenants for `turns` turns, each of which takes what its tenant's turns take, and says what each got, in nanoseconds.
fn serve<const N: usize>(tenants: [(u64, u64); N], turns: u32) -> [u64; N] {
    let mut mailbox = Mailbox::default();
    let ids: [TenantId; N] = std::array::from_fn(|index| format!("t{index}").parse().unwrap());
    for (key, (id, (weight, _))) in ids.iter().zip(tenants).enumerate() {
        mailbox.set_weight(id, Weight::new(weight));
        mailbox.wake(id, key as u64);
    }
    let mut got = [0; N];
    for _ in 0..turns {
        let Some(Turn::Resume(key)) = mailbox.next_turn() else { panic!("all are busy") };
        let index = usize::try_from(key).unwrap();
        got[index] += tenants[index].1;
        mailbox.charge(tenants[index].1);
        mailbox.wake(&ids[index], key);
    }
    got
}

#[test]
fn busy_tenants_share_time_by_weight_however_long_their_turns_are() {
    let check = |tenants: [(u64, u64); 2], shares: [u64; 2]| {
        let got = serve(tenants, 100_000);
        let off = (got[0] * shares[1]).abs_diff(got[1] * shares[0]);
        // At the end one may be a round ahead, or a turn.
        let round = tenants.map(|(weight, turn)| weight * 1_000 + turn).iter().sum::<u64>();
        assert!(off <= 2 * round * shares.iter().sum::<u64>(), "{tenants:?} got {got:?}");
    };
    check([(100, 5_000), (100, 5_000)], [1, 1]);
    check([(100, 5_000), (100, 1_000_000)], [1, 1]);
    check([(100, 1_000_000), (300, 1_000_000)], [1, 3]);
    check([(100, 20_000), (300, 900_000)], [1, 3]);
    check([(10_000, 5_000), (100, 5_000)], [100, 1]);
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "an index of fairness needs no more than two digits")]
fn ten_equally_busy_tenants_get_the_same_whatever_their_turns_take() {
    let turns = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000].map(|micros| (100, micros * 1_000));
    let got = serve(turns, 2_000_000);
    let (sum, squares) = (got.iter().sum::<u64>() as f64, got.iter().map(|got| (*got as f64).powi(2)).sum::<f64>());
    let jain = sum * sum / (got.len() as f64 * squares);
    assert!(jain > 0.99, "Jain's index is {jain} for {got:?}");
}

#[test]
fn a_tenant_alone_goes_on_whatever_it_owes_and_one_that_comes_is_served_first() {
    let mut mailbox = Mailbox::default();
    let (hog, quiet) = ("hog".parse().unwrap(), wide(&mut mailbox, "quiet"));
    for _ in 0..10 {
        mailbox.wake(&hog, 1);
        assert_eq!(next(&mut mailbox).as_deref(), Some("#1"));
        mailbox.charge(1_000_000);
    }
    mailbox.wake(&hog, 1);
    for _ in 0..10 {
        push(&mut mailbox, &quiet, "quiet");
    }
    for _ in 0..10 {
        assert_eq!(next(&mut mailbox).as_deref(), Some("quiet"), "the other has had ten rounds");
        mailbox.charge(5_000);
    }
    assert_eq!(next(&mut mailbox).as_deref(), Some("#1"));
}

#[test]
fn a_tenant_that_was_idle_has_saved_nothing() {
    let mut mailbox = Mailbox::default();
    let [busy, idle]: [TenantId; 2] = ["busy", "idle"].map(|tenant| tenant.parse().unwrap());
    for _ in 0..1_000 {
        mailbox.wake(&busy, 1);
        assert_eq!(next(&mut mailbox).as_deref(), Some("#1"));
        mailbox.charge(1_000_000);
    }
    mailbox.wake(&busy, 1);
    mailbox.wake(&idle, 2);
    let mut turns = Vec::new();
    for _ in 0..6 {
        let turn = next(&mut mailbox).unwrap();
        mailbox.charge(1_000_000);
        let (tenant, key) = if turn == "#1" { (&busy, 1) } else { (&idle, 2) };
        mailbox.wake(tenant, key);
        turns.push(turn);
    }
    assert_eq!(turns, ["#2", "#1", "#2", "#1", "#2", "#1"], "a second of waiting buys one turn");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn nobody_who_is_busy_falls_behind_its_share_by_more_than_a_round_and_a_turn_each(
        tenants in proptest::array::uniform3((1_u64..1_000, 1_000_u64..2_000_000)),
    ) {
        let got = serve(tenants, 20_000);
        let sum: u64 = tenants.iter().map(|(weight, _)| weight).sum();
        let total: u64 = got.iter().sum();
        let round: u64 = tenants.iter().map(|(weight, turn)| weight * 1_000 + turn).sum();
        for ((weight, _), got) in tenants.iter().zip(got) {
            let due = total * weight / sum;
            prop_assert!(got + 2 * round >= due, "{tenants:?}: {got} of {due}");
        }
    }
}
