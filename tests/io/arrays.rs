//! NPY and NPZ.

use lipbound::io::{Layout, ReadOptions};
use lipbound::network::Activation;

use crate::support::{
    Folder, array, check_messages, f64s, layers, message, npy, npy_header, read_file, zip,
};

fn weight(file: &[u8]) -> String {
    let network = read_file("w.npy", file, &ReadOptions::default()).expect("valid");
    layers(&network)[0]["weight"].to_string()
}

#[test]
fn number_types_byte_orders_and_layouts() {
    let expected = "[[1.0,2.0,-3.0],[4.0,5.0,6.0]]";
    let numbers = [1.0f64, 2.0, -3.0, 4.0, 5.0, 6.0];
    let columns = [1.0, 4.0, 2.0, 5.0, -3.0, 6.0];
    let f32s: Vec<u8> = numbers.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect();
    let big: Vec<u8> = numbers.iter().flat_map(|x| x.to_be_bytes()).collect();
    let halves: Vec<u8> =
        numbers.iter().flat_map(|&x| half::f16::from_f64(x).to_le_bytes()).collect();
    let i16s: Vec<u8> = numbers.iter().flat_map(|&x| (x as i16).to_be_bytes()).collect();
    let i8s: Vec<u8> = numbers.iter().map(|&x| x as i8 as u8).collect();
    let i64s: Vec<u8> = numbers.iter().flat_map(|&x| (x as i64).to_le_bytes()).collect();
    assert_eq!(weight(&array(&[2, 3], &numbers)), expected);
    assert_eq!(weight(&npy("<f8", true, "(2, 3)", &f64s(&columns))), expected);
    assert_eq!(weight(&npy(">f8", false, "(2, 3)", &big)), expected);
    assert_eq!(weight(&npy("<f4", false, "(2, 3)", &f32s)), expected);
    assert_eq!(weight(&npy("<f2", false, "(2, 3)", &halves)), expected);
    assert_eq!(weight(&npy(">i2", false, "(2, 3)", &i16s)), expected);
    assert_eq!(weight(&npy("|i1", false, "(2, 3)", &i8s)), expected);
    assert_eq!(weight(&npy("<i8", false, "(2, 3)", &i64s)), expected);
}

/// Python 2 wrote lengths as `3L` on some systems; numpy reads them.
#[test]
fn long_integers_of_python_2() {
    let numbers = f64s(&[1.0, 2.0, -3.0, 4.0, 5.0, 6.0]);
    let expected = "[[1.0,2.0,-3.0],[4.0,5.0,6.0]]";
    assert_eq!(weight(&npy("<f8", false, "(2L, 3L)", &numbers)), expected);
    assert_eq!(weight(&npy("<f8", false, "(2L,3L,)", &numbers)), expected);
}

#[test]
fn wrong_npy_files() {
    let good = array(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    let mut version = good.clone();
    version[6] = 9;
    let mut long = good.clone();
    (long[6], long[8], long[9], long[10], long[11]) = (2, 0xff, 0xff, 0xff, 0xff);
    let with = |shape: &str| npy("<f8", false, shape, &f64s(&[1.0]));
    let of = |descr: &str| npy(descr, false, "(1, 1)", &[0; 8]);
    let header = |text: &str| npy_header(text, &f64s(&[1.0]));
    let odd: Vec<u8> = [1i64, (1 << 53) + 1].iter().flat_map(|n| n.to_le_bytes()).collect();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("not npy", b"hello".to_vec()),
        ("cut in the magic", good[..7].to_vec()),
        ("cut in the header", good[..40].to_vec()),
        ("version", version),
        ("header of 4 GB", long),
        ("truncated", good[..good.len() - 1].to_vec()),
        ("rest", [good.clone(), vec![0]].concat()),
        ("terabytes", with("(1000000, 1000000)")),
        ("overflow", with("(4294967296, 4294967296)")),
        ("overflow with zero", with("(0, 4294967296, 4294967296)")),
        ("number of many digits", with("(99999999999999999999999, 1)")),
        ("negative", with("(-1, 1)")),
        ("bool", of("|b1")),
        ("complex", of("<c16")),
        ("object", of("|O")),
        ("text", of("<U2")),
        ("long double", of("<f16")),
        ("descr of one character", of("\u{e9}")),
        ("unknown descr", of("q")),
        ("records", header("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}")),
        (
            "another key in the header",
            header("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1), 'scale': 2.0}"),
        ),
        (
            "key twice in the header",
            header("{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (1, 1)}"),
        ),
        ("header is no dict", header("[1, 2, 3, 'shape']")),
        ("header without order", header("{'descr': '<f8', 'shape': (1,)}")),
        ("header without shape", header("{'descr': '<f8', 'fortran_order': False}")),
        ("nested header", header(&format!("{}'shape'", "(".repeat(60_000)))),
        ("inexact integer", npy("<i8", false, "(1, 2)", &odd)),
        ("NaN", array(&[2, 2], &[1.0, 2.0, f64::NAN, 4.0])),
        ("infinite", array(&[1, 2], &[1.0, f64::NEG_INFINITY])),
        ("vector", array(&[2], &[1.0, 2.0])),
        ("scalar", array(&[], &[1.0])),
        ("no rows", array(&[0, 3], &[])),
    ];
    let options = ReadOptions::default();
    let messages = cases
        .iter()
        .map(|(case, bytes)| ((*case).to_owned(), message("w.npy", bytes, &options)))
        .collect();
    check_messages("npy", messages);
}

/// Layers 2 -> 3 -> 1.
fn two_layers(names: [&'static str; 4]) -> Vec<(&'static str, Vec<u8>)> {
    let [w0, b0, w1, b1] = names;
    vec![
        (w0, array(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
        (b0, array(&[3], &[1.0, 2.0, 3.0])),
        (w1, array(&[1, 3], &[7.0, 8.0, 9.0])),
        (b1, array(&[1], &[4.0])),
    ]
}

const NAMES: [&str; 4] = ["W0.npy", "b0.npy", "W1.npy", "b1.npy"];

#[test]
fn all_naming_schemes_give_the_same_network() {
    let schemes = [
        NAMES,
        ["weight_1.npy", "bias_1.npy", "weight_2.npy", "bias_2.npy"],
        ["arr_0.npy", "arr_1.npy", "arr_2.npy", "arr_3.npy"],
        ["0.weight.npy", "0.bias.npy", "2.weight.npy", "2.bias.npy"],
        ["out1.weight.npy", "out1.bias.npy", "fc0.weight.npy", "fc0.bias.npy"],
        ["a/W.npy", "a/b.npy", "b/W.npy", "b/b.npy"],
    ];
    for names in schemes {
        for deflate in [false, true] {
            let bytes = zip(&two_layers(names), deflate);
            let network = read_file("m.npz", &bytes, &ReadOptions::default()).expect("valid");
            let found = layers(&network);
            assert_eq!(found[0]["bias"].to_string(), "[1.0,2.0,3.0]", "{names:?}");
            assert_eq!(found[2]["weight"].to_string(), "[[7.0,8.0,9.0]]");
            assert_eq!(found.as_array().map(Vec::len), Some(3));
            let [assumed] = network.assumed.as_slice() else { panic!("{:?}", network.assumed) };
            assert!(assumed.starts_with("ReLU between the layers "), "{assumed}");
            assert!(network.notes.is_empty());
        }
    }
    let mut shuffled = two_layers(NAMES);
    shuffled.reverse();
    let bytes = zip(&shuffled, false);
    assert!(read_file("m.npz", &bytes, &ReadOptions::default()).is_ok(), "W0 comes before W1");
    let options = ReadOptions { activation: Some(Activation::Sigmoid), ..Default::default() };
    let network = read_file("m.npz", &bytes, &options).expect("valid");
    assert_eq!(network.nodes[1].layer.kind(), "sigmoid");
    assert_eq!(network.notes, ["activation between layers: sigmoid (--activation)"]);
    assert!(network.assumed.is_empty(), "the user has said what it is");
}

#[test]
fn arrays_on_the_command_line_are_one_model() {
    let folder = Folder::new();
    for (name, bytes) in two_layers(["first.npy", "x.npy", "second.npy", "y.npy"]) {
        folder.write(name, bytes);
    }
    let names = ["first.npy", "x.npy", "second.npy", "y.npy"];
    let network = folder.read(&names, &ReadOptions::default()).expect("valid");
    assert_eq!((network.name.as_str(), network.nodes.len()), ("first", 3));
    let error = folder.read(&["x.npy", "first.npy"], &ReadOptions::default()).expect_err("order");
    assert_eq!(
        error,
        "x.npy .. first.npy (2 files): tensor x: found a vector (shape 3) where a weight matrix belongs; expected weight, bias, weight, bias, ... in order"
    );
}

#[test]
fn keras_kernels_and_the_layout() {
    let weights = vec![
        ("W0.npy", array(&[2, 3], &[1.0, 3.0, 5.0, 2.0, 4.0, 6.0])),
        ("W1.npy", array(&[3, 1], &[7.0, 8.0, 9.0])),
    ];
    let bytes = zip(&weights, false);
    let options = ReadOptions { layout: Layout::InOut, ..Default::default() };
    let network = read_file("m.npz", &bytes, &options).expect("valid");
    assert_eq!(layers(&network)[0]["weight"].to_string(), "[[1.0,2.0],[3.0,4.0],[5.0,6.0]]");
    let kernels: Vec<_> = weights
        .into_iter()
        .zip(["dense/kernel.npy", "dense_1/kernel.npy"])
        .map(|((_, bytes), name)| (name, bytes))
        .collect();
    for options in [options, ReadOptions::default()] {
        let network = read_file("m.npz", &zip(&kernels, false), &options).expect("valid");
        assert_eq!(layers(&network)[0]["weight"].to_string(), "[[1.0,2.0],[3.0,4.0],[5.0,6.0]]");
        assert!(network.notes[0].contains("kernels are taken as inputs x outputs"));
    }
}

#[test]
fn wrong_npz_files() {
    let good = zip(&two_layers(NAMES), false);
    let replace = |index: usize, name: &'static str, bytes: Vec<u8>| {
        let mut files = two_layers(NAMES);
        files[index] = (name, bytes);
        zip(&files, false)
    };
    let single = |name: &'static str, bytes: Vec<u8>| zip(&[(name, bytes)], true);
    let mut crc = good.clone();
    let place = crc.windows(8).position(|w| w == 6f64.to_le_bytes()).expect("there");
    crc[place] ^= 1;
    // The claimed size in the central directory and in the local header.
    let mut bomb = single("W0.npy", array(&[2, 2], &[1.0; 4]));
    let (local, central) =
        (22, bomb.windows(4).position(|w| w == b"PK\x01\x02").expect("there") + 24);
    for place in [local, central] {
        bomb[place..place + 4].copy_from_slice(&0xffff_fff0u32.to_le_bytes());
    }
    let conv = || {
        vec![
            ("0.weight.npy", array(&[1, 1, 2, 2], &[1.0; 4])),
            ("3.weight.npy", array(&[1, 4], &[1.0; 4])),
        ]
    };
    let norm = vec![
        ("0.weight.npy", array(&[2, 2], &[1.0; 4])),
        ("1.weight.npy", array(&[2], &[1.0; 2])),
        ("1.running_mean.npy", array(&[2], &[1.0; 2])),
    ];
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("truncated", good[..good.len() / 2].to_vec()),
        ("no end", good[..good.len() - 10].to_vec()),
        ("empty archive", zip(&[], false)),
        ("damaged numbers", crc),
        ("false size", bomb),
        ("terabytes", single("W0.npy", npy("<f8", false, "(1000000, 1000000)", &[0; 80]))),
        ("truncated array", replace(1, "b0.npy", array(&[3], &[1.0; 2]))),
        ("not an array", replace(1, "b0.npy", b"hello, world".to_vec())),
        ("empty array file", replace(1, "b0.npy", Vec::new())),
        ("another file", replace(1, "README.txt", b"hello".to_vec())),
        ("bool", replace(1, "b0.npy", npy("|b1", false, "(3,)", &[1; 3]))),
        ("NaN", replace(1, "b0.npy", array(&[3], &[1.0, f64::NAN, 2.0]))),
        ("unknown name", replace(1, "beta.npy", array(&[3], &[1.0; 3]))),
        ("weight normalisation", single("fc.weight_g.npy", array(&[3], &[1.0; 3]))),
        ("missing layer", replace(2, "W2.npy", array(&[1, 3], &[1.0; 3]))),
        ("two biases", replace(3, "bias0.npy", array(&[3], &[1.0; 3]))),
        ("bias only", single("b0.npy", array(&[3], &[1.0; 3]))),
        ("bias of a wrong length", replace(1, "b0.npy", array(&[2], &[1.0; 2]))),
        ("shapes", replace(2, "W1.npy", array(&[1, 4], &[1.0; 4]))),
        (
            "transposed",
            zip(
                &[("W0.npy", array(&[2, 3], &[1.0; 6])), ("W1.npy", array(&[3, 1], &[1.0; 3]))],
                false,
            ),
        ),
        ("convolution", zip(&conv(), false)),
        ("normalisation layer", zip(&norm, false)),
        ("vector as weight", single("0.weight.npy", array(&[3], &[1.0; 3]))),
        ("scalar as weight", single("0.weight.npy", array(&[], &[1.0]))),
    ];
    let options = ReadOptions::default();
    let messages = cases
        .iter()
        .map(|(case, bytes)| ((*case).to_owned(), message("m.npz", bytes, &options)))
        .collect();
    check_messages("npz", messages);
}
