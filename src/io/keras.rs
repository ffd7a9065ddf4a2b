//! Keras and other HDF5 files, which are not read: how to export them.

use super::error::ReadError;
use super::source::{Input, has_extension};
use super::{Format, ReadOptions, npz};
use crate::network::Network;

/// Keras files.
pub const FORMAT: Format = Format {
    name: "Keras, by way of an export",
    extensions: &["keras", "h5", "hdf5"],
    sniff: |head, path| {
        let zip = npz::first_entry(head);
        let json = zip.is_some_and(|name| matches!(name, b"metadata.json" | b"config.json"));
        head.starts_with(b"\x89HDF\r\n\x1a\n")
            || json
            || zip.is_some() && has_extension(path, "keras")
    },
    read,
    stream: None,
    write: None,
};

fn read(input: &Input, _: &ReadOptions) -> Result<Network, ReadError> {
    let reason = "Keras and HDF5 files are not read; export the weights of a dense network in Python with `numpy.savez(\"model.npz\", *model.get_weights())` and read model.npz with --layout in-out and --activation, or export any network to ONNX with `model.export(\"model.onnx\", format=\"onnx\")`";
    Err(ReadError::new(&input.file, reason))
}
