//! Which paths and sizes pass, for each call that names one (S01).

use super::*;

/// The calls that name a path, each with this one.
fn calls(path: &str) -> Vec<StorageCall> {
    let path = || path.to_owned();
    vec![
        StorageCall::Read { path: path(), offset: 0, len: 1 },
        StorageCall::Write { path: path(), bytes: vec![1] },
        StorageCall::Append { path: path(), bytes: vec![1] },
        StorageCall::Remove { path: path() },
        StorageCall::List { directory: path(), after: None },
        StorageCall::Stat { path: path() },
        StorageCall::MakeDir { path: path() },
        StorageCall::Rename { from: path(), to: "good".to_owned() },
        StorageCall::Rename { from: "good".to_owned(), to: path() },
    ]
}

/// Parts that no path may have, and ways to put one among good ones.
fn bad_paths() -> Vec<String> {
    let mut controls: Vec<String> = (0..32_u8).map(|byte| format!("a{}b", char::from(byte))).collect();
    controls.extend(["\u{7f}", "\u{80}", "\u{85}", "\u{9f}"].map(str::to_owned));
    let mut parts = vec![".".to_owned(), "..".to_owned(), String::new(), "x".repeat(129), "x".repeat(4_097)];
    parts.extend(controls);
    let around = |part: &String| {
        [part.clone(), format!("a/{part}"), format!("{part}/a"), format!("a/{part}/b"), format!("a/b/c/{part}/d/e")]
    };
    let mut paths: Vec<String> = parts.iter().flat_map(around).filter(|path| !path.is_empty()).collect();
    let more = [
        "/",
        "//",
        "/etc/passwd",
        "../../../../etc/passwd",
        "a/../../b",
        "./a",
        "a/./b",
        "a//b",
        "/proc/self/root",
        "a/b/",
    ];
    paths.extend(more.map(str::to_owned));
    paths.push(["a"; 17].join("/"));
    paths.push("../".repeat(1_000));
    paths
}

#[test]
fn no_call_takes_a_path_that_could_name_anything_else() {
    let paths = bad_paths();
    assert!(paths.len() >= 200, "{} paths", paths.len());
    for path in &paths {
        for call in calls(path) {
            let invalid = Err(Refusal::Invalid(RefusalNumbers::of("path")));
            assert_eq!(parse(call), invalid, "{path:?}");
        }
    }
}

#[test]
fn every_call_takes_a_plain_path() {
    for path in ["a", "a/b", "...", ".hidden", "日本/x y", &["a"; 16].join("/"), &"x".repeat(128)] {
        assert!(calls(path).into_iter().all(|call| parse(call).is_ok()), "{path:?}");
    }
    assert_eq!(
        parse(StorageCall::List { directory: String::new(), after: None }),
        Ok(FileOp::List(None, None)),
        "the agent's own directory has no name"
    );
    assert!(parse(StorageCall::Stat { path: String::new() }).is_err());
}

#[test]
fn a_chunk_is_taken_up_to_its_bound_and_refused_past_it_with_the_numbers() {
    let len_max = FILE_CHUNK_LEN_MAX as u64;
    let check = |len: usize, ok: bool| {
        let path = || "a".to_owned();
        let calls = [
            StorageCall::Read { path: path(), offset: u64::MAX, len: u32::try_from(len).unwrap() },
            StorageCall::Write { path: path(), bytes: vec![0; len] },
            StorageCall::Append { path: path(), bytes: vec![0; len] },
        ];
        let refusal = Refusal::TooLarge(RefusalNumbers::of("file-chunk-bytes").past(len_max, len as u64));
        for call in calls {
            assert_eq!(parse(call).map(drop), if ok { Ok(()) } else { Err(refusal.clone()) });
        }
    };
    check(0, true);
    check(FILE_CHUNK_LEN_MAX, true);
    check(FILE_CHUNK_LEN_MAX + 1, false);
}
