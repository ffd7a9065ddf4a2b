//! NPZ: a zip archive of NPY files.

use std::io::{Cursor, Read, Seek, Write};

use ndarray::ArrayD;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::dtype::Budget;
use super::error::ReadError;
use super::source::{Input, Stream};
use super::state_dict::{StateDict, TensorOrder};
use super::{Format, ReadOptions, npy};
use crate::network::Network;
use crate::network::tensor::{TensorSource, check_finite};

/// The format NPZ.
pub const FORMAT: Format = Format {
    name: "NPZ",
    extensions: &["npz"],
    sniff: |head, _| first_entry(head).is_some_and(|name| name.ends_with(b".npy")),
    read: |input, options| read(&mut input.stream(), options),
    stream: Some(read),
    write: Some(write),
};

/// Deflate expands by at most this factor (258 bytes for two bits), so a larger claim is false.
const LARGEST_EXPANSION: u64 = 1032;

/// The name of the first file in a zip archive that begins with these bytes.
pub(super) fn first_entry(head: &[u8]) -> Option<&[u8]> {
    let length = head.strip_prefix(b"PK\x03\x04")?.get(22..24)?;
    let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
    head.get(30..30 + length)
}

/// The archive in the bytes of a file.
///
/// # Errors
/// As [`archive_in`].
pub(super) fn open(input: &Input) -> Result<ZipArchive<Cursor<&[u8]>>, ReadError> {
    archive_in(Cursor::new(input.bytes.as_slice()), &input.file)
}

/// The archive in what is read.
///
/// # Errors
/// A damaged archive, or one with two files of the same name or two that share bytes.
fn archive_in<R: Read + Seek>(contents: R, file: &str) -> Result<ZipArchive<R>, ReadError> {
    let unreadable = |error: ZipError| {
        let reason = format!(
            "the zip archive cannot be read ({}); the file is truncated or damaged: write or download it again",
            explain(&error)
        );
        ReadError::new(file, reason)
    };
    let mut archive = ZipArchive::new(contents).map_err(unreadable)?;
    if archive.has_duplicate_names() {
        let reason = "two files in the archive have the same name; write the file again";
        return Err(ReadError::new(file, reason));
    }
    // Otherwise a small archive could hold the same packed bytes over and over.
    if archive.has_overlapping_files().map_err(unreadable)? {
        let reason = "two files in the archive share bytes; write the file again";
        return Err(ReadError::new(file, reason));
    }
    Ok(archive)
}

/// The message of a zip error.
pub(super) fn explain(error: &ZipError) -> String {
    match error {
        ZipError::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

fn read(stream: &mut Stream<'_>, options: &ReadOptions) -> Result<Network, ReadError> {
    let tensors = read_tensors(stream, &mut Budget::new(options))?;
    StateDict::new(stream.file.clone(), stream.name.clone(), tensors, TensorOrder::File)?
        .into_network(options)
}

fn read_tensors(
    stream: &mut Stream<'_>,
    budget: &mut Budget,
) -> Result<Vec<(String, ArrayD<f64>)>, ReadError> {
    let mut archive = archive_in(&mut stream.reader, &stream.file)?;
    let mut tensors = Vec::with_capacity(archive.len().min(1024));
    for index in 0..archive.len() {
        let (name, result) = read_entry(&mut archive, index, budget);
        let name = name.strip_suffix(".npy").unwrap_or(&name).to_owned();
        let place = format!("tensor {name}");
        let tensor = result.map_err(|reason| ReadError::at(&stream.file, place, reason))?;
        tensors.push((name, tensor));
    }
    Ok(tensors)
}

/// The name and the array of one file in the archive.
fn read_entry<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    index: usize,
    budget: &mut Budget,
) -> (String, Result<ArrayD<f64>, String>) {
    let mut file = match archive.by_index(index) {
        Ok(file) => file,
        Err(error) => return (format!("number {index}"), Err(explain(&error))),
    };
    let name = match file.name() {
        Ok(name) => name.into_owned(),
        Err(error) => return (format!("number {index}"), Err(explain(&error))),
    };
    if !name.ends_with(".npy") {
        let reason = "is not an NPY file, which is all that an NPZ archive holds".to_owned();
        return (name, Err(reason));
    }
    let (size, packed) = (file.size(), file.compressed_size());
    let array = check_claim(size, packed, file.compression())
        .and_then(|()| read_array(&mut file, size, budget));
    (name, array)
}

/// Checks that a file of `packed` bytes can expand to `size`.
pub(super) fn check_claim(size: u64, packed: u64, method: CompressionMethod) -> Result<(), String> {
    let largest = match method {
        CompressionMethod::Stored => packed,
        _ => packed.saturating_add(16).saturating_mul(LARGEST_EXPANSION),
    };
    if size <= largest {
        return Ok(());
    }
    Err(format!(
        "the archive claims {size} bytes for it, but its {packed} packed bytes cannot hold that many; the file is damaged"
    ))
}

/// Reads an NPY file of `size` bytes to its end, where the checksum is compared.
fn read_array(file: &mut dyn Read, size: u64, budget: &mut Budget) -> Result<ArrayD<f64>, String> {
    let damaged =
        |error: std::io::Error| format!("cannot be unpacked ({error}); the file is damaged");
    let array = npy::read_array(file, size, budget, &damaged)?;
    file.read(&mut [0]).map_err(damaged)?;
    Ok(array)
}

/// Writes `W0, b0, W1, b1, ...` of a network of dense layers with ReLU between them.
fn write(network: &Network, writer: &mut dyn Write) -> Result<(), String> {
    let bytes = archive(&dense_relu(network)?)?;
    writer.write_all(&bytes).map_err(|error| error.to_string())
}

/// An NPZ file with the given arrays, the same bytes for the same arrays.
///
/// # Errors
/// An entry that is not finite.
pub fn archive(arrays: &[(String, ArrayD<f64>)]) -> Result<Vec<u8>, String> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default());
    for (name, tensor) in arrays {
        check_finite(name, tensor).map_err(|error| error.to_string())?;
        archive.start_file(format!("{name}.npy"), stored).map_err(|error| explain(&error))?;
        npy::write(tensor, &mut archive).map_err(|error| error.to_string())?;
    }
    Ok(archive.finish().map_err(|error| explain(&error))?.into_inner())
}

/// The named tensors of a network that they determine.
///
/// # Errors
/// What tensors alone would lose.
pub(super) fn dense_relu(network: &Network) -> Result<Vec<(String, ArrayD<f64>)>, String> {
    let lost = |index: usize, what: &str| {
        Err(format!(
            "layer {index} ({}) {what}, which tensors alone would lose: they are read as dense layers with relu between them; write JSON instead",
            network.nodes[index].layer.kind()
        ))
    };
    let mut tensors = Vec::new();
    let mut after_dense = false;
    for (index, node) in network.nodes.iter().enumerate() {
        if node.inputs != [index] {
            return lost(index, "is not applied to the layer before it");
        }
        let last = index + 1 == network.nodes.len();
        match node.layer.kind() {
            "dense" if after_dense => return lost(index, "follows a dense layer"),
            "dense" => {
                let number = tensors.len() / 2;
                let json = node.layer.to_json();
                tensors.push((format!("W{number}"), tensor(&json, "weight")?));
                tensors.push((format!("b{number}"), tensor(&json, "bias")?));
                after_dense = true;
            }
            "flatten" if tensors.is_empty() && !last => {}
            "relu" if after_dense && !last => after_dense = false,
            "relu" => return lost(index, "is not between two dense layers"),
            _ => return lost(index, "is neither dense nor relu"),
        }
    }
    Ok(tensors)
}

fn tensor(json: &serde_json::Value, key: &str) -> Result<ArrayD<f64>, String> {
    let source: Result<TensorSource, _> = serde::Deserialize::deserialize(&json[key]);
    match source {
        Ok(TensorSource::Values(values)) => Ok(values),
        _ => Err(format!("the layer does not give its {key}")),
    }
}
