//! One bit of a message that waits in the journal is another.

use std::fs;
use std::io;
use std::path::Path;

use tests_kit::chance::Chance;

/// Where messages wait.
const JOURNAL: &str = "journal.db";

/// Flips one bit within every copy of a word in the journal, and says how many there were. The host must not run.
pub(crate) fn flip(data: &Path, word: &str, chance: &mut Chance) -> io::Result<usize> {
    let file = data.join(JOURNAL);
    let mut bytes = fs::read(&file)?;
    let (byte, bit) = (chance.below(word.len()), chance.below(8));
    // A page that was moved leaves its old bytes behind: what is not flipped everywhere might be flipped nowhere.
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(word.as_bytes())).collect();
    for at in &places {
        bytes[at + byte] ^= 1 << bit;
    }
    fs::write(file, bytes)?;
    Ok(places.len())
}
