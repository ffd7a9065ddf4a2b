//! A batch of open length: samples stay apart, or the model is refused.

use crate::malformed::read;
use crate::writer::{attribute, initializer, int, ints, list, model, node, run, tensor, value};

/// A model whose input has an open batch and the given further lengths.
fn open(lengths: &[i64], parts: &[Vec<u8>]) -> Vec<u8> {
    let shape = [&[-1], lengths].concat();
    let graph = [parts, &[value(11, "x", 1, &shape), value(12, "y", 1, &[])]].concat();
    model(13, &graph)
}

/// An operation on x with a constant beside it.
fn with(lengths: &[i64], op: &str, constant: &[u8], attributes: &[Vec<u8>]) -> Vec<u8> {
    open(lengths, &[node(op, &["x", "c"], &["y"], attributes), initializer(constant)])
}

/// An operation on x.
fn one(lengths: &[i64], op: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    open(lengths, &[node(op, &["x"], &["y"], attributes)])
}

/// x on the way through `Transpose`, so that the batch is its last axis, into another operation.
fn turned(op: &str, constant: Option<&[u8]>, attributes: &[Vec<u8>]) -> Vec<u8> {
    let inputs = if constant.is_some() { vec!["t", "c"] } else { vec!["t"] };
    let mut parts =
        vec![node("Transpose", &["x"], &["t"], &[]), node(op, &inputs, &["y"], attributes)];
    parts.extend(constant.map(initializer));
    open(&[3], &parts)
}

#[test]
fn what_puts_samples_together_is_refused() {
    let ones = |dims: &[i64]| {
        let count: i64 = dims.iter().product();
        tensor("c", dims, &vec![1.0; usize::try_from(count).expect("a size")])
    };
    let number = |n: i64| {
        let packed = run(7, vec![n as u8]);
        [int(2, 7), run(8, "c"), packed].concat()
    };
    let shape_times = |then: &[Vec<u8>]| {
        let mut parts = vec![
            node("Shape", &["x"], &["s"], &[]),
            node("Cast", &["s"], &["r"], &[attribute("to", 1)]),
            node("Gather", &["r", "c"], &["n"], &[]),
            initializer(&number(0)),
        ];
        parts.extend_from_slice(then);
        open(&[3], &parts)
    };
    let cases = [
        ("mean over the batch", one(&[3], "ReduceMean", &[list("axes", &[0])])),
        ("mean over all", one(&[3], "ReduceMean", &[])),
        ("counted from behind", one(&[3], "ReduceMean", &[list("axes", &[-2])])),
        (
            "concatenated",
            open(&[3], &[node("Concat", &["x", "x"], &["y"], &[attribute("axis", 0)])]),
        ),
        ("flattened into one", one(&[3], "Flatten", &[attribute("axis", 0)])),
        ("flattened from behind", one(&[3], "Flatten", &[attribute("axis", -2)])),
        ("reshaped into one row", with(&[3], "Reshape", &ints("c", &[1, -1]), &[])),
        ("reshaped into one vector", with(&[3], "Reshape", &ints("c", &[-1]), &[])),
        ("reshaped to columns", with(&[4], "Reshape", &ints("c", &[2, -1]), &[])),
        ("moved behind", with(&[3], "Reshape", &ints("c", &[3, -1]), &[])),
        ("product of samples", turned("MatMul", Some(&ones(&[1, 2])), &[])),
        (
            "product from the left",
            open(&[3], &[node("MatMul", &["c", "x"], &["y"], &[]), initializer(&ones(&[2, 1]))]),
        ),
        ("Gemm of columns", with(&[3], "Gemm", &ones(&[1, 2]), &[attribute("transA", 1)])),
        ("batch as channels", turned("BatchNormalization", None, &[])),
        ("first sample by slice", {
            let slice = node("Slice", &["x", "c", "e"], &["y"], &[]);
            open(&[3], &[slice, initializer(&ints("c", &[0])), initializer(&ints("e", &[1]))])
        }),
        ("last sample by slice", {
            let slice = node("Slice", &["x", "c", "e"], &["y"], &[]);
            open(&[3], &[slice, initializer(&ints("c", &[-1])), initializer(&ints("e", &[9]))])
        }),
        ("first sample by index", with(&[3], "Gather", &ints("c", &[0]), &[])),
        ("split", one(&[3], "Split", &[attribute("axis", 0)])),
        ("padded", with(&[3], "Pad", &ints("c", &[1, 0, 0, 0]), &[])),
        ("repeated", with(&[3], "Expand", &ints("c", &[2, 3]), &[])),
        ("constant for each sample", with(&[3], "Add", &ones(&[2, 3]), &[])),
        ("factor for each sample", with(&[3], "Mul", &ones(&[2, 1]), &[])),
        ("every sample with every", {
            let grown = node("Unsqueeze", &["x", "c"], &["u"], &[]);
            open(
                &[3],
                &[grown, node("Add", &["u", "x"], &["y"], &[]), initializer(&ints("c", &[1]))],
            )
        }),
        ("squeezed", {
            let parts =
                [node("Squeeze", &["x"], &["s"], &[]), node("Transpose", &["s"], &["y"], &[])];
            open(&[1, 3], &parts)
        }),
        ("times the number of samples", shape_times(&[node("Mul", &["x", "n"], &["y"], &[])])),
        ("over the number of samples", shape_times(&[node("Div", &["x", "n"], &["y"], &[])])),
        (
            "a power of the number of samples",
            shape_times(&[
                node("Sqrt", &["n"], &["q"], &[]),
                node("Mul", &["x", "q"], &["y"], &[]),
            ]),
        ),
    ];
    for (what, bytes) in cases {
        let message = read(&bytes, None).err().unwrap_or_else(|| panic!("{what} was read"));
        // The statistics of a BatchNormalization are not there.
        let expected = ["fixed batch size", "5 in version", "axes named"];
        assert!(expected.iter().any(|text| message.contains(text)), "{what}: {message}");
    }
}

#[test]
fn what_keeps_samples_apart_is_read() {
    let chain = |last: &[i64]| {
        let axes = initializer(&ints("a", &[0]));
        let parts = [
            node("Shape", &["x"], &["s"], &[]),
            node("Gather", &["s", "a"], &["n"], &[]),
            node("Concat", &["n", "l"], &["t"], &[attribute("axis", 0)]),
            node("Reshape", &["x", "t"], &["y"], &[]),
            axes,
            initializer(&ints("l", last)),
        ];
        open(&[2, 3], &parts)
    };
    let cases = [
        ("rows", with(&[2, 3], "Reshape", &ints("c", &[-1, 6]), &[]), 6),
        ("kept", with(&[2, 3], "Reshape", &ints("c", &[0, -1]), &[]), 6),
        ("by its length", chain(&[6]), 6),
        ("by its length and the rest", chain(&[-1]), 6),
        ("tokens", with(&[2, 3], "Reshape", &ints("c", &[-1, 3]), &[]), 6),
        ("one sample", with(&[2, 3], "Reshape", &ints("c", &[1, 6]), &[]), 6),
        ("the axis of one sample", with(&[2, 3], "Squeeze", &ints("c", &[0]), &[]), 6),
        ("flattened", one(&[2, 3], "Flatten", &[]), 6),
        ("turned", one(&[2, 3], "Transpose", &[list("perm", &[1, 0, 2])]), 6),
        ("mean of features", one(&[2, 3], "ReduceMean", &[list("axes", &[2])]), 2),
        (
            "all samples by slice",
            {
                let slice = node("Slice", &["x", "c", "e"], &["y"], &[]);
                open(
                    &[3],
                    &[slice, initializer(&ints("c", &[0])), initializer(&ints("e", &[1 << 40]))],
                )
            },
            3,
        ),
        (
            "all samples by their number",
            {
                let parts = [
                    node("Shape", &["x"], &["s"], &[]),
                    node("Gather", &["s", "c"], &["n"], &[]),
                    node("Slice", &["x", "c", "n"], &["y"], &[]),
                    initializer(&ints("c", &[0])),
                ];
                open(&[3], &parts)
            },
            3,
        ),
        (
            "number of features",
            {
                let parts = [
                    node("Shape", &["x"], &["s"], &[]),
                    node("Gather", &["s", "c"], &["n"], &[]),
                    node("Cast", &["n"], &["r"], &[attribute("to", 1)]),
                    node("Div", &["x", "r"], &["y"], &[]),
                    initializer(&ints("c", &[1])),
                ];
                open(&[3], &parts)
            },
            3,
        ),
    ];
    for (what, bytes, outputs) in cases {
        let network = read(&bytes, None).unwrap_or_else(|message| panic!("{what}: {message}"));
        let lowered = network.lower().expect("a network");
        let found = crate::forward::evaluate(&lowered, &vec![0.5; lowered_inputs(&network)]);
        assert_eq!(found.len(), outputs, "{what}");
        let pinned = network.notes.iter().any(|note| note.contains("a batch of 1 alone"));
        assert_eq!(pinned, what.contains("one sample"), "{what}: {:?}", network.notes);
    }
}

fn lowered_inputs(network: &lipbound::network::Network) -> usize {
    lipbound::network::size(&network.input_shape)
}
