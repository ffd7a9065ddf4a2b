//! safetensors: a JSON header and the tensors' bytes.

use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;

use ndarray::{ArrayD, IxDyn};
use serde::Deserialize;

use super::dtype::{self, Broken, Budget, Dtype};
use super::error::ReadError;
use super::json::document::Document;
use super::source::{Input, Stream};
use super::state_dict::{StateDict, TensorOrder};
use super::{Format, ReadOptions, npz};
use crate::network::Network;
use crate::network::tensor::show_shape;

/// The format safetensors.
pub const FORMAT: Format = Format {
    name: "safetensors",
    extensions: &["safetensors"],
    sniff: |head, _| head.get(5..9) == Some(b"\0\0\0{"),
    read: |input, options| read(&mut input.stream(), options),
    stream: Some(read),
    write: Some(write),
};

/// The longest header of the format's own library.
const LONGEST_HEADER: u64 = 100_000_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Info {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

fn read(stream: &mut Stream<'_>, options: &ReadOptions) -> Result<Network, ReadError> {
    let header = read_header(stream).map_err(|r| ReadError::new(&stream.file, r))?;
    let start = 8 + header.len() as u64;
    let data = Data { start, length: stream.length.saturating_sub(start) };
    let (file, name) = (stream.file.clone(), stream.name.clone());
    let header = Input { file, name, folder: None, bytes: header };
    let document = Document::new(&header)?;
    let object = document.object(document.root()?, Some("header"))?;
    let mut tensors = Vec::new();
    let mut ranges: Vec<(Range<u64>, String)> = Vec::new();
    let mut budget = Budget::new(options);
    for key in object.keys().filter(|key| *key != "__metadata__") {
        let Some(raw) = object.get(key) else { continue };
        let place = format!("tensor {key}");
        let info: Info = document.value(raw, Some(&place))?;
        let fail = |reason: String| ReadError::at(&header.file, &place, reason);
        let dtype = data.check(&info).map_err(fail)?;
        let [start, end] = info.data_offsets.map(|place| place as u64);
        let tensor = data.read(stream, &info, dtype, &mut budget).map_err(fail)?;
        ranges.push((start..end, key.to_owned()));
        tensors.push((key.to_owned(), tensor));
    }
    check_cover(ranges, data.length).map_err(|r| ReadError::new(&header.file, r))?;
    StateDict::new(header.file.clone(), header.name.clone(), tensors, TensorOrder::Names)?
        .into_network(options)
}

/// The header, behind its length.
fn read_header(stream: &mut Stream<'_>) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let Some(rest) = stream.length.checked_sub(8) else {
        return Err("the file is truncated: it has fewer than 8 bytes".to_owned());
    };
    let mut length = [0; 8];
    stream.reader.read_exact(&mut length).map_err(unreadable)?;
    let length = u64::from_le_bytes(length);
    if length > rest || length > LONGEST_HEADER {
        return Err(format!(
            "the header claims to have {length} bytes, but {rest} bytes follow; the file is truncated, or not a safetensors file"
        ));
    }
    let mut header = Vec::new();
    stream.reader.by_ref().take(length).read_to_end(&mut header).map_err(unreadable)?;
    Ok(header)
}

/// Where the bytes of the tensors are.
struct Data {
    start: u64,
    length: u64,
}

impl Data {
    /// The type of the numbers of a tensor whose bytes are there and as many as its shape needs.
    fn check(&self, info: &Info) -> Result<Dtype, String> {
        let dtype = number_type(&info.dtype)?;
        let [start, end] = info.data_offsets.map(|place| place as u64);
        if start > end || end > self.length {
            return Err(format!(
                "its bytes are said to be {start} to {end}, but the file has {} bytes of data; the file is truncated or damaged",
                self.length
            ));
        }
        let expected = dtype::count(&info.shape).and_then(|n| n.checked_mul(dtype.size()));
        if expected.map(|n| n as u64) != Some(end - start) {
            return Err(format!(
                "the shape {} of {} does not take the {} bytes that it is given; the file is damaged",
                show_shape(&info.shape),
                info.dtype,
                end - start
            ));
        }
        Ok(dtype)
    }

    /// The numbers of a tensor.
    fn read(
        &self,
        stream: &mut Stream<'_>,
        info: &Info,
        dtype: Dtype,
        budget: &mut Budget,
    ) -> Result<ArrayD<f64>, String> {
        let count = info.shape.iter().product();
        budget.take(count)?;
        let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
        let place = SeekFrom::Start(self.start + info.data_offsets[0] as u64);
        stream.reader.seek(place).map_err(unreadable)?;
        let values =
            dtype.read(&mut stream.reader, count, false).map_err(|broken| match broken {
                Broken::Value(reason) => reason,
                Broken::Unreadable(error) => unreadable(error),
                Broken::Short(_) => "the file is shorter than when it was opened".to_owned(),
            })?;
        ArrayD::from_shape_vec(IxDyn(&info.shape), values).map_err(|error| error.to_string())
    }
}

fn number_type(name: &str) -> Result<Dtype, String> {
    Ok(match name {
        "F16" => Dtype::F16,
        "BF16" => Dtype::Bf16,
        "F32" => Dtype::F32,
        "F64" => Dtype::F64,
        "I8" => Dtype::I8,
        "I16" => Dtype::I16,
        "I32" => Dtype::I32,
        "I64" => Dtype::I64,
        "U8" => Dtype::U8,
        "U16" => Dtype::U16,
        "U32" => Dtype::U32,
        "U64" => Dtype::U64,
        _ => {
            return Err(format!(
                "found the number type {name}, expected {}; convert it, for example with tensor.double()",
                dtype::ACCEPTED
            ));
        }
    })
}

/// Checks that the tensors take all of the data, each byte once.
fn check_cover(mut ranges: Vec<(Range<u64>, String)>, length: u64) -> Result<(), String> {
    ranges.sort_by_key(|(range, _)| (range.start, range.end));
    let mut end = 0;
    for (range, name) in &ranges {
        if range.start != end {
            return Err(format!(
                "the tensor {name} begins at byte {} of the data, where {end} is expected; the file is damaged",
                range.start
            ));
        }
        end = range.end;
    }
    if end != length {
        return Err(format!(
            "the tensors take {end} bytes, but the file has {length}; it is damaged"
        ));
    }
    Ok(())
}

/// Writes a network of dense layers with ReLU between them under the names of a PyTorch `Sequential`.
fn write(network: &Network, writer: &mut dyn Write) -> Result<(), String> {
    let tensors = npz::dense_relu(network)?;
    let mut header = serde_json::Map::new();
    let mut data: Vec<u8> = Vec::new();
    for (index, (_, tensor)) in tensors.iter().enumerate() {
        let start = data.len();
        data.extend(tensor.iter().flat_map(|x| x.to_le_bytes()));
        let role = if index % 2 == 0 { "weight" } else { "bias" };
        let info = serde_json::json!({
            "dtype": "F64", "shape": tensor.shape(), "data_offsets": [start, data.len()],
        });
        header.insert(format!("{}.{role}", index / 2 * 2), info);
    }
    let mut header = serde_json::Value::from(header).to_string();
    while header.len() % 8 != 0 {
        header.push(' ');
    }
    let length = header.len() as u64;
    let parts: [&[u8]; 3] = [&length.to_le_bytes(), header.as_bytes(), &data];
    parts.iter().try_for_each(|part| writer.write_all(part)).map_err(|error| error.to_string())
}
