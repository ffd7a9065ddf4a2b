//! Changes of bytes that suit any format.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Numbers at which something ends.
pub const INTERESTING: [i64; 16] = [
    0,
    1,
    -1,
    2,
    127,
    255,
    65535,
    65536,
    1 << 20,
    1 << 31,
    -(1 << 31),
    (1 << 32) - 1,
    1 << 53,
    1 << 62,
    i64::MAX,
    i64::MIN,
];

/// The same as text, and more.
const NUMBERS: [&str; 24] = [
    "0",
    "1",
    "-1",
    "2",
    "0.5",
    "65536",
    "1048577",
    "16777216",
    "2147483648",
    "-2147483649",
    "4294967296",
    "9007199254740993",
    "4611686018427387904",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "-1e308",
    "1e999",
    "5e-324",
    "1e-400",
    "-0",
    "NaN",
];

/// What mutations draw from.
pub struct Source<'a> {
    pub rng: &'a mut ChaCha8Rng,
    /// Files of the same format.
    pub corpus: &'a [Vec<u8>],
    /// Words of the format.
    pub tokens: &'a [&'a [u8]],
}

impl Source<'_> {
    pub fn below(&mut self, limit: usize) -> usize {
        self.rng.random_range(0..limit.max(1))
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn interesting(&mut self) -> i64 {
        INTERESTING[self.below(INTERESTING.len())]
    }

    /// A part of `bytes`, not too long.
    pub fn range(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(bytes.len() + 1);
        let longest = if self.one_in(4) { bytes.len() } else { 16 };
        start..(start + self.below(longest + 1)).min(bytes.len())
    }
}

/// One change anywhere, or a few: more would hardly leave anything that can be read.
pub fn bytes(bytes: &mut Vec<u8>, source: &mut Source<'_>) {
    let more = if source.one_in(3) { source.below(4) } else { 0 };
    for _ in 0..=more {
        change(bytes, source);
    }
}

fn change(bytes: &mut Vec<u8>, source: &mut Source<'_>) {
    let place = source.below(bytes.len());
    match source.below(10) {
        0 if !bytes.is_empty() => bytes[place] ^= 1 << source.below(8),
        1 if !bytes.is_empty() => bytes[place] = [0, 1, 0x7f, 0x80, 0xff][source.below(5)],
        2 => bytes.truncate(place),
        3 => drop(bytes.drain(source.range(bytes))),
        4 => {
            let part = bytes[source.range(bytes)].to_vec();
            insert(bytes, place, &part);
        }
        5 => splice(bytes, source),
        6 => {
            let word = source.interesting().to_le_bytes();
            let width = [1, 2, 4, 8][source.below(4)];
            overwrite(bytes, place, &word[..width]);
        }
        7 => {
            let text = varint(source.interesting() as u64);
            let end = (place + source.below(3)).min(bytes.len());
            bytes.splice(place..end, text);
        }
        8 => number(bytes, source),
        _ => token(bytes, source),
    }
}

fn insert(bytes: &mut Vec<u8>, place: usize, part: &[u8]) {
    let place = place.min(bytes.len());
    bytes.splice(place..place, part.iter().copied());
}

fn overwrite(bytes: &mut [u8], place: usize, part: &[u8]) {
    for (target, &byte) in bytes.iter_mut().skip(place).zip(part) {
        *target = byte;
    }
}

/// Puts a part of another file in.
fn splice(bytes: &mut Vec<u8>, source: &mut Source<'_>) {
    let other = source.below(source.corpus.len());
    let Some(other) = source.corpus.get(other) else { return };
    let part = other[source.range(other)].to_vec();
    let range = source.range(bytes);
    bytes.splice(range, part);
}

/// Puts a word of the format in, or in the place of a few bytes.
fn token(bytes: &mut Vec<u8>, source: &mut Source<'_>) {
    let index = source.below(source.tokens.len());
    let Some(&token) = source.tokens.get(index) else { return };
    let range = source.range(bytes);
    let range = if source.one_in(2) { range.start..range.start } else { range };
    bytes.splice(range, token.iter().copied());
}

/// Replaces a number that is written out.
pub fn number(bytes: &mut Vec<u8>, source: &mut Source<'_>) {
    let is_part = |b: &u8| b.is_ascii_digit() || b"+-.eE".contains(b);
    let start = source.below(bytes.len());
    let Some(start) = (start..bytes.len()).find(|&i| bytes[i].is_ascii_digit()) else { return };
    let first = (0..start).rev().take_while(|&i| is_part(&bytes[i])).last().unwrap_or(start);
    let end = (start..bytes.len()).find(|&i| !is_part(&bytes[i])).unwrap_or(bytes.len());
    let text = NUMBERS[source.below(NUMBERS.len())];
    bytes.splice(first..end, text.bytes());
}

/// A number of variable length, as protocol buffers have it.
pub fn varint(mut n: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while n >= 0x80 {
        bytes.push(n as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
    bytes
}
