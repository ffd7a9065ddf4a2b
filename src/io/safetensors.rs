//! safetensors: a JSON header and the tensors' bytes.

use std::io::Write;
use std::ops::Range;

use ndarray::{ArrayD, IxDyn};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::dtype::{self, Dtype};
use super::error::ReadError;
use super::json::document::Document;
use super::source::Input;
use super::state_dict::{StateDict, TensorOrder};
use super::{Format, ReadOptions, npz};
use crate::network::Network;
use crate::network::tensor::show_shape;

/// The format safetensors.
pub const FORMAT: Format = Format {
    name: "safetensors",
    extensions: &["safetensors"],
    sniff: |head, _| head.get(5..9) == Some(b"\0\0\0{"),
    read,
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

fn read(input: &Input, options: &ReadOptions) -> Result<Network, ReadError> {
    let (header, data) = split(&input.bytes).map_err(|r| ReadError::new(&input.file, r))?;
    let header = input.with_bytes(header.to_vec());
    let document = Document::new(&header)?;
    let object = document.object(document.root()?, Some("header"))?;
    let mut tensors = Vec::new();
    let mut ranges: Vec<(Range<usize>, String)> = Vec::new();
    for key in object.keys().filter(|key| *key != "__metadata__") {
        let Some(raw) = object.get(key) else { continue };
        let place = format!("tensor {key}");
        let (range, tensor) = read_tensor(document, raw, &place, data)?;
        ranges.push((range, key.to_owned()));
        tensors.push((key.to_owned(), tensor));
    }
    check_cover(ranges, data.len()).map_err(|r| ReadError::new(&input.file, r))?;
    StateDict::new(input.file.clone(), input.name.clone(), tensors, TensorOrder::Names)?
        .into_network(options)
}

/// The header and the data.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Err("the file is truncated: it has fewer than 8 bytes".to_owned());
    };
    let length = u64::from_le_bytes(*length);
    let split = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length));
    match split {
        Some(parts) if length <= LONGEST_HEADER => Ok(parts),
        _ => Err(format!(
            "the header claims to have {length} bytes, but {} bytes follow; the file is truncated, or not a safetensors file",
            rest.len()
        )),
    }
}

fn read_tensor<'a>(
    document: Document<'a>,
    raw: &'a RawValue,
    place: &str,
    data: &[u8],
) -> Result<(Range<usize>, ArrayD<f64>), ReadError> {
    let info: Info = document.value(raw, Some(place))?;
    let fail = |reason: String| ReadError::at(document.file, place, reason);
    let dtype = number_type(&info.dtype).map_err(fail)?;
    let [start, end] = info.data_offsets;
    let bytes = data.get(start..end).ok_or_else(|| {
        fail(format!(
            "its bytes are said to be {start} to {end}, but the file has {} bytes of data; the file is truncated or damaged",
            data.len()
        ))
    })?;
    let expected = dtype::count(&info.shape).and_then(|n| n.checked_mul(dtype.size()));
    if expected != Some(bytes.len()) {
        return Err(fail(format!(
            "the shape {} of {} does not take the {} bytes that it is given; the file is damaged",
            show_shape(&info.shape),
            info.dtype,
            bytes.len()
        )));
    }
    let values = dtype.decode(bytes, false).map_err(fail)?;
    let tensor = ArrayD::from_shape_vec(IxDyn(&info.shape), values);
    Ok((start..end, tensor.map_err(|error| fail(error.to_string()))?))
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
fn check_cover(mut ranges: Vec<(Range<usize>, String)>, length: usize) -> Result<(), String> {
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
