//! What a guest is told to do, most of it wrong.

use tests_kit::chance::Chance;
use wit_parser::abi::WasmType;

use super::component::{BASE, HEAD_LEN, MEMORY_LEN, Op, STEP_LEN};

const STEPS_MAX: usize = 6;
/// The bytes behind the steps, which the values point into.
const ARENA_LEN: u32 = 1_024;
/// How much of them is plain text, and how much after it is zero: a record of nothing.
const TEXT_LEN: u32 = 256;
const NOTHING_LEN: u32 = 128;
/// An address where everything is zero: read as a result, it is `ok(none)`.
const ZEROS: u32 = 16;

/// No step, an allocator that works, an answer that is none.
pub(super) fn good() -> Vec<u8> {
    head(0, 0, ZEROS, 0)
}

/// Some steps with values that are nearly right, right, or anything.
pub(super) fn hostile(chance: &mut Chance, ops: &[Op]) -> Vec<u8> {
    let steps = 1 + chance.below(STEPS_MAX);
    let arena = arena_behind(steps);
    // A guest that is mostly right comes further than one that stumbles at once.
    let rarely = if chance.one_in(2) { 2 } else { 24 };
    let mode = if chance.one_in(rarely) { small(chance, 6) } else { 0 } | if chance.one_in(rarely) { 16 } else { 0 };
    let returned = if chance.one_in(rarely) { pointer(chance, arena) } else { ZEROS };
    let mut script = head(mode, pointer(chance, arena), returned, steps);
    for _ in 0..steps {
        let (number, good) = (chance.below(ops.len()), !chance.one_in(rarely));
        script.extend(step(chance, ops, number, arena, good));
    }
    script.extend(arena_of(chance, arena));
    script
}

/// Some imports one after the other, with values that may be right.
#[cfg(test)]
pub(super) fn mild(chance: &mut Chance, ops: &[Op], numbers: &[usize]) -> Vec<u8> {
    let arena = arena_behind(numbers.len());
    let steps: Vec<u8> = numbers.iter().flat_map(|number| step(chance, ops, *number, arena, true)).collect();
    [head(0, 0, ZEROS, numbers.len()), steps, arena_of(chance, arena)].concat()
}

fn arena_behind(steps: usize) -> u32 {
    BASE + HEAD_LEN + STEP_LEN * u32::try_from(steps).unwrap_or(0)
}

fn step(chance: &mut Chance, ops: &[Op], number: usize, arena: u32, good: bool) -> Vec<u8> {
    let mut step = u64::try_from(number).unwrap_or(0).to_le_bytes().to_vec();
    for value in &ops[number].values {
        step.extend(self::value(chance, *value, arena, good).to_le_bytes());
    }
    step.resize(STEP_LEN as usize, 0);
    step
}

fn head(mode: u32, allocated: u32, returned: u32, steps: usize) -> Vec<u8> {
    let steps = u32::try_from(steps).unwrap_or(0);
    [mode, allocated, returned, steps].into_iter().flat_map(u32::to_le_bytes).collect()
}

fn value(chance: &mut Chance, value: WasmType, arena: u32, good: bool) -> u64 {
    match value {
        WasmType::Pointer if good => (arena + 8 * small(chance, (TEXT_LEN + NOTHING_LEN / 2) / 8)).into(),
        WasmType::Length if good => (small(chance, 5) * small(chance, 2)).into(),
        WasmType::I32 if good => small(chance, 2).into(),
        WasmType::Pointer => pointer(chance, arena).into(),
        WasmType::Length => length(chance).into(),
        WasmType::I32 => number(chance).into(),
        _ => *chance.pick(&[0, 1, 256, u64::MAX, 1 << 63, (1 << 63) - 1, arena.into()]),
    }
}

/// An address: of something, of nothing, of something else's middle, at the end of memory or past it.
fn pointer(chance: &mut Chance, arena: u32) -> u32 {
    let near = small(chance, 16);
    match chance.below(8) {
        0 => near,
        1 => MEMORY_LEN - near,
        2 => u32::MAX - near,
        3 => (1 << 31) | near,
        4 => arena + small(chance, ARENA_LEN),
        _ => arena + 8 * small(chance, ARENA_LEN / 8),
    }
}

fn length(chance: &mut Chance) -> u32 {
    let near = small(chance, 16);
    match chance.below(8) {
        0 => 0,
        1 => u32::MAX - near,
        // The bit that says UTF-16 where a string may be either.
        2 => (1 << 31) | near,
        3 => MEMORY_LEN - near,
        4 => small(chance, 1 << 20),
        5 => (1 << 28) | near,
        _ => near,
    }
}

/// A case of an enumeration, a handle, a character, a flag: one that is, or one that cannot be.
fn number(chance: &mut Chance) -> u32 {
    let near = small(chance, 8);
    *chance.pick(&[near, near, 255, 256, 0xd800, 0x11_0000, u32::MAX, 1 << 31])
}

fn small(chance: &mut Chance, end: u32) -> u32 {
    u32::try_from(chance.below(end as usize)).unwrap_or(0)
}

/// Plain text at the front, then nothing, then words, halves of characters, and pairs of address and length.
fn arena_of(chance: &mut Chance, at: u32) -> Vec<u8> {
    let mut arena = b"a.b.kb acme/x.txt default qos \0\0".repeat(TEXT_LEN as usize / 32);
    arena.resize((TEXT_LEN + NOTHING_LEN) as usize, 0);
    while arena.len() < ARENA_LEN as usize {
        match chance.below(5) {
            0 => arena.extend(chance.pick(&["kb\0\0", "日本", "default\0"]).as_bytes()),
            1 => arena.extend(*chance.pick(&[[0xff, 0xfe, 0, 0xd8], [0, 0xdc, 0x3d, 0xd8], [0xc0, 0x80, 0xed, 0xa0]])),
            2 => arena.extend(chance.bits().to_le_bytes()),
            3 => arena.extend([u64::from(number(chance)).to_le_bytes()].concat()),
            _ => {
                arena.extend(pointer(chance, at).to_le_bytes());
                arena.extend(length(chance).to_le_bytes());
            }
        }
    }
    arena.truncate(ARENA_LEN as usize);
    arena
}
