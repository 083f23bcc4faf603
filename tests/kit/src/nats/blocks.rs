//! One bit of what a `JetStream` server stored is another.

use std::fs;
use std::path::Path;

use crate::chance::Chance;

/// Flips the same bit within every copy of a word in a folder's `.blk` files, and says how many there were.
pub(crate) fn flip(folder: &Path, word: &[u8], chance: &mut Chance) -> usize {
    let (byte, bit) = (chance.below(word.len()), chance.below(8));
    let files = fs::read_dir(folder).expect("the stream's folder").map(|file| file.expect("its name").path());
    let blocks = files.filter(|file| file.extension().is_some_and(|extension| extension == "blk"));
    blocks.map(|block| flip_in(&block, word, byte, bit)).sum()
}

fn flip_in(block: &Path, word: &[u8], byte: usize, bit: usize) -> usize {
    let mut bytes = fs::read(block).expect("a block");
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(word)).collect();
    for at in &places {
        bytes[at + byte] ^= 1 << bit;
    }
    fs::write(block, bytes).expect("the same block");
    places.len()
}
