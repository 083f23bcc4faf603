//! The shim and the power cut, tried on a small program that writes and syncs in an order that is known.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use tests_kit::chance::Chance;

use super::image::WrittenBack;
use super::{Struck, Watched};

/// A program that was watched, and has ended.
struct Ended {
    home: TempDir,
    watched: Watched,
}

impl Ended {
    fn run(steps: &[&str]) -> Self {
        Self::run_on(tempfile::tempdir().unwrap(), steps)
    }

    fn run_on(home: TempDir, steps: &[&str]) -> Self {
        let watched = Watched::begin(&home.path().join("data"), &home.path().join("log")).unwrap();
        let mut writer = Command::new(tests_kit::built("tests-shim-writer"));
        writer.env_clear().envs(watched.environment()).current_dir(home.path().join("data")).args(steps);
        let output = writer.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        Self { home, watched }
    }

    fn strike(&self, written: WrittenBack) -> Struck {
        self.watched.strike_with(&mut Chance::new(1), |_, _| written).unwrap()
    }

    fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.home.path().join("data").join(file)).unwrap()
    }
}

/// How much of a file a power cut leaves that nothing is written back before.
fn check(steps: &[&str], expected: &[(u8, usize)]) {
    let ended = Ended::run(steps);
    ended.strike(WrittenBack::Nothing);
    let expected: Vec<u8> = expected.iter().flat_map(|(byte, len)| vec![*byte; *len]).collect();
    assert_eq!(ended.read("f"), expected, "{steps:?}");
}

#[test]
fn what_was_synced_stays_and_what_was_not_is_as_it_was_before() {
    check(&["write=f,0,1000,1", "sync=f"], &[(1, 1000)]);
    check(&["write=f,0,1000,1", "sync-data=f", "write=f,500,1000,2"], &[(1, 1000)]);
    check(&["write=f,0,1000,1", "sync=f", "write=f,0,9,2", "sync=f", "write=f,3,3,3"], &[(2, 9), (1, 991)]);
    check(&["append=f,10,1", "sync=f", "append=f,10,2", "append=f,10,3"], &[(1, 10)]);
    check(&["append=f,10,1", "sync=f", "append=f,10,2", "sync=f", "append=f,10,3"], &[(1, 10), (2, 10)]);
    check(&["write=f,0,10,1", "sync=f", "length=f,4"], &[(1, 10)]);
    check(&["write=f,0,10,1", "sync=f", "length=f,4", "sync=f", "length=f,6"], &[(1, 4)]);
    check(&["write=f,0,10,1", "sync=f", "whole=f,20,2"], &[(1, 10)]);
    check(&["write=f,0,10,1", "sync=f", "twin=f,5,10,2"], &[(1, 10)]);
    check(&["write=f,0,10,1", "sync=f", "twin=f,5,5,2", "sync=f", "write=f,0,5,3"], &[(1, 5), (2, 5)]);
    check(&["write=g,0,10,1", "sync=g", "rename=g,f", "sync-dir=.", "write=f,0,10,2"], &[(1, 10)]);
    check(&["write=f,0,10,1", "sync=f", "write=f,0,10,2", "write=g,0,10,2", "sync=g"], &[(1, 10)]);
}

#[test]
fn the_writes_of_several_threads_are_all_undone() {
    check(&["write=f,0,4096,0", "sync=f", "threads=f,8,512"], &[(0, 4096)]);
    check(&["threads=f,8,512", "sync=f"], &[(50, 4096)]);
}

#[test]
fn of_what_was_not_synced_some_writes_stay_and_one_is_torn() {
    let ended = Ended::run(&["write=f,0,2048,1", "sync=f", "write=f,0,512,2", "write=f,512,1536,3"]);
    let struck = ended.strike(WrittenBack::UpTo { writes: 1, sectors: 2 });
    let expected = [[2; 512].as_slice(), &[3; 1024], &[1; 512]].concat();
    assert_eq!(ended.read("f"), expected);
    assert_eq!(struck, Struck { files: 1, writes: 2, changed: 1, names: 0 });
}

#[test]
fn nothing_is_left_to_strike_once_all_is_synced() {
    let ended = Ended::run(&["write=f,0,4096,1", "sync=f", "whole=g,10,2", "sync=g", "sync-dir=."]);
    assert_eq!(ended.strike(WrittenBack::Nothing), Struck::default());
}

#[test]
fn a_name_is_lost_by_chance_until_its_file_or_folder_is_synced() {
    let check = |steps: &[&str], lost: bool| {
        let gone = (0..32).any(|seed| {
            let ended = Ended::run(steps);
            ended.watched.strike(&mut Chance::new(seed)).unwrap();
            !exists(ended.home.path(), "f")
        });
        assert_eq!(gone, lost, "{steps:?}");
    };
    check(&["write=f,0,10,1"], true);
    check(&["write=f,0,10,1", "sync=f"], false);
    check(&["write=g,0,10,1", "sync=g", "rename=g,f"], true);
    check(&["write=g,0,10,1", "sync=g", "rename=g,f", "sync-dir=."], false);
}

#[test]
fn a_seed_names_one_power_cut() {
    let strike = || {
        let ended = Ended::run(&["write=f,0,65536,1", "sync=f", "write=f,0,65536,2", "write=f,1000,9000,3"]);
        ended.watched.strike(&mut Chance::new(11)).unwrap();
        ended.read("f")
    };
    assert_eq!(strike(), strike());
}

fn exists(home: &Path, file: &str) -> bool {
    home.join("data").join(file).exists()
}

#[test]
fn the_time_of_day_is_moved_by_what_the_file_says() {
    let home = tempfile::tempdir().unwrap();
    let clock = home.path().join("clock");
    let seconds = |millis: i64| -> i64 {
        fs::write(&clock, millis.to_ne_bytes()).unwrap();
        let mut date = Command::new("date");
        date.env_clear().env("LD_PRELOAD", super::shim()).env("SHIM_CLOCK", &clock).arg("+%s");
        String::from_utf8(date.output().unwrap().stdout).unwrap().trim().parse().unwrap()
    };
    let now = seconds(0);
    assert!((7190..=7210).contains(&(seconds(3_600_000) - seconds(-3_600_000))), "two hours between them");
    assert!(seconds(0) >= now);
}
