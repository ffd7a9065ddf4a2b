//! Changes inside a container that leave the container itself in order, so that they are not found out by a
//! checksum or a length.

use std::io::{Cursor, Read};

use crate::mutate::{self, Source, varint};
use crate::support::zip;

/// How the contents of a container are changed.
pub type Mutation = fn(&mut Vec<u8>, &mut Source<'_>);

/// Changes one entry of a zip archive by `inner` (or its name, or the list), and writes the archive again
/// with correct checksums.
pub fn zipped(bytes: &mut Vec<u8>, source: &mut Source<'_>, inner: Mutation) {
    let Some(mut entries) = unzip(bytes) else { return mutate::bytes(bytes, source) };
    let index = source.below(entries.len());
    if entries.is_empty() || source.one_in(8) {
        return mutate::bytes(bytes, source);
    }
    match source.below(10) {
        0 => {
            let mut name = entries[index].0.clone().into_bytes();
            mutate::bytes(&mut name, source);
            entries[index].0 = String::from_utf8_lossy(&name).into_owned();
        }
        1 => drop(entries.remove(index)),
        2 => {
            let other = source.below(entries.len());
            entries.swap(index, other);
        }
        3 => {
            let other = source.below(entries.len());
            entries[index].1 = entries[other].1.clone();
        }
        _ => inner(&mut entries[index].1, source),
    }
    let mut names = std::collections::HashSet::new();
    entries.retain(|(name, _)| names.insert(name.clone()) && name.len() < 60_000);
    let entries: Vec<(&str, Vec<u8>)> =
        entries.iter().map(|(name, data)| (name.as_str(), data.clone())).collect();
    *bytes = zip(&entries, source.one_in(2));
}

fn unzip(bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut archive = ::zip::ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut entries = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).ok()?;
        let name = entry.name().ok()?.into_owned();
        let mut data = Vec::new();
        entry.by_ref().take(1 << 20).read_to_end(&mut data).ok()?;
        entries.push((name, data));
    }
    Some(entries)
}

/// Changes the header of an NPY file and corrects its length.
pub fn npy(bytes: &mut Vec<u8>, source: &mut Source<'_>) {
    let length = bytes.get(8..10).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]])));
    let split = length.and_then(|n| (bytes.len() >= 10 + n).then_some(10 + n));
    let Some(split) = split.filter(|_| !source.one_in(3)) else {
        return mutate::bytes(bytes, source);
    };
    let data = bytes.split_off(split);
    let mut header = bytes.split_off(10);
    if source.one_in(2) {
        mutate::number(&mut header, source);
    } else {
        mutate::bytes(&mut header, source);
    }
    header.truncate(60_000);
    bytes.truncate(8);
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header);
    bytes.extend(data);
}

/// Changes the header of a safetensors file and corrects its length.
pub fn safetensors(bytes: &mut Vec<u8>, source: &mut Source<'_>) {
    let length = bytes.first_chunk::<8>().map(|b| u64::from_le_bytes(*b) as usize);
    let split = length.and_then(|n| n.checked_add(8)).filter(|&n| n <= bytes.len());
    let Some(split) = split.filter(|_| !source.one_in(3)) else {
        return mutate::bytes(bytes, source);
    };
    let data = bytes.split_off(split);
    let mut header = bytes.split_off(8);
    if source.one_in(2) {
        mutate::number(&mut header, source);
    } else {
        mutate::bytes(&mut header, source);
    }
    bytes.clear();
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    bytes.extend(data);
}

/// Changes a pickle, in part by whole instructions.
pub fn pickle(bytes: &mut Vec<u8>, source: &mut Source<'_>) {
    let place = source.below(bytes.len());
    match source.below(4) {
        // A 32-bit integer, perhaps as one of 64 bits.
        0 | 1 => {
            let Some(at) = (place..bytes.len()).find(|&i| bytes[i] == b'J') else {
                return mutate::bytes(bytes, source);
            };
            let word = source.interesting().to_le_bytes();
            let text = match source.below(2) {
                0 => [b"J", &word[..4]].concat(),
                _ => [b"\x8a\x08", &word[..]].concat(),
            };
            bytes.splice(at..(at + 5).min(bytes.len()), text);
        }
        2 => {
            let code = b"N()tRQeusabd0.]}\x85\x86\x87\x93\x94\x81l"[source.below(22)];
            bytes.splice(place..place, [code]);
        }
        _ => mutate::bytes(bytes, source),
    }
}

/// A field of a protocol buffer: its key and what follows, without the length.
struct Field {
    key: u64,
    data: Vec<u8>,
}

/// Changes a field at any depth of a protocol buffer, and corrects the lengths around it.
pub fn protobuf(bytes: &mut Vec<u8>, source: &mut Source<'_>) {
    message(bytes, source, 0);
}

fn message(bytes: &mut Vec<u8>, source: &mut Source<'_>, depth: usize) {
    let parsed = if depth < 8 { fields(bytes) } else { None };
    let Some(mut parsed) = parsed.filter(|f| !f.is_empty()) else {
        return mutate::bytes(bytes, source);
    };
    let index = source.below(parsed.len());
    match source.below(12) {
        0 => drop(parsed.remove(index)),
        1 => {
            let copy = Field { key: parsed[index].key, data: parsed[index].data.clone() };
            let place = source.below(parsed.len());
            parsed.insert(place, copy);
        }
        2 => {
            let other = source.below(parsed.len());
            parsed.swap(index, other);
        }
        3 => return mutate::bytes(bytes, source),
        _ if parsed[index].key & 7 == 0 => {
            parsed[index].data = varint(source.interesting() as u64);
        }
        _ if parsed[index].key & 7 == 2 => message(&mut parsed[index].data, source, depth + 1),
        _ => mutate::bytes(&mut parsed[index].data, source),
    }
    *bytes = parsed.iter().flat_map(encoded).collect();
}

fn encoded(field: &Field) -> Vec<u8> {
    let length = if field.key & 7 == 2 { varint(field.data.len() as u64) } else { Vec::new() };
    [varint(field.key), length, field.data.clone()].concat()
}

fn fields(mut bytes: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = take_varint(&mut bytes)?.0;
        let length = match key & 7 {
            0 => {
                let (_, data) = take_varint(&mut bytes)?;
                fields.push(Field { key, data });
                continue;
            }
            1 => 8,
            5 => 4,
            2 => usize::try_from(take_varint(&mut bytes)?.0).ok()?,
            _ => return None,
        };
        let (data, rest) = bytes.split_at_checked(length)?;
        fields.push(Field { key, data: data.to_vec() });
        bytes = rest;
    }
    Some(fields)
}

fn take_varint(bytes: &mut &[u8]) -> Option<(u64, Vec<u8>)> {
    let length = bytes.iter().take(10).position(|b| b & 0x80 == 0)? + 1;
    let (data, rest) = bytes.split_at(length);
    *bytes = rest;
    let value = data.iter().rev().fold(0u64, |n, &b| n << 7 | u64::from(b & 0x7f));
    Some((value, data.to_vec()))
}
