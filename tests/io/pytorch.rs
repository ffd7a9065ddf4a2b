//! PyTorch files, pickled here by hand.

use lipbound::io::ReadOptions;

use crate::support::{check_messages, f64s, layers, message, read_file, zip};

/// A pickle under construction.
struct Pickle(Vec<u8>);

impl Pickle {
    fn new() -> Pickle {
        Pickle(b"\x80\x02".to_vec())
    }

    fn raw(mut self, bytes: &[u8]) -> Pickle {
        self.0.extend(bytes);
        self
    }

    fn text(self, text: &str) -> Pickle {
        self.raw(b"X").raw(&(text.len() as u32).to_le_bytes()).raw(text.as_bytes())
    }

    fn int(self, n: i32) -> Pickle {
        self.raw(b"J").raw(&n.to_le_bytes())
    }

    fn ints(self, numbers: &[i32]) -> Pickle {
        numbers.iter().fold(self.raw(b"("), |p, &n| p.int(n)).raw(b"t")
    }

    fn global(self, module: &str, name: &str) -> Pickle {
        self.raw(format!("c{module}\n{name}\n").as_bytes())
    }

    fn tensor(
        self,
        kind: &str,
        key: &str,
        length: i32,
        offset: i32,
        shape: &[i32],
        strides: &[i32],
    ) -> Pickle {
        self.global("torch._utils", "_rebuild_tensor_v2")
            .raw(b"((")
            .text("storage")
            .global("torch", kind)
            .text(key)
            .text("cpu")
            .int(length)
            .raw(b"tQ")
            .int(offset)
            .ints(shape)
            .ints(strides)
            .raw(b"\x89")
            .global("collections", "OrderedDict")
            .raw(b")RtR")
    }

    fn end(self) -> Vec<u8> {
        self.raw(b".").0
    }
}

/// A state dict with one layer 2 -> 3, whose weight has the given place in a storage of 8 numbers.
fn dict(kind: &str, offset: i32, shape: &[i32], strides: &[i32]) -> Vec<u8> {
    Pickle::new()
        .raw(b"}(")
        .text("fc.weight")
        .tensor(kind, "0", 8, offset, shape, strides)
        .text("fc.bias")
        .tensor("DoubleStorage", "1", 3, 0, &[3], &[1])
        .raw(b"u")
        .end()
}

fn file_with(pickle: Vec<u8>, storage: Vec<u8>) -> Vec<u8> {
    let files = [
        ("archive/data.pkl", pickle),
        ("archive/byteorder", b"little".to_vec()),
        ("archive/data/0", storage),
        ("archive/data/1", f64s(&[1.0, 2.0, 3.0])),
        ("archive/version", b"3\n".to_vec()),
    ];
    zip(&files, false)
}

fn file(pickle: Vec<u8>) -> Vec<u8> {
    file_with(pickle, f64s(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]))
}

fn weight(bytes: &[u8]) -> String {
    let network = read_file("m.pt", bytes, &ReadOptions::default()).expect("valid");
    layers(&network)[0]["weight"].to_string()
}

/// A file in the zip format.
pub fn example() -> Vec<u8> {
    file(dict("DoubleStorage", 0, &[3, 2], &[2, 1]))
}

/// A file in the older format.
pub fn legacy_example() -> Vec<u8> {
    let inner = dict("DoubleStorage", 0, &[3, 2], &[2, 1]);
    let mut legacy = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    legacy.extend(b"\x80\x02M\xe9\x03.\x80\x02}.");
    legacy.extend(&inner);
    legacy.extend(Pickle::new().raw(b"](").text("0").text("1").raw(b"e").end());
    for numbers in [&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0][..], &[1.0, 2.0, 3.0]] {
        legacy.extend((numbers.len() as u64).to_le_bytes());
        legacy.extend(f64s(numbers));
    }
    legacy
}

#[test]
fn strides_offsets_and_number_types() {
    let double = "DoubleStorage";
    assert_eq!(weight(&file(dict(double, 0, &[3, 2], &[2, 1]))), "[[0.0,1.0],[2.0,3.0],[4.0,5.0]]");
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
