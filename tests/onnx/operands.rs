//! One message for every way in which operands and attributes can be wrong.

use crate::malformed::{check, one, read};
use crate::writer::{
    attribute, initializer, int, ints, list, model, node, simple, tensor, text, typed, value,
};

/// A model of another version of the operators.
fn old(opset: i64, shape: &[i64], parts: &[Vec<u8>]) -> Vec<u8> {
    let graph = [parts, &[value(11, "x", 1, shape), value(12, "y", 1, &[])]].concat();
    model(opset, &graph)
}

#[test]
fn wrong_operands_and_attributes() {
    let image = |op: &str, attributes: &[Vec<u8>], weight: &[u8]| {
        simple(&[1, 1, 4, 4], &[node(op, &["x", "w"], &["y"], attributes), initializer(weight)])
    };
    let with = |op: &str, weight: &[u8]| {
        simple(&[1, 2], &[node(op, &["x", "w"], &["y"], &[]), initializer(weight)])
    };
    let kernel = tensor("w", &[1, 1, 2, 2], &[1.0; 4]);
    assert!(read(&image("Conv", &[], &kernel), None).is_ok());
    let cases = vec![
        ("unknown attribute", one("Relu", &[attribute("alpha", 1)])),
        ("attribute twice", one("Flatten", &[attribute("axis", 1), attribute("axis", 1)])),
        ("attribute of another type", one("LeakyRelu", &[attribute("alpha", 1)])),
        ("operand missing", one("MatMul", &[])),
        ("weight does not fit", with("MatMul", &tensor("w", &[3, 1], &[1.0; 3]))),
        ("several matrices", with("MatMul", &tensor("w", &[2, 2, 1], &[1.0; 4]))),
        ("broadcast", with("Add", &tensor("w", &[3], &[1.0; 3]))),
        ("division by zero", with("Div", &tensor("w", &[2], &[1.0, 0.0]))),
        ("reshape", with("Reshape", &ints("w", &[1, 3]))),
        ("reshape to the unknown", with("Reshape", &ints("w", &[-1, -1]))),
        ("shape of real numbers", with("Reshape", &tensor("w", &[1], &[2.0]))),
        ("axis", with("Squeeze", &ints("w", &[5]))),
        ("surplus operand", with("Relu", &ints("w", &[5]))),
        ("surplus result", simple(&[1, 2], &[node("Relu", &["x"], &["y", "z"], &[])])),
        ("operator of a later version", one("Gelu", &[])),
        ("attribute of an earlier version", one("Clip", &[attribute("min", 0)])),
        ("attribute of a later version", {
            let reshape = node("Reshape", &["x", "w"], &["y"], &[attribute("allowzero", 0)]);
            simple(&[1, 2], &[reshape, initializer(&ints("w", &[2, 1]))])
        }),
        ("axis is missing", simple(&[1, 2], &[node("Concat", &["x", "x"], &["y"], &[])])),
        ("axis twice", {
            let axes = [list("starts", &[0, 0]), list("ends", &[1, 1]), list("axes", &[1, -1])];
            old(9, &[1, 2], &[node("Slice", &["x"], &["y"], &axes)])
        }),
        ("split unevenly", {
            old(13, &[1, 3], &[node("Split", &["x"], &["y", "z"], &[attribute("axis", 1)])])
        }),
        ("split into another number", {
            let attributes = [attribute("axis", 1), attribute("num_outputs", 3)];
            old(18, &[1, 2], &[node("Split", &["x"], &["y", "z"], &attributes)])
        }),
        ("further results of training", {
            let names = ["x", "w", "w", "w", "w"];
            let results = ["y", "m", "v", "sm", "sv"];
            let weight = initializer(&tensor("w", &[2], &[1.0, 1.0]));
            old(9, &[1, 2], &[node("BatchNormalization", &names, &results, &[]), weight])
        }),
        ("dropout in training", {
            let mode = typed("t", &[], 9, &int(5, 1));
            simple(&[1, 2], &[node("Dropout", &["x", "", "t"], &["y"], &[]), initializer(&mode)])
        }),
        ("limit of the wrong sign", {
            let limit = tensor("w", &[], &[f32::INFINITY]);
            simple(&[1, 2], &[node("Clip", &["x", "w"], &["y"], &[]), initializer(&limit)])
        }),
        ("squeeze", with("Squeeze", &ints("w", &[1]))),
        ("index", with("Gather", &ints("w", &[1]))),
        ("expanded to terabytes", with("Expand", &ints("w", &[1 << 40, 2]))),
        ("negative padding", with("Pad", &ints("w", &[0, -1, 0, 0]))),
        ("transpose", one("Transpose", &[list("perm", &[0, 0])])),
        (
            "transpose of a batch",
            simple(&[1, 3, 2], &[node("Transpose", &["x"], &["y"], &[list("perm", &[0, 1])])]),
        ),
        ("kernel and weight", image("Conv", &[list("kernel_shape", &[3, 3])], &kernel)),
        ("kernel too large", image("Conv", &[], &tensor("w", &[1, 1, 5, 1], &[1.0; 5]))),
        ("stride 0", image("Conv", &[list("strides", &[0, 1])], &kernel)),
        (
            "stride of exa-elements",
            image(
                "Conv",
                &[
                    text("auto_pad", "SAME_UPPER"),
                    list("strides", &[i64::MAX, 1]),
                    list("dilations", &[i64::MAX, 1]),
                ],
                &kernel,
            ),
        ),
        ("negative pads", image("Conv", &[list("pads", &[-1, 0, 0, 0])], &kernel)),
        ("three strides", image("Conv", &[list("strides", &[1, 1, 1])], &kernel)),
        ("padding mode", image("Conv", &[text("auto_pad", "FULL")], &kernel)),
        ("groups", image("Conv", &[attribute("group", 3)], &kernel)),
        ("channels", image("Conv", &[], &tensor("w", &[1, 2, 1, 1], &[1.0; 2]))),
        (
            "batch of 2",
            simple(&[2, 1, 4, 4], &[node("Conv", &["x", "w"], &["y"], &[]), initializer(&kernel)]),
        ),
        (
            "weight depends on the input",
            simple(&[1, 1, 2, 2], &[node("Conv", &["x", "x"], &["y"], &[])]),
        ),
        (
            "batch normalisation in training",
            one("BatchNormalization", &[attribute("training_mode", 1)]),
        ),
        ("no kernel", simple(&[1, 1, 4, 4], &[node("MaxPool", &["x"], &["y"], &[])])),
    ];
    check("wrong_operands", cases, None);
}
