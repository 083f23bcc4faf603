//! Steps through `wasi:keyvalue` and `wasi:config`, by bindings of its own: the SDK knows neither.

use serde_json::Value;

use crate::Words;

#[cfg(target_arch = "wasm32")]
#[allow(clippy::all, clippy::pedantic, clippy::indexing_slicing, unused_qualifications, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({
        path: ["../../../wit/wasi-keyvalue-0.2.0-draft", "../../../wit/wasi-config-0.2.0-rc.1"],
        inline: "
            package bailiwick:keeper;

            world keeping {
                include wasi:keyvalue/imports@0.2.0-draft;
                include wasi:config/imports@0.2.0-rc.1;
            }
        ",
        generate_all,
    });
}

#[cfg(target_arch = "wasm32")]
pub(crate) fn step(words: &Words<'_>) -> Value {
    use bindings::wasi::config::store as config;
    use bindings::wasi::keyvalue::store;
    use serde_json::json;

    match words.text(0) {
        "setting" => json!(config::get(words.text(1)).ok()),
        "settings" => json!(config::get_all().ok()),
        _ => match store::open(words.text(1)) {
            Ok(bucket) => on_bucket(&bucket, words),
            Err(error) => json!({ "error": format!("{error:?}") }),
        },
    }
}

#[cfg(target_arch = "wasm32")]
fn on_bucket(bucket: &bindings::wasi::keyvalue::store::Bucket, words: &Words<'_>) -> Value {
    use bindings::wasi::keyvalue::{atomics, batch, store};
    use serde_json::json;

    fn told<T>(result: Result<T, store::Error>, show: impl FnOnce(T) -> Value) -> Value {
        result.map_or_else(|error| json!({ "error": format!("{error:?}") }), show)
    }
    let pair = |(key, value): (String, Vec<u8>)| json!([key, String::from_utf8_lossy(&value)]);
    let (key, done) = (words.text(2), |()| json!("ok"));
    let number = || words.number(3).and_then(|number| u64::try_from(number).ok());
    match words.text(0) {
        "get" => told(bucket.get(key), |value| json!(value.map(|value| String::from_utf8_lossy(&value).into_owned()))),
        "set" => told(bucket.set(key, &words.bytes(3)), done),
        "delete" => told(bucket.delete(key), done),
        "exists" => told(bucket.exists(key), |there| json!(there)),
        "count" => json!(count(bucket)),
        "forged-cursor" => told(bucket.list_keys(Some(7)), |page| json!(page.keys)),
        "increment" => told(atomics::increment(bucket, key, number().unwrap_or(1)), |sum| json!(sum)),
        "get-many" => {
            let keys = [key.to_owned(), words.text(3).to_owned()];
            told(batch::get_many(bucket, &keys), |pairs| pairs.into_iter().map(|found| found.map(pair)).collect())
        }
        "set-many" => {
            let pairs = (0..number().unwrap_or_default()).map(|n| (format!("{key}{n}"), n.to_string().into_bytes()));
            told(batch::set_many(bucket, &pairs.collect::<Vec<_>>()), done)
        }
        "delete-many" => told(batch::delete_many(bucket, &[key.to_owned(), words.text(3).to_owned()]), done),
        unknown => json!({ "unknown": unknown }),
    }
}

/// How many keys all pages hold together.
#[cfg(target_arch = "wasm32")]
fn count(bucket: &bindings::wasi::keyvalue::store::Bucket) -> Option<usize> {
    let (mut count, mut cursor) = (0, None);
    loop {
        let page = bucket.list_keys(cursor).ok()?;
        count += page.keys.len();
        if page.cursor.is_none() {
            return Some(count);
        }
        cursor = page.cursor;
    }
}

/// The machine that builds keeps nothing.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn step(_words: &Words<'_>) -> Value {
    Value::Null
}
