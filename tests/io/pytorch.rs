//! PyTorch files.

use lipbound::io::ReadOptions;

use crate::pickles::{Pickle, dict, dict_with, example, file, file_with, legacy, legacy_example};
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
fn every_argument_of_a_tensor_counts() {
    let v2 = |rest: &[u8]| file(dict_with("_rebuild_tensor_v2", "DoubleStorage", 8, rest));
    let mark = |name: &str, value: &[u8]| {
        Pickle::new().raw(b"}").text(name).raw(value).raw(b"s").end()[2..].to_vec()
    };
    let marked = |name: &str, value: &[u8]| {
        let mark = mark(name, value);
        v2(&mark[..mark.len() - 1])
    };
    let (plain, turned) =
        ("[[0.0,1.0],[2.0,3.0],[4.0,5.0]]", "[[-0.0,-1.0],[-2.0,-3.0],[-4.0,-5.0]]");
    assert_eq!(weight(&v2(b"")), plain);
    assert_eq!(weight(&v2(b"N")), plain);
    assert_eq!(weight(&v2(b"}")), plain);
    // PyTorch leaves the change of sign of a view such as x.conj().imag to the reader.
    assert_eq!(weight(&marked("neg", b"\x88")), turned);
    assert_eq!(weight(&marked("neg", b"\x89")), plain);
    assert_eq!(weight(&marked("conj", b"\x89")), plain);
    let options = ReadOptions::default();
    for (name, value) in [("conj", &b"\x88"[..]), ("neg", b"K\x01"), ("later", b"\x88")] {
        let message = message("m.pt", &marked(name, value), &options);
        assert!(message.contains(&format!("the tensor is marked \"{name}\"")), "{message}");
    }
    // The third version gives the type of the numbers of a storage that has none.
    let untyped = "torch.storage.UntypedStorage";
    let double = Pickle::new().global("torch", "float64").end()[2..].to_vec();
    let double = &double[..double.len() - 1];
    assert_eq!(weight(&file(dict_with("_rebuild_tensor_v3", untyped, 64, double))), plain);
    let negative = mark("neg", b"\x88");
    let both = [double, &negative[..negative.len() - 1]].concat();
    assert_eq!(weight(&file(dict_with("_rebuild_tensor_v3", untyped, 64, &both))), turned);
    let big = [0.0f64, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0].map(f64::to_be_bytes).concat();
    let files = [
        ("m/data.pkl", dict("DoubleStorage", 0, &[3, 2], &[2, 1])),
        ("m/byteorder", b"big".to_vec()),
        ("m/data/0", big),
        ("m/data/1", [1.0f64, 2.0, 3.0].map(f64::to_be_bytes).concat()),
    ];
    assert_eq!(weight(&zip(&files, false)), plain);
}

#[test]
fn the_state_dict_of_a_checkpoint_is_found() {
    let inner = dict("DoubleStorage", 0, &[3, 2], &[2, 1]);
    let body = &inner[2..inner.len() - 1];
    let alone = |p: Pickle| p.tensor("DoubleStorage", "1", 3, 0, &[], &[]);
    let read = |p: Pickle| {
        let network = read_file("m.pt", &file(p.raw(b"u").end()), &ReadOptions::default())?;
        Ok::<String, String>(network.notes.join(" "))
    };
    let start = || Pickle::new().raw(b"}(");
    // One tensor beside it, as in the checkpoint of PyTorch's tutorial.
    let found = read(alone(start().text("model_state_dict").raw(body).text("loss")));
    let under = "the tensors under the key \"model_state_dict\" of the checkpoint";
    assert_eq!(found.as_deref(), Ok(under));
    let two = start().text("ema").raw(body).text("model_state_dict").raw(body);
    assert_eq!(read(two), Ok(format!("{under}, not those under ema")));
    let two = start().text("net").raw(body).text("model").raw(body);
    let error = read(two).expect_err("which one is meant");
    assert!(error.contains("under the keys \"model\" and \"net\""), "{error}");
    let list = start()
        .text("params")
        .raw(b"](")
        .tensor("DoubleStorage", "0", 8, 0, &[3, 2], &[2, 1])
        .tensor("DoubleStorage", "1", 3, 0, &[3], &[1])
        .raw(b"e");
    let found = read(list.text("losses").raw(b"]"));
    assert_eq!(found.as_deref(), Ok("the tensors under the key \"params\" of the checkpoint"));
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
    let cases = cases.into_iter().chain(surplus());
    let messages =
        cases.map(|(case, bytes)| (case.to_owned(), message("m.pt", &bytes, &options))).collect();
    check_messages("pytorch", messages);
}

/// Files with something that PyTorch would understand in another way, or that nothing reads.
fn surplus() -> Vec<(&'static str, Vec<u8>)> {
    let double = "DoubleStorage";
    let good = dict(double, 0, &[3, 2], &[2, 1]);
    let with = |name: &'static str, bytes: &[u8]| {
        let files = [
            ("m/data.pkl", good.clone()),
            ("m/data/0", f64s(&[0.0; 8])),
            ("m/data/1", f64s(&[1.0, 2.0, 3.0])),
            (name, bytes.to_vec()),
        ];
        zip(&files, false)
    };
    let value = |p: Pickle| file(p.raw(b"u").end());
    let start = || Pickle::new().raw(b"}(").text("fc.weight");
    let of = |rest: &[u8]| {
        let begun = start().global("torch._utils", "_rebuild_tensor_v2").raw(b"(");
        value(begun.storage(double, "0", 8, rest).place(0, &[3, 2], &[2, 1]).raw(b"tR"))
    };
    let tensor = || start().tensor(double, "0", 8, 0, &[3, 2], &[2, 1]);
    let call = |name: &str, rest: &[u8]| {
        let begun = start().global("torch._utils", name).raw(b"(");
        value(begun.tensor(double, "0", 8, 0, &[3, 2], &[2, 1]).raw(rest).raw(b"tR"))
    };
    let mut after = legacy_example();
    after.push(0);
    vec![
        ("another argument", file(dict_with("_rebuild_tensor_v2", double, 8, b"NN"))),
        ("type that is no type", file(dict_with("_rebuild_tensor_v3", double, 8, b"N"))),
        ("first version with too much", file(dict_with("_rebuild_tensor", double, 8, b""))),
        ("part of a storage", of(b"(X\x01\x00\x00\x009K\x01K\x06t")),
        ("storage with too much", of(b"NN")),
        ("storage of another length", file(dict_with("_rebuild_tensor_v2", double, 6, b""))),
        (
            "storage of two types",
            value(tensor().text("fc.bias").tensor("FloatStorage", "0", 8, 0, &[3], &[1])),
        ),
        ("state of a tensor", value(tensor().raw(b"(tb"))),
        ("parameter with too little", call("_rebuild_parameter", b"\x88")),
        ("parameter with a state", call("_rebuild_parameter_with_state", b"\x88}K\x01")),
        ("key without value", value(tensor().text("fc.bias"))),
        ("later pickle", file(b"\x80\x09}.".to_vec())),
        ("left on the stack", file([b"\x80\x02N", &good[2..]].concat())),
        ("behind the pickle", file([&good[..], b"N."].concat())),
        ("another storage", with("m/data/7", &[0; 8])),
        ("another pickle", with("n/data.pkl", &good)),
        ("another file", with("m/README", b"x")),
        ("byte order", with("m/byteorder", b"middle")),
        ("later version", with("m/version", b"99\n")),
        ("older format, behind the end", after),
        ("older format, another version", legacy(b"K\x02", b"}", &[8, 3])),
        ("older format, other numbers", legacy(b"M\xe9\x03", b"}", &[7, 3])),
        (
            "older format, byte order",
            legacy(b"M\xe9\x03", b"}X\x0d\x00\x00\x00little_endian\x89s", &[8, 3]),
        ),
    ]
}
