//! The calls of the sandbox and their replies as bytes, as they go through a pipe to a worker process.

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use host_calls::{
    BatchItem, FileEntry, FileStat, HostCall, HostReply, HttpCall, HttpHeader, HttpOpen, HttpReply, HttpWaits,
    LogLevel, LogLine, LogSource, Refusal, RefusalNumbers, StateCall, StateReply, StorageCall, StorageReply,
};
use host_model::{Card, CardQuery, Draft, Durability, Envelope, Header, Receipt, Skill};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tests_kit::chance::Chance;
use tests_kit::gate::Sender;

use crate::mutate::mutated;
use crate::target::{Fault, Verdict};

type Reply = Result<HostReply, Refusal>;

/// One of each, as bytes.
struct Samples {
    calls: Vec<Vec<u8>>,
    replies: Vec<Vec<u8>>,
}

/// Whatever is read is the same when written and read again; whatever else is refused, without a panic.
pub(crate) fn comes_out_as_it_went_in(chance: &mut Chance) -> Result<Verdict, Fault> {
    static SAMPLES: OnceLock<Samples> = OnceLock::new();
    let samples = SAMPLES.get_or_init(|| Samples {
        calls: calls().iter().map(bytes).collect(),
        replies: replies().iter().map(bytes).collect(),
    });
    if chance.one_in(2) {
        there_and_back::<HostCall>(chance, &samples.calls)
    } else {
        there_and_back::<Reply>(chance, &samples.replies)
    }
}

fn there_and_back<T>(chance: &mut Chance, samples: &[Vec<u8>]) -> Result<Verdict, Fault>
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let (sample, other) = (chance.pick(samples), chance.pick(samples));
    let changed = if chance.one_in(8) { sample.clone() } else { mutated(chance, sample, other) };
    let Ok(value) = serde_json::from_slice::<T>(&changed) else {
        let text = String::from_utf8_lossy(&changed).into_owned();
        return if changed == *sample {
            Err(Fault::Broken(format!("{text} is not read")))
        } else {
            Ok(Verdict::Refused)
        };
    };
    let again = serde_json::from_slice::<T>(&bytes(&value));
    match again {
        Ok(again) if again == value => Ok(Verdict::Took),
        other => Err(Fault::Broken(format!("{value:?} came out as {other:?}"))),
    }
}

fn bytes<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain data has a JSON form")
}

/// One call of each kind, with every optional part.
pub(crate) fn calls() -> Vec<HostCall> {
    let text = || "a".to_owned();
    let headers = vec![Header { name: text(), value: "é\"\\".to_owned() }];
    let draft = || Draft {
        message_type: text(),
        content_type: "application/json".to_owned(),
        payload: vec![0, 127, 255],
        correlation_id: Some(text()),
        headers: headers.clone(),
        options: headers.clone(),
    };
    let line = LogLine { level: LogLevel::Warn, source: LogSource::Log, message: text(), fields: headers.clone() };
    let query = CardQuery { skill: Some(text()), tag: None, pattern: Some("*".to_owned()), capability: None };
    let open = HttpOpen {
        method: "GET".to_owned(),
        url: "https://a/".to_owned(),
        headers: vec![HttpHeader { name: text(), value: vec![255] }],
        body: vec![1, 2],
        waits: HttpWaits { connect_ms: Some(1), first_byte_ms: None, between_bytes_ms: Some(u64::MAX) },
    };
    let value = || vec![1, 2, 3];
    let mut all = vec![
        HostCall::Publish { topic: text(), draft: draft() },
        HostCall::Send { agent: text(), draft: draft() },
        HostCall::Request { agent: text(), draft: draft(), deadline_ms: u32::MAX },
        HostCall::Batch(vec![BatchItem::Topic(text(), draft()), BatchItem::Agent(text(), draft())]),
        HostCall::Log(line),
        HostCall::Find(query),
        HostCall::Card(text()),
        HostCall::Http(HttpCall::Open(Box::new(open))),
        HostCall::Http(HttpCall::Read { handle: 1, max: u32::MAX }),
        HostCall::Http(HttpCall::Close { handle: 0 }),
    ];
    let state = [
        StateCall::Get { key: text() },
        StateCall::Set { key: text(), value: value(), ttl_ms: Some(1) },
        StateCall::Delete { key: text() },
        StateCall::Keys { prefix: text(), after: Some(text()) },
        StateCall::Increment { key: text(), delta: i64::MIN, sum_min: i64::MAX },
        StateCall::CompareAndSet { key: text(), expected: Some(value()), value: value(), ttl_ms: None },
    ];
    let storage = [
        StorageCall::Read { path: text(), offset: u64::MAX, len: 1 },
        StorageCall::Write { path: text(), bytes: value() },
        StorageCall::Append { path: text(), bytes: value() },
        StorageCall::Remove { path: text() },
        StorageCall::List { directory: String::new(), after: Some(text()) },
        StorageCall::Stat { path: text() },
        StorageCall::MakeDir { path: text() },
        StorageCall::Rename { from: text(), to: text() },
    ];
    all.extend(state.map(HostCall::State));
    all.extend(storage.map(HostCall::Storage));
    all
}

/// One reply of each kind.
fn replies() -> Vec<Reply> {
    let envelope = envelope();
    let receipt = Receipt { id: envelope.id, durability: Durability::Volatile };
    let numbers = RefusalNumbers::of("mailbox-full").past(1, u64::MAX).retry_after_ms(50);
    let text = || "a".to_owned();
    let skill = Skill { id: text(), name: text(), description: text(), tags: vec![text()], examples: Vec::new() };
    let card = Arc::new(Card {
        id: "kb".parse().expect("an id"),
        name: text(),
        description: text(),
        version: text(),
        capabilities: vec![text()],
        skills: vec![skill],
        card_json: "{}".to_owned(),
    });
    let header = HttpHeader { name: text(), value: vec![255] };
    let entry = FileEntry { name: text(), stat: FileStat { is_directory: true, len: u64::MAX } };
    let refusals = [Refusal::NotFound, Refusal::NotGranted(numbers.clone()), Refusal::Other(numbers.clone())];
    let good = [
        HostReply::Sent(receipt),
        HostReply::Answered(Box::new(envelope)),
        HostReply::Batch(vec![Ok(receipt), Err(Refusal::Backpressure(numbers))]),
        HostReply::Logged,
        HostReply::Found(vec![card.clone()]),
        HostReply::Card(Some(card)),
        HostReply::Card(None),
        HostReply::Http(HttpReply::Opened { status: 999, headers: vec![header], handle: 1 }),
        HostReply::Http(HttpReply::Chunk(vec![0, 255])),
        HostReply::Http(HttpReply::End),
        HostReply::State(StateReply::Value(Some(vec![0]))),
        HostReply::State(StateReply::Keys { keys: vec![text()], next: Some(text()) }),
        HostReply::State(StateReply::Number(i64::MIN)),
        HostReply::State(StateReply::Done(true)),
        HostReply::Storage(StorageReply::Bytes(vec![0])),
        HostReply::Storage(StorageReply::Entries { entries: vec![entry], next: None }),
        HostReply::Storage(StorageReply::Stat(entry_stat())),
    ];
    good.into_iter().map(Ok).chain(refusals.into_iter().map(Err)).collect()
}

fn entry_stat() -> FileStat {
    FileStat { is_directory: false, len: 0 }
}

/// A message with most of its optional fields.
pub(crate) fn envelope() -> Envelope {
    let stamped = Sender::in_tenant("acme").ask("guest", "body", host_model::ReplyToken::new(u128::MAX));
    stamped.envelope().clone()
}
