//! Steps on files.

use bailiwick_sdk::Storage;
use serde_json::{Value, json};

use crate::{Words, shown, told};

pub(crate) fn step(files: &impl Storage, words: &Words<'_>) -> Value {
    let (path, done) = (words.text(1), |()| json!("ok"));
    match words.text(0) {
        "read" => {
            let offset = words.number(2).and_then(|offset| u64::try_from(offset).ok()).unwrap_or_default();
            let len = words.number(3).and_then(|len| u32::try_from(len).ok()).unwrap_or(1 << 20);
            told(files.read(path, offset, len), |bytes| shown(&bytes))
        }
        "write" => told(files.write(path, &words.bytes(2)), done),
        "append" => told(files.append(path, &words.bytes(2)), done),
        "remove" => told(files.remove(path), done),
        "list" => told(files.list(path, words.given(2)), |page| {
            json!(page.entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>())
        }),
        "stat" => told(files.stat(path), |stat| json!({ "directory": stat.is_directory, "len": stat.len })),
        "make-dir" => told(files.make_dir(path), done),
        "rename" => told(files.rename(path, words.text(2)), done),
        unknown => json!({ "unknown": unknown }),
    }
}
