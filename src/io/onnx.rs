//! ONNX: a graph of operations with its weights, as a protocol buffer.

mod activations;
mod arithmetic;
mod attributes;
mod batch;
mod builder;
mod constant;
mod convolution;
mod fold;
mod fold_moving;
mod fold_sums;
mod graph;
mod linear;
mod moving;
mod operators;
mod padding;
mod pattern;
mod pooling;
mod proto;
mod refused;
mod shaping;
mod sparse;
mod table;
mod tensor;
mod versions;
mod wire;

use super::error::{ReadError, layer_error};
use super::source::Input;
use super::{Format, ReadOptions};
use crate::network::Network;

/// The format ONNX.
pub const FORMAT: Format = Format {
    name: "ONNX",
    extensions: &["onnx"],
    sniff: |head, _| sniff(head),
    read,
    stream: None,
    write: None,
};

/// The versions of the operators that are known.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=table::CHECKED;

/// A model begins with a small version number, and goes on with another field of a model.
fn sniff(head: &[u8]) -> bool {
    match head {
        [0x08, version, next, ..] => {
            (1..=32).contains(version) && b"\x12\x1a\x22\x28\x32\x3a\x42".contains(next)
        }
        _ => false,
    }
}

fn read(input: &Input, _: &ReadOptions) -> Result<Network, ReadError> {
    if input.bytes.starts_with(b"version https://git-lfs") {
        let reason = "is a pointer to a file in Git LFS, not a model; fetch it with git lfs pull";
        return Err(ReadError::new(&input.file, reason));
    }
    let message = wire::Message { bytes: &input.bytes, offset: 0 };
    let model = proto::model(message).map_err(|error| {
        let reason =
            format!("{}; the file is truncated, damaged, or not an ONNX model", error.reason);
        ReadError::at(&input.file, format!("byte {}", error.offset), reason)
    })?;
    let Some(graph) = &model.graph else {
        let reason = "the model has no graph; the file is truncated, or not an ONNX model";
        return Err(ReadError::new(&input.file, reason));
    };
    let opset = opset(&model).map_err(|reason| ReadError::new(&input.file, reason))?;
    let network = graph::network(input, graph, opset, &model.functions)?;
    network.shapes().map_err(|error| layer_error(&input.file, error))?;
    Ok(network)
}

/// The version of the standard operators, checked.
fn opset(model: &proto::Model<'_>) -> Result<i64, String> {
    let mut versions = model.opsets.iter().filter(|(domain, _)| matches!(*domain, "" | "ai.onnx"));
    let (first, last) = (OPSETS.start(), OPSETS.end());
    match (versions.next(), versions.next()) {
        (Some((_, version)), None) if OPSETS.contains(version) => Ok(*version),
        (Some((_, version)), None) => Err(format!(
            "found operators of version {version} (opset), expected {first} to {last}; convert the model, for example with onnx.version_converter"
        )),
        (Some((_, one)), Some((_, other))) => Err(format!(
            "the version of the operators (opset) is given twice, as {one} and {other}; the file is damaged"
        )),
        (None, _) => Err(format!(
            "the version of the operators (opset) is missing, expected {first} to {last}; export the model again"
        )),
    }
}
