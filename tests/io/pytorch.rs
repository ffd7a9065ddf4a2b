//! PyTorch files.

use lipbound::io::ReadOptions;

use crate::pickles::{Pickle, dict, example, file, file_with, legacy_example};
use crate::support::{check_messages, f64s, layers, message, read_file, zip};

fn weight(bytes: &[u8]) -> String {
    let network = read_file("m.pt", bytes, &ReadOptions::default()).expect("valid");
    layers(&network)[0]["weight"].to_string()
}

#[test]
fn strides_offsets_and_number_types() {
    let double = "DoubleStorage";
    assert_eq!(weight(&example()), "[[0.0,1.0],[2.0,3.0],[4.0,5.0]]");
    assert_eq!(weight(&file(dict(double, 2, &[3, 2], &[2, 1]))), "[[2.0,3.0],[4.0,5.0],[6.0,7.0]]");
    assert_eq!(weight(&file(dict(double, 1, &[3, 2], &[1, 3]))), "[[1.0,4.0],[2.0,5.0],[3.0,6.0]]");
    assert_eq!(weight(&file(dict(double, 3, &[3, 2], &[0, 1]))), "[[3.0,4.0],[3.0,4.0],[3.0,4.0]]");
    let halves = [0x00, 0x3e].repeat(8);
    assert_eq!(
        weight(&file_with(dict("HalfStorage", 0, &[3, 2], &[2, 1]), halves)),
        "[[1.5,1.5],[1.5,1.5],[1.5,1.5]]"
    );
    let bfloats = [0xc0, 0x3f].repeat(8);
    assert_eq!(
        weight(&file_with(dict("BFloat16Storage", 0, &[3, 2], &[2, 1]), bfloats)),
        "[[1.5,1.5],[1.5,1.5],[1.5,1.5]]"
    );
    let longs: Vec<u8> = (0..8i64).flat_map(|n| n.to_le_bytes()).collect();
    assert_eq!(
        weight(&file_with(dict("LongStorage", 0, &[3, 2], &[2, 1]), longs)),
        "[[0.0,1.0],[2.0,3.0],[4.0,5.0]]"
    );
}

#[test]
fn checkpoints_and_the_older_format() {
    let inner = dict("DoubleStorage", 0, &[3, 2], &[2, 1]);
    let body = &inner[2..inner.len() - 1];
    let checkpoint = Pickle::new()
        .raw(b"}(")
        .text("epoch")
        .int(3)
        .text("args")
        .global("argparse", "Namespace")
        .raw(b")R}b")
        .text("state_dict")
        .raw(body)
        .raw(b"u")
        .end();
    let network = read_file("m.pth", &file(checkpoint), &ReadOptions::default()).expect("valid");
    assert_eq!(network.notes, ["the tensors under the key \"state_dict\" of the checkpoint"]);

    let legacy = legacy_example();
    assert_eq!(weight(&legacy), "[[0.0,1.0],[2.0,3.0],[4.0,5.0]]");
    for length in 0..legacy.len() {
        assert!(read_file("m.pt", &legacy[..length], &ReadOptions::default()).is_err());
    }
}

#[test]
fn wrong_pytorch_files() {
    let double = "DoubleStorage";
    let good = file(dict(double, 0, &[3, 2], &[2, 1]));
    let pickle = dict(double, 0, &[3, 2], &[2, 1]);
    let call = |module: &str, name: &str| {
        Pickle::new().global(module, name).raw(b"(").text("echo").raw(b"tR").end()
    };
    let value = |p: Pickle| p.raw(b"u").end();
    let start = || Pickle::new().raw(b"}(").text("fc.weight");
    let nested = (0..1_000_000).fold(Pickle::new().raw(b"N"), |p, _| p.raw(b"\x85")).end();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("truncated", good[..good.len() / 2].to_vec()),
        ("not pytorch", b"\x80\x04K\x01.".to_vec()),
        (
            "older format, truncated",
            b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M".to_vec(),
        ),
        ("no pickle", zip(&[("archive/version", b"3".to_vec())], false)),
        ("program", zip(&[("m/data.pkl", pickle.clone()), ("m/code/a.py", Vec::new())], false)),
        ("pickle truncated", file(pickle[..100].to_vec())),
        ("pickle without stack", file(b"\x80\x02.".to_vec())),
        ("a call", file(call("os", "system"))),
        ("a module", file(call("__main__", "Net"))),
        ("unknown instruction", file(b"\x80\x02Pabc\n.".to_vec())),
        ("a number", file(b"\x80\x02K\x01.".to_vec())),
        ("deep nesting", file(nested)),
        ("no tensors", file(Pickle::new().raw(b"}").text("epoch").int(1).raw(b"s").end())),
        (
            "optimizer only",
            file(
                Pickle::new().raw(b"}(").text("model").global("__main__", "Net").raw(b")Ru").end(),
            ),
        ),
        (
            "number in the dict",
            file(value(start().tensor(double, "0", 8, 0, &[3, 2], &[2, 1]).text("x").int(1))),
        ),
        ("missing storage", file(value(start().tensor(double, "7", 8, 0, &[3, 2], &[2, 1])))),
        ("beyond the storage", file(dict(double, 3, &[3, 2], &[2, 1]))),
        ("huge stride", file(dict(double, 0, &[3, 2], &[i32::MAX, i32::MAX]))),
        ("terabytes", file(dict(double, 0, &[i32::MAX, i32::MAX], &[0, 0]))),
        ("negative shape", file(dict(double, 0, &[-3, 2], &[2, 1]))),
        ("shape and strides", file(dict(double, 0, &[3, 2], &[2]))),
        ("bool", file(dict("BoolStorage", 0, &[3, 2], &[2, 1]))),
        ("complex", file(dict("ComplexFloatStorage", 0, &[3, 2], &[2, 1]))),
        ("NaN", file_with(dict(double, 0, &[3, 2], &[2, 1]), f64s(&[f64::NAN; 8]))),
        (
            "duplicate",
            file(value(
                start().tensor(double, "0", 8, 0, &[3, 2], &[2, 1]).text("fc.weight").tensor(
                    double,
                    "0",
                    8,
                    0,
                    &[3, 2],
                    &[2, 1],
                ),
            )),
        ),
    ];
    let options = ReadOptions::default();
    let messages = cases
        .iter()
        .map(|(case, bytes)| ((*case).to_owned(), message("m.pt", bytes, &options)))
        .collect();
    check_messages("pytorch", messages);
}
