//! What the disk may hold of one file after a power cut: what was synced, and of each sector that was written since, any state that
//! the kernel's memory ever had of it.

use std::collections::HashMap;

use tests_kit::chance::Chance;

use super::record::{Change, Record};

/// What a disk writes whole or not at all.
pub(super) const SECTOR_LEN: usize = 512;

/// In which order the kernel is said to have written back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WrittenBack {
    /// Nothing since the last sync.
    Nothing,
    /// So many writes, in their order, and so many bytes of the next, to the end of a sector.
    UpTo { writes: usize, sectors: usize },
    /// Each sector, and the length, at any time by itself.
    Anyhow,
}

impl WrittenBack {
    pub(super) fn by_chance(chance: &mut Chance, records: &[Record]) -> Self {
        match chance.below(4) {
            0 => Self::Nothing,
            1 => Self::UpTo { writes: chance.below(records.len()), sectors: chance.below(9) },
            _ => Self::Anyhow,
        }
    }
}

/// What was on the disk at the last sync, from what the kernel has now.
pub(super) fn synced(mut now: Vec<u8>, records: &[Record]) -> Vec<u8> {
    for record in records.iter().rev() {
        let offset = match &record.change {
            Change::Write { offset, .. } | Change::Length(offset) => at(*offset),
        };
        now.resize(now.len().max(offset + record.old.len()), 0);
        now[offset..offset + record.old.len()].copy_from_slice(&record.old);
        now.resize(at(record.len_before), 0);
    }
    now
}

/// What a power cut leaves.
pub(super) fn after(now: Vec<u8>, records: &[Record], written: WrittenBack, chance: &mut Chance) -> Vec<u8> {
    let base = synced(now, records);
    match written {
        WrittenBack::Nothing => base,
        WrittenBack::UpTo { writes, sectors } => up_to(base, records, writes, sectors),
        WrittenBack::Anyhow => anyhow(base, records, chance),
    }
}

fn up_to(mut image: Vec<u8>, records: &[Record], writes: usize, sectors: usize) -> Vec<u8> {
    for record in records.iter().take(writes) {
        apply(&mut image, record, |_| true);
        image.resize(at(record.len_after()), 0);
    }
    let Some(Record { change: Change::Write { offset, new }, .. }) = records.get(writes) else { return image };
    let end = (at(*offset) / SECTOR_LEN + sectors) * SECTOR_LEN;
    let torn = end.saturating_sub(at(*offset)).min(new.len());
    image.resize(image.len().max(at(*offset) + torn), 0);
    image[at(*offset)..at(*offset) + torn].copy_from_slice(&new[..torn]);
    image
}

/// The kernel writes back a sector as it is at some moment, and never later writes without earlier ones to the same sector.
fn anyhow(mut image: Vec<u8>, records: &[Record], chance: &mut Chance) -> Vec<u8> {
    let mut moments = HashMap::new();
    let len_moment = chance.below(records.len() + 1);
    let mut len = image.len();
    for (number, record) in records.iter().enumerate() {
        apply(&mut image, record, |sector| {
            *moments.entry(sector).or_insert_with(|| chance.below(records.len() + 1)) > number
        });
        if number < len_moment {
            len = at(record.len_after());
        }
    }
    image.resize(len, 0);
    image
}

/// Does one change to those sectors that were written back after it. Only ever makes the image longer.
fn apply(image: &mut Vec<u8>, record: &Record, mut written: impl FnMut(usize) -> bool) {
    let (offset, bytes) = match &record.change {
        Change::Write { offset, new } => (at(*offset), new.clone()),
        // What was cut off reads as zeros, should the file become longer again.
        Change::Length(len) => (at(*len), vec![0; at(record.len_before.saturating_sub(*len))]),
    };
    image.resize(image.len().max(offset + bytes.len()), 0);
    let mut done = 0;
    while done < bytes.len() {
        let sector = (offset + done) / SECTOR_LEN;
        let len = ((sector + 1) * SECTOR_LEN - offset - done).min(bytes.len() - done);
        if written(sector) {
            image[offset + done..offset + done + len].copy_from_slice(&bytes[done..done + len]);
        }
        done += len;
    }
}

fn at(number: u64) -> usize {
    usize::try_from(number).expect("files of a test fit into memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(sequence: u64, len_before: u64, offset: u64, old: &[u8], new: &[u8]) -> Record {
        Record { sequence, len_before, old: old.to_vec(), change: Change::Write { offset, new: new.to_vec() } }
    }

    #[test]
    fn undone_in_reverse_what_was_synced_stands_there_again() {
        let records = [
            write(1, 4, 2, b"cd", b"XYZ"),
            write(2, 5, 1, b"bX", b"__"),
            Record { change: Change::Length(1), ..write(3, 5, 0, b"__YZ", b"") },
        ];
        for done in 0..=records.len() {
            // A kill may come between a record and its deed.
            let now: [&[u8]; 4] = [b"abcd", b"abXYZ", b"a__YZ", b"a"];
            assert_eq!(synced(now[done].to_vec(), &records), b"abcd", "{done} done");
        }
    }

    #[test]
    fn a_write_is_torn_at_the_end_of_a_sector() {
        let check = |sectors: usize, kept: usize| {
            let records = [write(1, 2000, 500, &[0; 1000], &[7; 1000])];
            let image = up_to(vec![0; 2000], &records, 0, sectors);
            let torn = [vec![0; 500], vec![7; kept], vec![0; 1500 - kept]].concat();
            assert_eq!(image, torn, "{sectors} sectors");
        };
        check(0, 0);
        check(1, 12);
        check(2, 524);
        check(3, 1000);
    }

    #[test]
    fn a_sector_never_has_a_later_write_without_the_earlier_ones() {
        let records = [write(1, 0, 0, b"", b"aa"), write(2, 2, 1, b"a", b"b"), write(3, 2, 0, b"a", b"c")];
        let states: [&[u8]; 4] = [b"\0\0", b"aa", b"ab", b"cb"];
        let mut chance = Chance::new(5);
        for _ in 0..100 {
            let image = anyhow(Vec::new(), &records, &mut chance);
            assert!(states.iter().any(|state| state.starts_with(&image)), "{image:?}");
        }
    }
}
