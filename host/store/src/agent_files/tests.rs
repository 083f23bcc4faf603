//! What a path reaches, what counts, and what is left when something fails.

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use host_calls::Refusal;
use host_model::FilePath;
use tempfile::TempDir;
use tests_kit::gate::born;

use super::*;
use crate::samples::{Quota, Stores, keeper, told};

fn path(raw: &str) -> FilePath {
    raw.parse().unwrap()
}

async fn call(stores: &Stores, op: FileOp) -> Result<StorageReply, Refusal> {
    stores.files.call(&keeper(), op).await
}

fn write(raw: &str, len: usize) -> FileOp {
    FileOp::Write(path(raw), vec![b'x'; len])
}

fn append(raw: &str, len: usize) -> FileOp {
    FileOp::Append(path(raw), vec![b'y'; len])
}

fn make_dir(raw: &str) -> FileOp {
    FileOp::MakeDir(path(raw))
}

fn rename(from: &str, to: &str) -> FileOp {
    FileOp::Rename(path(from), path(to))
}

fn remove(raw: &str) -> FileOp {
    FileOp::Remove(path(raw))
}

async fn read(stores: &Stores, raw: &str) -> Result<Vec<u8>, Refusal> {
    match call(stores, FileOp::Read(path(raw), 0, 1 << 20)).await? {
        StorageReply::Bytes(bytes) => Ok(bytes),
        other => panic!("{other:?}"),
    }
}

async fn names(stores: &Stores, directory: Option<&str>) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = call(stores, FileOp::List(directory.map(path), after)).await;
        let Ok(StorageReply::Entries { entries, next }) = page else { panic!("{page:?}") };
        all.extend(entries.into_iter().map(|entry| entry.name));
        let Some(next) = next else { return all };
        after = Some(next);
    }
}

/// Files and bytes in use by `acme`.
fn used(stores: &Stores) -> (u64, u64) {
    (stores.acme.storage_files.used(), stores.acme.storage_bytes.used())
}

/// Where the keeper's files lie.
fn home(dir: &TempDir) -> PathBuf {
    dir.path().join("tenants/acme/keeper")
}

/// Files and bytes that lie on the disk for the keeper.
fn kept(dir: &TempDir) -> (u64, u64) {
    let home = Dir::open_ambient_dir(home(dir), ambient_authority()).unwrap();
    let size = usage::below(&home).unwrap();
    (size.files, size.bytes)
}

#[tokio::test]
async fn what_is_written_is_read_and_survives_a_restart_with_its_count() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota::default()).await;
    for op in [make_dir("d"), write("d/a", 3), append("d/a", 2), append("b", 4), write("b", 1)] {
        call(&stores, op).await.unwrap();
    }
    fs::write(dir.path().join("tenants/acme/.drafts/keeper"), "half").unwrap();
    drop(stores);

    let stores = Stores::open(&dir, Quota::default()).await;

    assert_eq!(
        (read(&stores, "d/a").await.unwrap(), read(&stores, "b").await.unwrap()),
        (b"xxxyy".into(), b"x".into())
    );
    assert_eq!((used(&stores), kept(&dir)), ((3, 6), (3, 6)));
    assert_eq!(names(&stores, None).await, ["b", "d"]);
    let part = call(&stores, FileOp::Read(path("d/a"), 2, 2)).await;
    assert_eq!(part, Ok(StorageReply::Bytes(b"xy".into())));
    assert_eq!(call(&stores, FileOp::Read(path("d/a"), u64::MAX, 2)).await, Ok(StorageReply::Bytes(vec![])));
}

#[tokio::test]
async fn another_agent_and_another_tenant_see_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota::default()).await;
    call(&stores, write("a", 3)).await.unwrap();
    for stranger in [born("acme", "other"), born("globex", "keeper")] {
        let answers = [FileOp::Read(path("a"), 0, 1), FileOp::Stat(path("a")), remove("a"), rename("a", "b")];
        for op in answers {
            assert_eq!(stores.files.call(&stranger, op).await, Err(Refusal::NotFound));
        }
        let empty = StorageReply::Entries { entries: vec![], next: None };
        assert_eq!(stores.files.call(&stranger, FileOp::List(None, None)).await, Ok(empty));
    }
    assert_eq!(told(stores.files.call(&born("initech", "keeper"), write("a", 1)).await).0, "not-open");
    assert_eq!(read(&stores, "a").await.unwrap().len(), 3);
}

/// S02, S03: links that were planted by somebody else lead nowhere, whatever is asked of them, and what they name is unchanged.
#[tokio::test]
async fn no_call_follows_a_link() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let stores = Stores::open(&dir, Quota::default()).await;
    call(&stores, make_dir("real")).await.unwrap();
    call(&stores, write("real/file", 4)).await.unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    let targets = [
        outside.path().to_owned(),
        outside.path().join("secret"),
        outside.path().join(""),
        outside.path().join("created"),
        "/proc/self/root".into(),
        "/proc/self/cwd/".into(),
        "../../globex".into(),
        "real".into(),
        "real/".into(),
        "real/file".into(),
        "loop".into(),
        ".".into(),
        "..".into(),
    ];
    for (number, target) in targets.iter().enumerate() {
        let name = if target == Path::new("loop") { "loop".to_owned() } else { format!("link-{number}") };
        symlink(target, home(&dir).join(&name)).unwrap();
        let inner = format!("{name}/secret");
        for below in [&name, &inner, &format!("{name}/file"), &format!("{name}/../secret").replace("../", "")] {
            let calls = [
                FileOp::Read(path(below), 0, 100),
                write(below, 2),
                append(below, 2),
                remove(below),
                FileOp::List(Some(path(below)), None),
                FileOp::Stat(path(below)),
                make_dir(below),
                rename(below, "moved"),
                rename("real/file", below),
                rename("real", below),
            ];
            for op in calls {
                let shown = format!("{op:?} with {name} -> {}", target.display());
                let code = told(call(&stores, op).await).0;
                let codes = ["not-found", "not-a-file", "already-exists", "too-deep"];
                assert!(codes.contains(&code.as_str()), "{code}: {shown}");
            }
        }
    }
    assert_eq!(fs::read_to_string(outside.path().join("secret")).unwrap(), "secret");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    assert_eq!((names(&stores, None).await, read(&stores, "real/file").await.unwrap().len()), (vec!["real".into()], 4));
    assert_eq!(used(&stores), (2, 4));
}

/// S04: a directory that becomes a link and back while paths lead through it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_swapped_for_a_link_in_a_race_lets_nobody_out() {
    const TRIES: usize = 100_000;
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let stores = Stores::open(&dir, Quota::default()).await;
    call(&stores, make_dir("d")).await.unwrap();
    call(&stores, write("d/f", 4)).await.unwrap();
    fs::write(outside.path().join("f"), "secret").unwrap();
    let (home, target) = (home(&dir), outside.path().to_owned());
    symlink(&target, home.join("link")).unwrap();
    let stop = AtomicBool::new(false);
    let tenant = stores.files.0.tenant(&"acme".parse().unwrap()).unwrap();
    let mut tree = tenant.tree(&"keeper".parse().unwrap()).try_lock_owned().unwrap();
    let mut reached = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let exchange = rustix::fs::RenameFlags::EXCHANGE;
            while !stop.load(Ordering::Relaxed) {
                rustix::fs::renameat_with(
                    rustix::fs::CWD,
                    home.join("d"),
                    rustix::fs::CWD,
                    home.join("link"),
                    exchange,
                )
                .unwrap();
            }
        });
        for _ in 0..TRIES {
            match tree.apply(FileOp::Read(path("d/f"), 0, 100)) {
                Ok(StorageReply::Bytes(bytes)) => {
                    assert_eq!(bytes, b"xxxx");
                    reached += 1;
                }
                other => assert_eq!(told(other).0, "not-found"),
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(reached > 0 && reached < TRIES, "{reached} of {TRIES} found the directory: there was no race");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

/// S05.
#[tokio::test]
async fn quotas_give_their_last_unit_and_not_one_more() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota { files: 3, bytes: 1_024, ..Quota::default() }).await;
    call(&stores, write("a", 1_024)).await.unwrap();
    let full = |asked| ("storage-bytes".to_owned(), Some(1_024), Some(asked));
    assert_eq!(told(call(&stores, write("b", 1)).await), full(1_025));
    assert_eq!(told(call(&stores, append("a", 1)).await), full(1_025));
    assert_eq!(told(call(&stores, write("a", 1_025)).await), full(1_025));
    call(&stores, write("a", 1_000)).await.unwrap();
    call(&stores, append("a", 24)).await.unwrap();
    assert_eq!(told(call(&stores, append("b", 1)).await), full(1_025));
    assert_eq!((used(&stores), kept(&dir)), ((1, 1_024), (1, 1_024)));
    call(&stores, make_dir("d")).await.unwrap();
    call(&stores, write("d/empty", 0)).await.unwrap();
    let files = ("storage-files".to_owned(), Some(3), Some(4));
    for op in [write("e", 0), append("e", 0), make_dir("e")] {
        assert_eq!(told(call(&stores, op).await), files);
    }
    call(&stores, rename("d/empty", "a")).await.unwrap();
    assert_eq!((used(&stores), kept(&dir)), ((2, 0), (2, 0)), "what is replaced counts no more");
    call(&stores, write("e", 1_024)).await.unwrap();
    assert_eq!((used(&stores), stores.globex.storage_files.used()), ((3, 1_024), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_at_once_never_pass_the_quota_whoever_stops_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota { files: 40, bytes: 1_024, ..Quota::default() }).await;
    let mut writing = tokio::task::JoinSet::new();
    for number in 0..200_u64 {
        let name = format!("f{}", number % 60);
        let op = match number % 5 {
            0 => remove(&name),
            1 => append(&name, 30),
            2 => rename(&name, "f1"),
            _ => write(&name, 50),
        };
        let answer = stores.files.call(&born("acme", &format!("agent-{}", number % 3)), op);
        writing.spawn(async move {
            let patience = std::time::Duration::from_millis(number % 7);
            if number % 3 == 0 { drop(tokio::time::timeout(patience, answer).await) } else { drop(answer.await) }
        });
    }
    writing.join_all().await;
    let (mut files, mut bytes) = (0, 0);
    for agent in ["agent-0", "agent-1", "agent-2"] {
        // Behind whatever was begun and given up.
        let tenant = stores.files.0.tenant(&"acme".parse().unwrap()).unwrap();
        let _idle = tenant.tree(&agent.parse().unwrap()).lock_owned().await;
        let home = Dir::open_ambient_dir(dir.path().join("tenants/acme").join(agent), ambient_authority()).unwrap();
        let size = usage::below(&home).unwrap();
        (files, bytes) = (files + size.files, bytes + size.bytes);
    }
    assert_eq!(used(&stores), (files, bytes));
    assert!(files > 0 && files <= 40 && bytes <= 1_024, "{files} files of {bytes} bytes");
}

#[tokio::test]
async fn a_call_that_fails_leaves_what_was_there_and_its_count() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota::default()).await;
    for op in [make_dir("d"), write("d/f", 5), write("f", 1), make_dir("e")] {
        call(&stores, op).await.unwrap();
    }
    let check = async |op: FileOp, code: &str| assert_eq!(told(call(&stores, op).await).0, code);
    check(remove("d"), "not-empty").await;
    check(remove("none"), "not-found").await;
    check(write("d", 1), "not-a-file").await;
    check(append("d", 1), "not-a-file").await;
    check(write("none/f", 1), "not-found").await;
    check(write("f/f", 1), "not-found").await;
    check(make_dir("f"), "already-exists").await;
    check(make_dir("d"), "already-exists").await;
    check(rename("f", "d"), "already-exists").await;
    check(rename("d", "f"), "already-exists").await;
    check(rename("d", "e"), "already-exists").await;
    check(rename("d", "d/inner"), "too-deep").await;
    check(rename("d", "e/inner"), "too-deep").await;
    check(rename("none", "x"), "not-found").await;
    check(FileOp::List(Some(path("f")), None), "not-found").await;
    check(FileOp::Read(path("d"), 0, 1), "not-a-file").await;
    assert_eq!((used(&stores), kept(&dir)), ((4, 6), (4, 6)));
    call(&stores, rename("f", "f")).await.unwrap();
    call(&stores, rename("d", "moved")).await.unwrap();
    assert_eq!((used(&stores), read(&stores, "moved/f").await.unwrap().len()), ((4, 6), 5));
    for op in [remove("moved/f"), remove("moved"), remove("f"), remove("e")] {
        call(&stores, op).await.unwrap();
    }
    assert_eq!((used(&stores), kept(&dir)), ((0, 0), (0, 0)));
}

#[tokio::test]
async fn a_directory_comes_in_pages_and_no_name_twice() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota::default()).await;
    call(&stores, append("first", 1)).await.unwrap();
    call(&stores, remove("first")).await.unwrap();
    let all: Vec<String> = (0..600).map(|number| format!("f{number:03}")).collect();
    for name in &all {
        fs::write(home(&dir).join(name), "").unwrap();
    }
    assert_eq!(names(&stores, None).await, all);
}

#[tokio::test]
async fn a_deleted_agent_leaves_no_file_and_frees_what_it_held() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota::default()).await;
    for op in [make_dir("d"), write("d/f", 5)] {
        call(&stores, op).await.unwrap();
    }
    stores.files.call(&born("acme", "other"), write("a", 2)).await.unwrap();
    let held = stores.files.0.tenant(&"acme".parse().unwrap()).unwrap().tree(&"keeper".parse().unwrap());
    for _ in 0..2 {
        stores.files.delete_agent(&"acme".parse().unwrap(), &"keeper".parse().unwrap()).await.unwrap();
        assert_eq!((used(&stores), home(&dir).exists()), ((1, 2), false));
    }
    let late = held.lock_owned().await.apply(write("late", 1));
    assert_eq!((late, home(&dir).exists()), (Err(Refusal::NotFound), false));
}

#[tokio::test]
async fn a_closed_tenant_has_no_place_left_and_another_keeps_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota::default()).await;
    let (acme, state) = ("acme".parse().unwrap(), &stores.state);
    let there = |tenant: &str| dir.path().join("tenants").join(tenant).exists();
    call(&stores, write("a", 5)).await.unwrap();
    stores.files.delete_agent(&acme, &"keeper".parse().unwrap()).await.unwrap();
    for _ in 0..2 {
        state.close_tenant(&acme).await.unwrap();
        stores.files.close_tenant(&acme).await.unwrap();
        assert_eq!((there("acme"), there("globex")), (false, true));
    }
    assert_eq!(told(call(&stores, write("a", 5)).await).0, "not-open");
    let read = host_courier::StateOp::Keys(String::new(), None);
    let read = host_courier::StateStore::call(state, &born("acme", "keeper"), tests_kit::gate::NOW, read).await;
    assert_eq!(told(read).0, "not-open");
    stores.files.call(&born("globex", "keeper"), write("a", 1)).await.unwrap();
}

/// E18: one tenant's slow files take its own turns.
#[tokio::test]
async fn a_tenant_whose_files_are_slow_holds_up_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota::default()).await;
    let tenant = stores.files.0.tenant(&"acme".parse().unwrap()).unwrap();
    let _slow = tenant.turns.clone().acquire_many_owned(TURNS_MAX).await.unwrap();
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..600 {
        waiting.spawn(stores.files.call(&born("acme", &format!("agent-{number}")), write("a", 1)));
    }
    tokio::task::yield_now().await;
    stores.files.call(&born("globex", "keeper"), write("a", 1)).await.unwrap();
    assert!(waiting.try_join_next().is_none(), "nobody of the slow tenant had a turn");
    assert_eq!(stores.files.0.threads.available_permits(), THREADS_MAX, "who waits for a turn holds no thread");
}

/// S06.
#[tokio::test]
async fn between_calls_no_agent_holds_a_descriptor() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota::default()).await;
    call(&stores, write("a", 1)).await.unwrap();
    let open = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    for number in 0..100 {
        stores.files.call(&born("acme", &format!("agent-{number}")), write("a", 1)).await.unwrap();
    }
    assert!(open() <= before, "{} descriptors became {}", before, open());
}
