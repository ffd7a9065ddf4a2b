//! Small PyTorch files, pickled by hand.

use crate::support::{f64s, zip};

/// A pickle under construction.
pub struct Pickle(Vec<u8>);

impl Pickle {
    pub fn new() -> Pickle {
        Pickle(b"\x80\x02".to_vec())
    }

    pub fn raw(mut self, bytes: &[u8]) -> Pickle {
        self.0.extend(bytes);
        self
    }

    pub fn text(self, text: &str) -> Pickle {
        self.raw(b"X").raw(&(text.len() as u32).to_le_bytes()).raw(text.as_bytes())
    }

    pub fn int(self, n: i32) -> Pickle {
        self.raw(b"J").raw(&n.to_le_bytes())
    }

    pub fn ints(self, numbers: &[i32]) -> Pickle {
        numbers.iter().fold(self.raw(b"("), |p, &n| p.int(n)).raw(b"t")
    }

    pub fn global(self, module: &str, name: &str) -> Pickle {
        self.raw(format!("c{module}\n{name}\n").as_bytes())
    }

    /// The id of a storage; `rest` follows the length.
    pub fn storage(self, kind: &str, key: &str, length: i32, rest: &[u8]) -> Pickle {
        let name = self.raw(b"(").text("storage");
        let name = match kind.rsplit_once('.') {
            Some((module, class)) => name.global(module, class),
            None => name.global("torch", kind),
        };
        name.text(key).text("cpu").int(length).raw(rest).raw(b"tQ")
    }

    pub fn tensor(
        self,
        kind: &str,
        key: &str,
        length: i32,
        offset: i32,
        shape: &[i32],
        strides: &[i32],
    ) -> Pickle {
        let begun = self.global("torch._utils", "_rebuild_tensor_v2").raw(b"(");
        begun.storage(kind, key, length, b"").place(offset, shape, strides).raw(b"tR")
    }

    /// What follows the storage among the arguments of a tensor.
    pub fn place(self, offset: i32, shape: &[i32], strides: &[i32]) -> Pickle {
        let place = self.int(offset).ints(shape).ints(strides);
        place.raw(b"\x89").global("collections", "OrderedDict").raw(b")R")
    }

    pub fn end(self) -> Vec<u8> {
        self.raw(b".").0
    }
}

/// A state dict with one layer 2 -> 3, whose weight `rebuild` gives from a storage of 8 numbers and its place
/// there, with the arguments that `rest` adds.
pub fn dict_with(rebuild: &str, kind: &str, length: i32, rest: &[u8]) -> Vec<u8> {
    Pickle::new()
        .raw(b"}(")
        .text("fc.weight")
        .global("torch._utils", rebuild)
        .raw(b"(")
        .storage(kind, "0", length, b"")
        .place(0, &[3, 2], &[2, 1])
        .raw(rest)
        .raw(b"tR")
        .text("fc.bias")
        .tensor("DoubleStorage", "1", 3, 0, &[3], &[1])
        .raw(b"u")
        .end()
}

/// A state dict with one layer 2 -> 3, whose weight has the given place in a storage of 8 numbers.
pub fn dict(kind: &str, offset: i32, shape: &[i32], strides: &[i32]) -> Vec<u8> {
    Pickle::new()
        .raw(b"}(")
        .text("fc.weight")
        .tensor(kind, "0", 8, offset, shape, strides)
        .text("fc.bias")
        .tensor("DoubleStorage", "1", 3, 0, &[3], &[1])
        .raw(b"u")
        .end()
}

pub fn file_with(pickle: Vec<u8>, storage: Vec<u8>) -> Vec<u8> {
    let files = [
        ("archive/data.pkl", pickle),
        ("archive/byteorder", b"little".to_vec()),
        ("archive/data/0", storage),
        ("archive/data/1", f64s(&[1.0, 2.0, 3.0])),
        ("archive/version", b"3\n".to_vec()),
    ];
    zip(&files, false)
}

pub fn file(pickle: Vec<u8>) -> Vec<u8> {
    file_with(pickle, f64s(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]))
}

/// A file in the zip format.
pub fn example() -> Vec<u8> {
    file(dict("DoubleStorage", 0, &[3, 2], &[2, 1]))
}

/// A file in the older format.
pub fn legacy_example() -> Vec<u8> {
    legacy(b"M\xe9\x03", b"}", &[8, 3])
}

/// The same with a version, a description of the machine and numbers of numbers.
pub fn legacy(version: &[u8], machine: &[u8], lengths: &[u64; 2]) -> Vec<u8> {
    let inner = dict("DoubleStorage", 0, &[3, 2], &[2, 1]);
    let mut legacy = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    legacy.extend(Pickle::new().raw(version).end());
    legacy.extend(Pickle::new().raw(machine).end());
    legacy.extend(&inner);
    legacy.extend(Pickle::new().raw(b"](").text("0").text("1").raw(b"e").end());
    let all = [&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0][..], &[1.0, 2.0, 3.0]];
    for (numbers, length) in all.into_iter().zip(lengths) {
        legacy.extend(length.to_le_bytes());
        legacy.extend(f64s(&numbers[..(*length as usize).min(numbers.len())]));
    }
    legacy
}
