//! A host behind the calls that answers everything, so that replies of all kinds are lowered into whatever memory the guest gives.

use std::sync::Arc;

use host_calls::{
    Answer, BatchItem, Context, FileEntry, FileStat, HostCall, HostCalls, HostReply, HttpCall, HttpReply, LeaseCall,
    LeaseReply, LeaseView, PAGE_LEN_MAX, Refusal, RefusalNumbers, StateCall, StateReply, StorageCall, StorageReply,
};
use host_model::{Caller, Card, Durability, FencingToken, Receipt, Skill};
use parking_lot::Mutex;
use tests_kit::chance::Chance;

use crate::codec;

pub(super) struct Answers(Mutex<Chance>);

impl Answers {
    pub(super) fn new(chance: &mut Chance) -> Self {
        Self(Mutex::new(Chance::new(chance.bits())))
    }
}

impl HostCalls for Answers {
    fn call(&self, _: &Arc<Caller>, _: Context, call: HostCall) -> Answer {
        let mut chance = self.0.lock();
        let reply = if chance.one_in(5) { Err(refusal(&mut chance)) } else { Ok(reply(&mut chance, call)) };
        if chance.one_in(3) { Answer::Later(Box::pin(std::future::ready(reply))) } else { Answer::Now(reply) }
    }
}

fn reply(chance: &mut Chance, call: HostCall) -> HostReply {
    match call {
        HostCall::Publish { .. } | HostCall::Send { .. } => HostReply::Sent(receipt()),
        HostCall::Request { .. } => HostReply::Answered(Box::new(codec::envelope())),
        HostCall::Batch(items) => HostReply::Batch(items.iter().map(|item| batched(chance, item)).collect()),
        HostCall::Log(_) => HostReply::Logged,
        HostCall::Find(_) => HostReply::Found((0..chance.below(3)).map(|_| card(chance)).collect()),
        HostCall::Card(_) => HostReply::Card(chance.one_in(2).then(|| card(chance))),
        HostCall::Http(HttpCall::Close { .. }) => HostReply::Http(HttpReply::Closed),
        HostCall::Http(_) => HostReply::Http(HttpReply::End),
        HostCall::State(call) => HostReply::State(state(chance, &call)),
        HostCall::Storage(call) => HostReply::Storage(storage(chance, &call)),
        HostCall::Lease(LeaseCall::Release { .. }) => HostReply::Lease(LeaseReply::Released(chance.one_in(2))),
        HostCall::Lease(_) => HostReply::Lease(LeaseReply::Lease(chance.one_in(2).then(|| lease(chance)))),
    }
}

fn batched(chance: &mut Chance, _: &BatchItem) -> Result<Receipt, Refusal> {
    if chance.one_in(2) { Ok(receipt()) } else { Err(refusal(chance)) }
}

fn receipt() -> Receipt {
    Receipt { id: codec::envelope().id, durability: Durability::Volatile }
}

fn refusal(chance: &mut Chance) -> Refusal {
    let numbers = RefusalNumbers::of("mailbox-full").past(1, u64::MAX);
    let all = [Refusal::NotFound, Refusal::Invalid(numbers.clone()), Refusal::OverQuota(numbers.retry_after_ms(1))];
    chance.pick(&all).clone()
}

fn state(chance: &mut Chance, call: &StateCall) -> StateReply {
    match call {
        StateCall::Get { .. } => StateReply::Value(chance.one_in(2).then(|| number_or_bytes(chance))),
        StateCall::Set { .. } => StateReply::Set,
        StateCall::Delete { .. } | StateCall::CompareAndSet { .. } => StateReply::Done(chance.one_in(2)),
        StateCall::Keys { .. } => {
            let keys = (0..many(chance)).map(|_| text(chance)).collect();
            StateReply::Keys { keys, next: chance.one_in(2).then(|| text(chance)) }
        }
        StateCall::Increment { .. } => StateReply::Number(chance.bits().cast_signed()),
    }
}

fn lease(chance: &mut Chance) -> LeaseView {
    LeaseView {
        holder: "kb".parse().expect("an id"),
        mine: chance.one_in(2),
        token: FencingToken(chance.bits()),
        remaining_ms: u32::MAX,
    }
}

fn storage(chance: &mut Chance, call: &StorageCall) -> StorageReply {
    let stat = FileStat { is_directory: chance.one_in(2), len: chance.bits() };
    match call {
        StorageCall::Read { .. } => StorageReply::Bytes(chance.bytes(70_000)),
        StorageCall::List { .. } => {
            let entries = (0..many(chance)).map(|_| FileEntry { name: text(chance), stat }).collect();
            StorageReply::Entries { entries, next: chance.one_in(2).then(|| text(chance)) }
        }
        StorageCall::Stat { .. } => StorageReply::Stat(stat),
        _ => StorageReply::Done,
    }
}

/// A page is full or nearly empty.
fn many(chance: &mut Chance) -> usize {
    if chance.one_in(8) { PAGE_LEN_MAX } else { chance.below(4) }
}

fn text(chance: &mut Chance) -> String {
    (*chance.pick(&["", "a", "日本", "é\u{1f980}", "\u{ff}"])).to_owned()
}

fn number_or_bytes(chance: &mut Chance) -> Vec<u8> {
    if chance.one_in(2) { b"-42".to_vec() } else { chance.bytes(300) }
}

fn card(chance: &mut Chance) -> Arc<Card> {
    let skill = Skill {
        id: text(chance),
        name: text(chance),
        description: text(chance),
        tags: vec![text(chance)],
        examples: Vec::new(),
    };
    Arc::new(Card {
        id: "kb".parse().expect("an id"),
        name: text(chance),
        description: text(chance),
        version: text(chance),
        capabilities: vec![text(chance)],
        skills: vec![skill],
        card_json: "{}".to_owned(),
    })
}
