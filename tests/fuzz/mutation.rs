//! Changes of an input: of bytes, and of what text and binary files are made of: numbers, texts, members, lines, nesting,
//! lengths.

use std::ops::Range;

use fastrand::Rng;

use crate::values::{BYTES, INTEGERS, NUMBERS, OPENINGS, TEXTS, TIMES, VARINTS};

/// Maximum size of a changed input, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// Maximum number of nested values that one change inserts.
const MAX_DEPTH: usize = 20_000;
/// Bytes that mean something to a parser.
const MARKS: &[u8] = b"\0\x01\x7f\x80\xff\n\r\t \"'\\{}[],;:<>&%/-.09AZaz";
/// Bytes that are inserted many times.
const FILLERS: &[u8] = b"x0 \n\t\",\\{[\0\xff\xc3";
/// Characters between the pieces of text: members, cells, lines, elements.
const BETWEEN: &[u8] = b",;\n\t|{}[]<>&=:/ ";

/// Changes inputs of a target.
pub struct Mutator<'a> {
    pub corpus: &'a [Vec<u8>],
    pub words: &'a [&'a str],
    /// Number of first bytes that keep their meaning; one in ten changes replaces them.
    pub header: usize,
}

impl Mutator<'_> {
    /// Changes an input once.
    pub fn change(&self, input: &mut Vec<u8>, rng: &mut Rng) {
        let header = self.header.min(input.len());
        if header > 0 && rng.u8(..10) == 0 {
            let at = rng.usize(..header);
            input[at] = rng.u8(..);
            return;
        }
        let mut bytes = input.split_off(header);
        match rng.u8(..24) {
            0..=4 => noise(&mut bytes, rng),
            5 => drop(bytes.drain(span(&bytes, rng))),
            6 => bytes.truncate(rng.usize(..=bytes.len())),
            7 => repeat(&mut bytes, rng),
            8 | 9 => self.splice(&mut bytes, rng),
            10 => swap(&mut bytes, rng),
            11..=13 => replace_number(&mut bytes, rng),
            14..=16 => self.replace_text(&mut bytes, rng),
            17 | 18 => copy_piece(&mut bytes, rng),
            19 => nest(&mut bytes, rng),
            20 => grow(&mut bytes, rng),
            21 => insert(&mut bytes, BYTES[rng.usize(..BYTES.len())], rng),
            22 => integer(&mut bytes, rng),
            _ => self.insert_word(&mut bytes, rng),
        }
        bytes.truncate(MAX_BYTES);
        input.append(&mut bytes);
    }

    /// Replaces the end, or a part, by a part of another valid input.
    fn splice(&self, bytes: &mut Vec<u8>, rng: &mut Rng) {
        let other = &self.corpus[rng.usize(..self.corpus.len())];
        let other = &other[self.header.min(other.len())..];
        let from = span(other, rng);
        if rng.bool() {
            bytes.truncate(rng.usize(..=bytes.len()));
            bytes.extend_from_slice(&other[rng.usize(..=other.len())..]);
        } else {
            let at = span(bytes, rng);
            bytes.splice(at, other[from].iter().copied());
        }
    }

    /// Replaces a piece of text by a hostile value, or by a word of the format.
    fn replace_text(&self, bytes: &mut Vec<u8>, rng: &mut Rng) {
        let piece = piece(bytes, rng);
        // Quotes stay where they are, so that the value is often still one.
        let inner = match &bytes[piece.clone()] {
            [b'"', .., b'"'] if rng.u8(..4) > 0 => piece.start + 1..piece.end - 1,
            _ => piece,
        };
        let value: &str = match rng.u8(..8) {
            0 if !self.words.is_empty() => self.words[rng.usize(..self.words.len())],
            0 | 1 => TIMES[rng.usize(..TIMES.len())],
            2 => NUMBERS[rng.usize(..NUMBERS.len())],
            _ => TEXTS[rng.usize(..TEXTS.len())],
        };
        let times = if rng.u8(..16) == 0 { 1 << rng.u8(..12) } else { 1 };
        bytes.splice(inner, value.repeat(times).into_bytes());
    }

    fn insert_word(&self, bytes: &mut Vec<u8>, rng: &mut Rng) {
        let word = if self.words.is_empty() { "\0" } else { self.words[rng.usize(..self.words.len())] };
        insert(bytes, word.as_bytes(), rng);
    }
}

/// Returns a random range, mostly a short one.
fn span(bytes: &[u8], rng: &mut Rng) -> Range<usize> {
    let start = rng.usize(..=bytes.len());
    let most = bytes.len() - start;
    let length = if rng.u8(..4) > 0 { rng.usize(..=16).min(most) } else { rng.usize(..=most) };
    start..start + length
}

fn insert(bytes: &mut Vec<u8>, new: &[u8], rng: &mut Rng) {
    // The start of a file is where marks belong, and where two of them do harm.
    let at = if rng.u8(..6) == 0 { 0 } else { rng.usize(..=bytes.len()) };
    bytes.splice(at..at, new.iter().copied());
}

/// Changes single bits and bytes.
fn noise(bytes: &mut Vec<u8>, rng: &mut Rng) {
    if bytes.is_empty() || rng.u8(..8) == 0 {
        let new: Vec<u8> = (0..rng.usize(1..9)).map(|_| rng.u8(..)).collect();
        return insert(bytes, &new, rng);
    }
    for _ in 0..[1, 1, 2, 8][rng.usize(..4)] {
        let at = rng.usize(..bytes.len());
        match rng.u8(..4) {
            0 => bytes[at] ^= 1 << rng.u8(..8),
            1 => bytes[at] = rng.u8(..),
            2 => bytes[at] = MARKS[rng.usize(..MARKS.len())],
            _ => bytes[at] = bytes[at].wrapping_add(if rng.bool() { 1 } else { 255 }),
        }
    }
}

/// Repeats a part, up to the maximum size.
fn repeat(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let part = bytes[span(bytes, rng)].to_vec();
    let most = (MAX_BYTES.saturating_sub(bytes.len()) / part.len().max(1)).max(1);
    let times = if rng.u8(..4) == 0 { most } else { rng.usize(1..=5).min(most) };
    let at = rng.usize(..=bytes.len());
    bytes.splice(at..at, part.repeat(times));
}

/// Swaps two parts.
fn swap(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let (first, second) = (span(bytes, rng), span(bytes, rng));
    if first.end <= second.start {
        let (one, other) = (bytes[first.clone()].to_vec(), bytes[second.clone()].to_vec());
        bytes.splice(second, one);
        bytes.splice(first, other);
    }
}

/// Replaces a number in the text.
fn replace_number(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E');
    let from = rng.usize(..=bytes.len());
    let first = bytes[from..].iter().position(u8::is_ascii_digit).map(|at| from + at);
    let Some(start) = first.or_else(|| bytes.iter().position(u8::is_ascii_digit)) else { return };
    let end = bytes[start..].iter().position(|byte| !is_part(byte)).map_or(bytes.len(), |at| start + at);
    let start = start - usize::from(start > 0 && bytes[start - 1] == b'-');
    let value: String = match rng.u8(..6) {
        0 => rng.u64(..).to_string(),
        1 => f64::from_bits(rng.u64(..)).to_string(),
        2 => rng.u32(..100).to_string(),
        _ => NUMBERS[rng.usize(..NUMBERS.len())].to_owned(),
    };
    bytes.splice(start..end, value.into_bytes());
}

/// Returns a piece of text between two separators.
fn piece(bytes: &[u8], rng: &mut Rng) -> Range<usize> {
    let at = rng.usize(..=bytes.len());
    let is_between = |byte: &u8| BETWEEN.contains(byte);
    let start = bytes[..at].iter().rposition(is_between).map_or(0, |before| before + 1);
    let end = bytes[at..].iter().position(is_between).map_or(bytes.len(), |after| at + after);
    start..end
}

/// Copies, moves or removes a member, a cell, a line or an element.
fn copy_piece(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let Some(&mark) = [b',', b'\n', b';', b'<', b'\t'].get(rng.usize(..5)) else { return };
    let marks: Vec<usize> = bytes.iter().enumerate().filter(|(_, byte)| **byte == mark).map(|(at, _)| at).collect();
    if marks.is_empty() {
        return;
    }
    let first = rng.usize(..marks.len());
    let range = marks[first]..marks.get(first + 1).copied().unwrap_or(bytes.len());
    let copy = bytes[range.clone()].to_vec();
    match rng.u8(..3) {
        0 => drop(bytes.drain(range)),
        1 => {
            let at = marks[rng.usize(..marks.len())];
            bytes.splice(at..at, copy);
        }
        _ => {
            bytes.drain(range);
            let at = marks[rng.usize(..marks.len())].min(bytes.len());
            bytes.splice(at..at, copy);
        }
    }
}

/// Inserts nested values, closed or not.
fn nest(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let opening = OPENINGS[rng.usize(..OPENINGS.len())];
    let depth = [2, 10, 130, 1_000, MAX_DEPTH][rng.usize(..5)].min(MAX_BYTES / opening.len());
    let mut nested = opening.repeat(depth);
    if rng.bool() {
        let closing: String =
            opening.chars().rev().filter_map(|c| "[]{}()<>".find(c).map(|at| closing(at, c))).collect();
        nested.push_str(&closing.repeat(depth));
    }
    let at = rng.usize(..=bytes.len());
    bytes.splice(at..at, nested.into_bytes());
}

fn closing(at: usize, c: char) -> char {
    if at.is_multiple_of(2) { "[]{}()<>".chars().nth(at + 1).unwrap_or(c) } else { c }
}

/// Inserts one byte many times.
fn grow(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let byte = FILLERS[rng.usize(..FILLERS.len())];
    let most = MAX_BYTES.saturating_sub(bytes.len()).max(1);
    let times = [1 << rng.u8(..10), most][usize::from(rng.u8(..5) == 0)].min(most);
    let at = rng.usize(..=bytes.len());
    bytes.splice(at..at, std::iter::repeat_n(byte, times));
}

/// Overwrites bytes by an integer at the edge of a type, or by one of variable length.
fn integer(bytes: &mut Vec<u8>, rng: &mut Rng) {
    // The end of a binary file has its lengths.
    let at = match rng.bool() {
        true => bytes.len().saturating_sub(rng.usize(..200)),
        false => rng.usize(..=bytes.len()),
    };
    let value = INTEGERS[rng.usize(..INTEGERS.len())];
    let width = [1, 2, 4, 8][rng.usize(..4)];
    let new: Vec<u8> = match rng.u8(..3) {
        0 => value.to_le_bytes()[..width].to_vec(),
        1 => value.to_be_bytes()[8 - width..].to_vec(),
        _ => VARINTS[rng.usize(..VARINTS.len())].to_vec(),
    };
    let end = (at + if rng.u8(..4) == 0 { 0 } else { new.len() }).min(bytes.len());
    bytes.splice(at.min(end)..end, new);
}
