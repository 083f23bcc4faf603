//! A small program to try the shim on: does to files of its folder what it is told, step by step, and ends.
//!
//! `write=FILE,OFFSET,LEN,BYTE`, `append=FILE,LEN,BYTE`, `length=FILE,LEN`, `whole=FILE,LEN,BYTE` (as `fs::write`), `twin=FILE,OFFSET,LEN,BYTE`
//! (by a duplicate of its descriptor), `threads=FILE,COUNT,LEN` (each thread its own part, many times), `rename=FILE,FILE`, `sync=FILE`, `sync-data=FILE`,
//! `sync-dir=.`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::thread;

/// How often each thread writes its part.
const TIMES: u8 = 50;

fn main() -> io::Result<()> {
    for step in std::env::args().skip(1) {
        let (verb, args) = step.split_once('=').unwrap_or_default();
        let mut args = args.split(',');
        let (file, args) = (args.next().unwrap_or_default(), args.collect::<Vec<_>>());
        act(verb, file, &args)?;
    }
    Ok(())
}

fn act(verb: &str, file: &str, args: &[&str]) -> io::Result<()> {
    let numbers: Vec<usize> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    match (verb, numbers.as_slice()) {
        ("write", [offset, len, byte]) => open(file)?.write_all_at(&filled(*len, *byte), *offset as u64),
        ("twin", [offset, len, byte]) => open(file)?.try_clone()?.write_all_at(&filled(*len, *byte), *offset as u64),
        ("append", [len, byte]) => {
            OpenOptions::new().append(true).create(true).open(file)?.write_all(&filled(*len, *byte))
        }
        ("whole", [len, byte]) => fs::write(file, filled(*len, *byte)),
        ("length", [len]) => open(file)?.set_len(*len as u64),
        ("threads", [count, len]) => threads(&open(file)?, *count, *len),
        ("rename", []) => fs::rename(file, args.concat()),
        ("sync" | "sync-dir", []) => File::open(file)?.sync_all(),
        ("sync-data", []) => open(file)?.sync_data(),
        _ => Err(io::Error::other(format!("no step named {verb}"))),
    }
}

fn open(file: &str) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).open(file)
}

fn filled(len: usize, byte: usize) -> Vec<u8> {
    vec![byte.to_le_bytes().first().copied().unwrap_or_default(); len]
}

fn threads(file: &File, count: usize, len: usize) -> io::Result<()> {
    let write = |number: usize| {
        let writes =
            (1..=TIMES).map(|round| file.write_all_at(&filled(len, usize::from(round)), (number * len) as u64));
        writes.collect::<io::Result<()>>()
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..count).map(|number| scope.spawn(move || write(number))).collect();
        running.into_iter().try_for_each(|thread| thread.join().map_err(|_| io::Error::other("a thread panicked"))?)
    })
}
