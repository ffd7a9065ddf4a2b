//! The files that the fuzz tests begin with, and the words of their formats.

use std::path::Path;

use lipbound::io::{ReadOptions, write};

use crate::pickles::{example, legacy_example};
use crate::support::{Folder, array, json as json_of, npy, read_file, zip};

pub const JSON_TOKENS: [&[u8]; 36] = [
    b"null",
    b"true",
    b"[]",
    b"{}",
    b"[[]]",
    b"\"\"",
    b",",
    b"\"type\": \"dense\"",
    b"\"type\": \"conv2d\"",
    b"{\"type\": \"relu\"},",
    b"{\"type\": \"flatten\"},",
    b"{\"type\": \"max_pool2d\", \"kernel_size\": [2, 2]},",
    b"{\"type\": \"avg_pool2d\", \"kernel_size\": [2, 2]},",
    b"{\"type\": \"prelu\", \"slopes\": [0.5, 2]},",
    b"{\"type\": \"reshape\", \"shape\": [2, 1]},",
    b"{\"type\": \"scale\", \"multiply\": [2], \"add\": [1]},",
    b"{\"type\": \"add\", \"inputs\": [0, \"input\"]},",
    b"{\"type\": \"concat\", \"axis\": 0, \"inputs\": [0, \"input\"]},",
    b"{\"type\": \"pad\", \"before\": [1], \"behind\": [1]},",
    b"{\"npy\": \"w.npy\"}",
    b"{\"npy\": \"../w.npy\"}",
    b"\"stride\": [2, 2],",
    b"\"padding\": [1, 1],",
    b"\"dilation\": [2, 2],",
    b"\"groups\": 2,",
    b"\"inputs\": [\"input\"],",
    b"\"name\": \"a\",",
    b"\"weights\":",
    b"\"biases\":",
    b"\"activation\": \"tanh\",",
    b"\"output_activation\": {\"type\": \"elu\", \"alpha\": 2},",
    b"\"input_shape\": [1, 4, 4],",
    b"\"layers\":",
    b"1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
    b"[[[[[[[[[[[[[[[[",
    b"\\ud800",
];

pub const NPY_TOKENS: [&[u8]; 14] = [
    b"'<f8'",
    b"'>f4'",
    b"'|i1'",
    b"'<u8'",
    b"'<f2'",
    b"'|O'",
    b"'<c16'",
    b"True",
    b"False",
    b"()",
    b"(0,)",
    b"(2, 3)",
    b"'shape':",
    b"NUMPY",
];

pub const NAME_TOKENS: [&[u8]; 16] = [
    b"weight",
    b"bias",
    b".weight",
    b"kernel",
    b"running_mean",
    b"running_var",
    b"num_batches_tracked",
    b"0.weight",
    b"W0",
    b"b0",
    b"arr_0",
    b"\"dtype\":\"F16\"",
    b"\"dtype\":\"I64\"",
    b"\"data_offsets\":[0,8]",
    b"\"shape\":[]",
    b"__metadata__",
];

pub const PICKLE_TOKENS: [&[u8]; 12] = [
    b"ctorch\nSize\n",
    b"ctorch\nFloatStorage\n",
    b"ccollections\nOrderedDict\n",
    b"ctorch._utils\n_rebuild_parameter\n",
    b"X\x04\x00\x00\x00cpu0",
    b"\x8c\x01a",
    b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"h\x00",
    b"q\x00",
    b"\x85R",
    b")R",
    b"}(",
];

pub const NNET_TOKENS: [&[u8]; 6] = [b"\n", b",", b",,", b"//\n", b"1,1,\n", b"nan,"];

/// ONNX files have words of their own in the corpus.
pub const ONNX_TOKENS: [&[u8]; 22] = [
    b"Gemm",
    b"MatMul",
    b"Conv",
    b"Relu",
    b"Add",
    b"Reshape",
    b"Expand",
    b"Tile",
    b"Range",
    b"Gather",
    b"Slice",
    b"Pad",
    b"Concat",
    b"Transpose",
    b"ConstantOfShape",
    b"Resize",
    b"Split",
    b"Shape",
    b"Unsqueeze",
    b"MaxPool",
    b"x",
    b"y",
];

const DENSE: &str = r#"{"format": "lipbound-network/1", "name": "n", "input_shape": [2], "layers": [
 {"type": "dense", "name": "a", "weight": [[1, 2], [3, 4]], "bias": [0, 1]},
 {"type": "relu"}, {"type": "dense", "weight": [[1, 2]]}]}"#;

const CONV: &str = r#"{"format": "lipbound-network/1", "input_shape": [1, 4, 4], "layers": [
 {"type": "conv2d", "weight": [[[[1, 2], [3, 4]]]], "bias": [0.5], "stride": [1, 1], "padding": [1, 1]},
 {"type": "leaky_relu", "negative_slope": 0.1}, {"type": "max_pool2d", "kernel_size": [2, 2]},
 {"type": "flatten"}, {"type": "dense", "weight": [[1, 0, 2, -1]], "bias": [1]}, {"type": "tanh"}]}"#;

const BRANCHES: &str = r#"{"format": "lipbound-network/1", "input_shape": [2], "layers": [
 {"type": "dense", "name": "a", "weight": [[1, 2], [3, 4]]}, {"type": "prelu", "slopes": [0.5, -1]},
 {"type": "add", "inputs": [1, "input"]}, {"type": "abs"},
 {"type": "dense", "weight": [[1e300, 5e-324], [0, -0.0]]}]}"#;

const SHORT: &str = r#"{"weights": [[[1, 2], [0.5, -1]], [[3, 1]]], "biases": [[1, 2], null],
 "activation": {"type": "elu", "alpha": 1.5}, "output_activation": "sigmoid"}"#;

/// What an architecture file says of [`named_tensors`].
pub const ARCH: &str = r#"{"format": "lipbound-network/1", "input_shape": [1, 2], "layers": [
 {"type": "flatten"}, {"type": "dense", "name": "fc1"}, {"type": "prelu", "name": "act"},
 {"type": "dense", "name": "fc2"}, {"type": "tanh"}]}"#;

pub fn json() -> Vec<Vec<u8>> {
    let mut files: Vec<Vec<u8>> =
        [DENSE, CONV, BRANCHES, SHORT].iter().map(|text| text.as_bytes().to_vec()).collect();
    files.push(small_files("tests/data/networks", "json").swap_remove(0));
    // Layers of all types, by way of the ONNX reader.
    let options = ReadOptions::default();
    let networks =
        onnx().into_iter().filter_map(|bytes| read_file("m.onnx", &bytes, &options).ok());
    files.extend(networks.map(|network| json_of(&network).into_bytes()).filter(|b| b.len() < 4000));
    files
}

/// The files of a folder of the repository, as far as they are small.
fn small_files(folder: &str, extension: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == extension));
    paths.sort();
    let files = paths.iter().map(|path| std::fs::read(path).expect("a file"));
    files.filter(|bytes| bytes.len() < 8000).collect()
}

pub fn arrays() -> Vec<Vec<u8>> {
    vec![
        array(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        npy("<f4", true, "(2, 2)", &[0, 0, 128, 63].repeat(4)),
        npy(">i2", false, "(1, 3)", &[0, 1, 0, 2, 255, 255]),
    ]
}

fn written(name: &str) -> Vec<u8> {
    let network = read_file("a.json", DENSE.as_bytes(), &ReadOptions::default()).expect("valid");
    let folder = Folder::new();
    let path = folder.path().join(name);
    write(&network, &path).expect("dense and relu");
    std::fs::read(path).expect("written")
}

/// The tensors of a network with a learnt slope.
pub fn named_tensors() -> Vec<u8> {
    let files = [
        ("fc1.weight.npy", array(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
        ("fc1.bias.npy", array(&[3], &[1.0, 2.0, 3.0])),
        ("act.weight.npy", array(&[1], &[0.25])),
        ("fc2.weight.npy", array(&[1, 3], &[7.0, 8.0, 9.0])),
    ];
    zip(&files, false)
}

pub fn archives() -> Vec<Vec<u8>> {
    let kernels = [
        ("dense/kernel.npy", array(&[2, 3], &[1.0; 6])),
        ("dense/bias.npy", array(&[1, 3], &[1.0; 3])),
    ];
    vec![
        written("m.npz"),
        zip(&[("0.weight.npy", array(&[2, 2], &[1.0; 4]))], true),
        zip(&kernels, true),
        zip(&[("w.npy", array(&[100, 100], &[0.0; 10_000]))], true),
    ]
}

pub fn safetensors() -> Vec<Vec<u8>> {
    let half = br#"{"a.weight":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]}}"#;
    let half = [&(half.len() as u64).to_le_bytes()[..], half, &[0, 60].repeat(4)].concat();
    vec![written("m.safetensors"), half]
}

pub fn pytorch() -> Vec<Vec<u8>> {
    vec![example()]
}

pub fn old_pytorch() -> Vec<Vec<u8>> {
    vec![legacy_example()]
}

pub fn nnet() -> Vec<Vec<u8>> {
    let plain = "1,2,1,2,\n2,1,\n0,\n0,0,\n1,1,\n0,0,0,\n1,1,1,\n1.5,2,\n3,\n";
    vec![format!("// a comment\n{plain}").into_bytes(), plain.into()]
}

pub fn onnx() -> Vec<Vec<u8>> {
    small_files("tests/data/onnx/operators", "onnx")
}

pub fn keras() -> Vec<Vec<u8>> {
    vec![b"\x89HDF\r\n\x1a\n0000".to_vec(), zip(&[("config.json", b"{}".to_vec())], false)]
}
