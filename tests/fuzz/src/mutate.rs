//! Changes that turn something good into something nearly good.

use tests_kit::chance::Chance;

/// What readers stumble over, in any of the formats here.
const PARTS: [&[u8]; 32] = [
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1.0",
    b"1e9",
    b"65536",
    b"9007199254740992",
    b"18446744073709551615",
    b"99999999999999999999",
    b"NaN",
    b"\"\"",
    b"{}",
    b"[]",
    b"[[",
    b"{\"",
    b"\\ud800",
    b"\\u0000",
    b"\\",
    b"\0",
    b"\n",
    b"\r",
    b"\x7f",
    b"\xff",
    b"\xc2\x85",
    b"\xe2\x80\xae",
    b"..",
    b"../",
    b"*",
    b">",
    b"=",
    b"#",
];

/// One to four changes; `other` is where parts may be taken from.
pub(crate) fn mutated(chance: &mut Chance, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=chance.below(4) {
        change(chance, &mut bytes, other);
    }
    bytes
}

/// The same for text: what is no UTF-8 afterwards is made some.
pub(crate) fn mutated_text(chance: &mut Chance, text: &str, other: &str) -> String {
    String::from_utf8_lossy(&mutated(chance, text.as_bytes(), other.as_bytes())).into_owned()
}

/// What is nested, for readers that call themselves at each level.
const NESTS: [&str; 5] = ["[", "{\"a\":", "{a=", "a.", "/"];
const NEST_LEN_MAX: usize = 20_000;

fn change(chance: &mut Chance, bytes: &mut Vec<u8>, other: &[u8]) {
    if chance.one_in(200) {
        let at = chance.below(bytes.len() + 1);
        let nest = chance.pick(&NESTS).repeat(chance.below(NEST_LEN_MAX));
        bytes.splice(at..at, nest.into_bytes());
        return;
    }
    let (from, to) = range(chance, bytes.len());
    match chance.below(8) {
        0 if from < bytes.len() => bytes[from] ^= 1 << chance.below(8),
        1 if from < bytes.len() => bytes[from] = chance.byte(),
        2 => drop(bytes.drain(from..to)),
        3 => {
            let part = bytes[from..to].to_vec();
            bytes.splice(to..to, part);
        }
        4 => {
            let part = *chance.pick(&PARTS);
            bytes.splice(from..to, part.iter().copied());
        }
        5 => {
            let part = *chance.pick(&PARTS);
            bytes.splice(from..from, part.iter().copied());
        }
        6 => {
            let (start, end) = range(chance, other.len());
            bytes.splice(from..to, other[start..end].iter().copied());
        }
        _ => bytes.truncate(from),
    }
}

/// A short piece, mostly.
fn range(chance: &mut Chance, len: usize) -> (usize, usize) {
    let from = chance.below(len + 1);
    let longest = if chance.one_in(8) { len } else { 8 };
    (from, (from + chance.below(longest + 1)).min(len))
}
