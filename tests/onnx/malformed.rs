//! One message for every way in which a model can be wrong or cannot be bounded.

use std::path::Path;

use lipbound::io::{Input, ReadOptions, read_input};
use lipbound::network::Network;

use crate::writer::{
    attribute, initializer, int, ints, model, node, run, simple, tensor, typed, value,
};

/// What the reader makes of a file.
pub fn read(bytes: &[u8], folder: Option<&Path>) -> Result<Network, String> {
    let input = Input {
        file: "m.onnx".to_owned(),
        name: "m".to_owned(),
        folder: folder.map(Path::to_owned),
        bytes: bytes.to_vec(),
    };
    read_input(&input, Path::new("m.onnx"), &ReadOptions::default())
        .map_err(|error| error.to_string())
}

/// Compares the message of each case with a snapshot.
pub fn check(snapshot: &str, cases: Vec<(&str, Vec<u8>)>, folder: Option<&Path>) {
    let text: Vec<String> = cases
        .iter()
        .map(|(case, bytes)| match read(bytes, folder) {
            Err(message) => format!("[{case}]\n{message}"),
            Ok(network) => panic!("{case} was read: {network:?}"),
        })
        .collect();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../data/onnx");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(snapshot, text.join("\n\n")));
}

fn relu() -> Vec<u8> {
    node("Relu", &["x"], &["y"], &[])
}

/// `y = x W` with a weight of the given bytes.
fn product(weight: &[u8]) -> Vec<u8> {
    simple(&[1, 2], &[node("MatMul", &["x", "w"], &["y"], &[]), initializer(weight)])
}

/// x at the indices of a stored tensor.
fn with_indices(indices: &[u8]) -> Vec<u8> {
    let gather = node("Gather", &["x", "c"], &["y"], &[attribute("axis", 1)]);
    simple(&[1, 2], &[gather, initializer(indices)])
}

/// An operator applied to x, of shape 1x2.
pub fn one(op: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    simple(&[1, 2], &[node(op, &["x"], &["y"], attributes)])
}

#[test]
fn wrong_bytes() {
    let good = simple(&[1, 2], &[relu()]);
    assert!(read(&good, None).is_ok());
    let cases = vec![
        ("text", b"not a model".to_vec()),
        ("git lfs", b"version https://git-lfs.github.com/spec/v1\n".to_vec()),
        ("truncated", good[..good.len() - 1].to_vec()),
        ("cut in the graph", good[..12].to_vec()),
        ("length of exabytes", [int(1, 8), vec![0x3a], vec![0xff; 9], vec![1]].concat()),
        (
            "number without an end",
            vec![0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ),
        ("number cut off", vec![0x08, 0x88]),
        ("fixed number cut off", [int(1, 8), vec![0x0d, 1, 2]].concat()),
        ("field 0", [int(1, 8), vec![0x00, 0x00]].concat()),
        ("group", [int(1, 8), vec![0x3b]].concat()),
        ("graph is a number", [int(1, 8), int(7, 1)].concat()),
        ("name is not UTF-8", model(13, &[run(1, run(3, [0xff]))])),
        ("no graph", int(1, 8)),
        ("two graphs", [good.clone(), run(7, relu())].concat()),
    ];
    check("wrong_bytes", cases, None);
}

#[test]
fn wrong_graphs() {
    let (x, y) = (value(11, "x", 1, &[1, 2]), value(12, "y", 1, &[]));
    let w = tensor("w", &[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    let cases = vec![
        ("no opset", [int(1, 8), run(7, [relu(), x.clone(), y.clone()].concat())].concat()),
        ("opset too old", model(6, &[relu(), x.clone(), y.clone()])),
        ("opset twice", [model(13, &[relu(), x.clone(), y.clone()]), run(8, int(2, 9))].concat()),
        ("opset too new", model(99, &[relu(), x.clone(), y.clone()])),
        ("no output", model(13, &[relu(), x.clone()])),
        ("two outputs", model(13, &[relu(), x.clone(), y.clone(), value(12, "x", 1, &[])])),
        ("no input", model(13, &[relu(), y.clone()])),
        (
            "two inputs",
            model(
                13,
                &[
                    node("Add", &["x", "z"], &["y"], &[]),
                    x.clone(),
                    value(11, "z", 1, &[1, 2]),
                    y.clone(),
                ],
            ),
        ),
        ("integer input", model(13, &[relu(), value(11, "x", 2, &[1, 2]), y.clone()])),
        ("input without a shape", model(13, &[relu(), run(11, run(1, "x")), y.clone()])),
        ("open axis", model(13, &[relu(), value(11, "x", 1, &[-1, -1, 2]), y.clone()])),
        ("huge input", model(13, &[relu(), value(11, "x", 1, &[1, i64::MAX, 8]), y.clone()])),
        (
            "output from nowhere",
            model(13, &[node("Relu", &["x"], &["z"], &[]), x.clone(), y.clone()]),
        ),
        (
            "operand from nowhere",
            simple(
                &[1, 2],
                &[
                    node("Add", &["x", "weihgt"], &["y"], &[]),
                    initializer(&tensor("weight", &[1], &[1.0])),
                ],
            ),
        ),
        ("computed twice", simple(&[1, 2], &[relu(), relu()])),
        ("stored twice", simple(&[1, 2], &[relu(), initializer(&w), initializer(&w)])),
        (
            "circle",
            simple(
                &[1, 2],
                &[
                    node("Add", &["x", "b"], &["a"], &[]),
                    node("Relu", &["a"], &["b"], &[]),
                    node("Relu", &["b"], &["y"], &[]),
                ],
            ),
        ),
        (
            "does not depend on the input",
            simple(&[1, 2], &[node("Neg", &["w"], &["y"], &[]), initializer(&w)]),
        ),
        (
            "further result",
            simple(
                &[1, 1, 4],
                &[
                    node("Dropout", &["x"], &["d", "mask"], &[]),
                    node("Relu", &["mask"], &["y"], &[]),
                ],
            ),
        ),
    ];
    check("wrong_graphs", cases, None);
}

#[test]
fn wrong_tensors() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("data.bin"), [0; 20]).expect("writable");
    let external = |entries: &[(&str, &str)]| {
        let entries: Vec<u8> =
            entries.iter().flat_map(|(k, v)| run(13, [run(1, k), run(2, v)].concat())).collect();
        product(&typed("w", &[2, 2], 1, &[entries, int(14, 1)].concat()))
    };
    assert!(
        read(&external(&[("location", "data.bin"), ("offset", "4")]), Some(folder.path())).is_ok()
    );
    let cases = vec![
        ("too few bytes", product(&typed("w", &[2, 2], 1, &run(9, [0; 15])))),
        ("too many numbers", product(&typed("w", &[1, 2], 1, &run(4, [0; 12])))),
        ("numbers cut off", product(&typed("w", &[1, 2], 1, &run(4, [0; 7])))),
        ("no numbers", product(&typed("w", &[2, 2], 1, &[]))),
        ("shape overflows", product(&typed("w", &[1 << 40, 1 << 40], 1, &run(9, [0; 16])))),
        ("negative length", product(&typed("w", &[-2, 2], 1, &run(9, [0; 16])))),
        ("text", product(&typed("w", &[2, 2], 8, &run(9, [0; 16])))),
        ("8-bit floats", product(&typed("w", &[2, 2], 17, &run(9, [0; 4])))),
        ("segment", product(&typed("w", &[2, 2], 1, &run(3, [])))),
        ("NaN", product(&tensor("w", &[2, 2], &[1.0, 2.0, f32::NAN, 4.0]))),
        ("no location", external(&[])),
        ("absolute path", external(&[("location", "/etc/hostname")])),
        ("parent folder", external(&[("location", "../data.bin")])),
        ("missing file", external(&[("location", "nothing.bin")])),
        ("beyond the end", external(&[("location", "data.bin"), ("offset", "8")])),
        (
            "offset overflows",
            external(&[("location", "data.bin"), ("offset", "18446744073709551615")]),
        ),
        ("offset is no number", external(&[("location", "data.bin"), ("offset", "-4")])),
        ("wrong length", external(&[("location", "data.bin"), ("length", "12")])),
        ("longer than the shape", external(&[("location", "data.bin"), ("length", "20")])),
        ("no length, and more behind", external(&[("location", "data.bin")])),
        ("location twice", external(&[("location", "data.bin"), ("location", "other.bin")])),
        ("too many bytes", product(&typed("w", &[2, 2], 1, &run(9, [0; 20])))),
        (
            "in two places",
            product(&typed("w", &[2, 2], 1, &[run(9, [0; 16]), run(4, [0; 16])].concat())),
        ),
        (
            "in the place of another type",
            product(&typed("w", &[1, 2], 1, &[run(4, [0; 8]), run(5, [1, 2])].concat())),
        ),
        (
            "inside and beside",
            product(&typed(
                "w",
                &[2, 2],
                1,
                &[
                    run(9, [0; 16]),
                    run(13, [run(1, "location"), run(2, "data.bin")].concat()),
                    int(14, 1),
                ]
                .concat(),
            )),
        ),
        (
            "more than 16 bits",
            product(&typed("w", &[1, 2], 10, &[int(5, 0), int(5, 1 << 17)].concat())),
        ),
        ("more than 8 bits", with_indices(&typed("c", &[1], 2, &int(5, 256)))),
    ];
    check("wrong_tensors", cases, Some(folder.path()));
    let message = read(&external(&[("location", "data.bin")]), None).expect_err("no folder");
    assert!(message.contains("give the model as a file"), "{message}");
}

/// `x (c + erf(x))` where the number beside erf is only nearly 1.
fn near_gelu() -> Vec<u8> {
    let parts = [
        node("Erf", &["x"], &["e"], &[]),
        node("Add", &["e", "c"], &["a"], &[]),
        node("Mul", &["x", "a"], &["y"], &[]),
        initializer(&tensor("c", &[], &[1.0f32.next_up()])),
    ];
    simple(&[1, 2], &parts)
}

#[test]
fn what_cannot_be_bounded() {
    let after = |op: &str| {
        simple(&[1, 2], &[node(op, &["x"], &["z"], &[]), node("Relu", &["z"], &["y"], &[])])
    };
    let two = |op: &str| {
        simple(&[1, 2], &[node("Relu", &["x"], &["z"], &[]), node(op, &["x", "z"], &["y"], &[])])
    };
    let domain =
        run(1, [run(1, "x"), run(2, "y"), run(4, "Gelu"), run(7, "com.microsoft")].concat());
    let cases = vec![
        ("softmax inside", after("Softmax")),
        ("softmax at the end", one("Softmax", &[])),
        ("log-softmax at the end", one("LogSoftmax", &[])),
        ("layer normalisation", after("LayerNormalization")),
        ("exponential", after("Exp")),
        ("power", two("Pow")),
        ("product", two("Mul")),
        ("quotient", two("Div")),
        ("matrix product", two("MatMul")),
        ("maximum", two("Max")),
        ("unknown operator", one("Relu7", &[])),
        ("operator of ONNX that is not read", one("Tile", &[])),
        ("quotient of constants of gelu", near_gelu()),
        ("padding with minus infinity", {
            let pad = node("Pad", &["x", "p", "v"], &["z"], &[]);
            let constants = [ints("p", &[0, 1, 0, 1]), tensor("v", &[], &[f32::NEG_INFINITY])];
            let constants = constants.map(|c| initializer(&c)).concat();
            simple(&[1, 2], &[pad, node("Relu", &["z"], &["y"], &[]), constants])
        }),
        ("padding with another number", {
            let pad = node("Pad", &["x", "p", "v"], &["y"], &[]);
            let constants = [ints("p", &[0, 1, 0, 1]), tensor("v", &[], &[1.0])];
            simple(&[1, 2], &[pad, constants.map(|c| initializer(&c)).concat()])
        }),
        ("operator of another domain", simple(&[1, 2], &[domain])),
        ("control flow", one("If", &[])),
        ("cast to integers", one("Cast", &[attribute("to", 7)])),
    ];
    check("unbounded", cases, None);
}

#[test]
fn small_models_cannot_claim_much_memory() {
    // A constant of 2^40 entries, and one that doubles forty times.
    let filled = simple(
        &[1, 2],
        &[
            node("ConstantOfShape", &["s"], &["w"], &[]),
            node("Add", &["x", "w"], &["y"], &[]),
            initializer(&ints("s", &[1 << 20, 1 << 20])),
        ],
    );
    let mut parts =
        vec![initializer(&ints("w0", &[1])), node("Reshape", &["x", "w40"], &["y"], &[])];
    for i in 0..40 {
        let (from, to) = (format!("w{i}"), format!("w{}", i + 1));
        parts.push(node("Concat", &[&from, &from], &[&to], &[attribute("axis", 0)]));
    }
    for bytes in [filled, simple(&[1, 2], &parts)] {
        let message = read(&bytes, None).expect_err("too large");
        assert!(message.contains("far larger than the file"), "{message}");
    }
}

#[test]
fn damaged_models_are_never_a_panic() {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/onnx/operators");
    for name in
        ["conv_transpose", "slice_steps", "computed_weight", "split_and_concat", "max_pool_ceil"]
    {
        let good = std::fs::read(whole.join(format!("{name}.onnx"))).expect("a model");
        for i in 0..good.len() {
            let _ = read(&good[..i], None);
            for flip in [0x01, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[i] ^= flip;
                if let Ok(network) = read(&bad, None) {
                    let _ = network.shapes();
                }
            }
        }
    }
}
