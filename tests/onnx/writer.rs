//! A small writer of protocol buffers, and of ONNX models.

/// A number of variable length.
pub fn varint(mut n: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while n >= 0x80 {
        bytes.push(n as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
    bytes
}

/// A field that is a whole number.
pub fn int(field: u64, n: i64) -> Vec<u8> {
    [varint(field << 3), varint(n as u64)].concat()
}

/// A field that is a message, text or packed numbers.
pub fn run(field: u64, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [varint(field << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

/// A tensor of single-precision numbers.
pub fn tensor(name: &str, dims: &[i64], values: &[f32]) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    typed(name, dims, 1, &run(9, raw))
}

/// A tensor of 64-bit integers.
pub fn ints(name: &str, values: &[i64]) -> Vec<u8> {
    let packed: Vec<u8> = values.iter().flat_map(|&n| varint(n as u64)).collect();
    typed(name, &[values.len() as i64], 7, &run(7, packed))
}

/// A tensor of the given type with its numbers in `data`.
pub fn typed(name: &str, dims: &[i64], element: i64, data: &[u8]) -> Vec<u8> {
    let dims: Vec<u8> = dims.iter().flat_map(|&n| int(1, n)).collect();
    [dims, int(2, element), run(8, name), data.to_vec()].concat()
}

/// An attribute that is a whole number.
pub fn attribute(name: &str, n: i64) -> Vec<u8> {
    run(5, [run(1, name), int(3, n), int(20, 2)].concat())
}

/// An attribute that is a list of whole numbers.
pub fn list(name: &str, values: &[i64]) -> Vec<u8> {
    let values: Vec<u8> = values.iter().flat_map(|&n| int(8, n)).collect();
    run(5, [run(1, name), values, int(20, 7)].concat())
}

/// An attribute that is a text.
pub fn text(name: &str, s: &str) -> Vec<u8> {
    run(5, [run(1, name), run(4, s), int(20, 3)].concat())
}

/// A node with its attributes.
pub fn node(op: &str, inputs: &[&str], outputs: &[&str], attributes: &[Vec<u8>]) -> Vec<u8> {
    let inputs: Vec<u8> = inputs.iter().flat_map(|name| run(1, name)).collect();
    let outputs: Vec<u8> = outputs.iter().flat_map(|name| run(2, name)).collect();
    run(1, [inputs, outputs, run(4, op), attributes.concat()].concat())
}

/// An initializer of a graph.
pub fn initializer(tensor: &[u8]) -> Vec<u8> {
    run(5, tensor)
}

/// An input (field 11) or output (field 12); -1 is a length without a number.
pub fn value(field: u64, name: &str, element: i64, shape: &[i64]) -> Vec<u8> {
    let dim = |&n: &i64| run(1, if n < 0 { run(2, "batch") } else { int(1, n) });
    let shape: Vec<u8> = shape.iter().flat_map(dim).collect();
    let tensor_type = run(1, [int(1, element), run(2, shape)].concat());
    run(field, [run(1, name), run(2, tensor_type)].concat())
}

/// A model with operators of version `opset`.
pub fn model(opset: i64, graph: &[Vec<u8>]) -> Vec<u8> {
    [int(1, 8), run(7, graph.concat()), run(8, int(2, opset))].concat()
}

/// A model from x of the given shape to y.
pub fn simple(shape: &[i64], parts: &[Vec<u8>]) -> Vec<u8> {
    let graph = [parts, &[value(11, "x", 1, shape), value(12, "y", 1, &[])]].concat();
    model(13, &graph)
}
