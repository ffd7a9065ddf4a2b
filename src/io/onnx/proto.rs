//! The messages of an ONNX file, as far as they matter here. Unknown fields are skipped.
//!
//! Source: `onnx.proto` of the ONNX project (field numbers in the order of that file).

use super::wire::{Field, Message, Wire};

/// A model.
#[derive(Debug, Default)]
pub struct Model<'a> {
    /// The computation.
    pub graph: Option<Graph<'a>>,
    /// The sets of operators that are used: their domain and version.
    pub opsets: Vec<(&'a str, i64)>,
    /// The functions that the model defines: their domain and name.
    pub functions: Vec<(&'a str, &'a str)>,
}

/// A computation.
#[derive(Debug, Default)]
pub struct Graph<'a> {
    /// The operations.
    pub nodes: Vec<Node<'a>>,
    /// The constants.
    pub initializers: Vec<Tensor<'a>>,
    /// What goes in; in old files also the constants.
    pub inputs: Vec<ValueInfo<'a>>,
    /// What comes out.
    pub outputs: Vec<ValueInfo<'a>>,
    /// The constants that are stored as sparse tensors.
    pub sparse: Vec<SparseTensor<'a>>,
}

/// An operation.
#[derive(Debug, Default)]
pub struct Node<'a> {
    /// Its name, possibly empty.
    pub name: &'a str,
    /// The operator.
    pub operator: &'a str,
    /// The set of operators it belongs to; empty for the standard one.
    pub domain: &'a str,
    /// The names of its operands, empty for one that is left out.
    pub inputs: Vec<&'a str>,
    /// The names of its results.
    pub outputs: Vec<&'a str>,
    /// Its parameters.
    pub attributes: Vec<Attribute<'a>>,
}

/// A parameter of an operation.
#[derive(Debug, Default)]
pub struct Attribute<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is, as far as the file says so.
    pub kind: u64,
    /// A number.
    pub float: Option<f32>,
    /// A whole number.
    pub int: Option<i64>,
    /// A text.
    pub text: Option<&'a [u8]>,
    /// A tensor.
    pub tensor: Option<Tensor<'a>>,
    /// A sparse tensor.
    pub sparse: Option<SparseTensor<'a>>,
    /// Whether its value is that of an attribute of the function around it.
    pub is_reference: bool,
    /// Numbers.
    pub floats: Vec<f32>,
    /// Whole numbers.
    pub ints: Vec<u64>,
}

/// A tensor with its numbers in one of several places.
#[derive(Debug, Default)]
pub struct Tensor<'a> {
    /// Its name, possibly empty.
    pub name: &'a str,
    /// The lengths of the axes.
    pub dims: Vec<u64>,
    /// The type of the numbers.
    pub element: u64,
    /// The numbers as they are in memory, least significant byte first.
    pub raw: Option<&'a [u8]>,
    /// Single-precision numbers.
    pub floats: Vec<f32>,
    /// Double-precision numbers.
    pub doubles: Vec<f64>,
    /// Small integers, and the bits of half-precision numbers.
    pub int32s: Vec<u64>,
    /// Integers.
    pub int64s: Vec<u64>,
    /// Large unsigned integers.
    pub uint64s: Vec<u64>,
    /// The number of texts.
    pub texts: usize,
    /// Where the numbers are, for those in a file of their own.
    pub external: Vec<(&'a str, &'a str)>,
    /// Whether they are in a file of their own.
    pub is_external: bool,
    /// Whether it is a part of a larger tensor.
    pub is_segment: bool,
}

/// A tensor of which the entries that are not zero are stored.
#[derive(Debug, Default)]
pub struct SparseTensor<'a> {
    /// The entries; their name is that of the whole.
    pub values: Option<Tensor<'a>>,
    /// Where they are.
    pub indices: Option<Tensor<'a>>,
    /// The lengths of the axes.
    pub dims: Vec<u64>,
}

/// The name and type of an input or output.
#[derive(Debug, Default)]
pub struct ValueInfo<'a> {
    /// Its name.
    pub name: &'a str,
    /// The type of its numbers, 0 if unknown.
    pub element: u64,
    /// Whether it is a tensor, or of unknown type.
    pub is_tensor: bool,
    /// The lengths of its axes, those that are fixed.
    pub shape: Option<Vec<Option<u64>>>,
}

/// Calls `take` with the number and value of each field.
fn fields<'a>(
    message: Message<'a>,
    mut take: impl FnMut(u64, Field<'a>, Message<'a>) -> Wire<()>,
) -> Wire<()> {
    let mut rest = message;
    loop {
        let at = rest;
        let Some((number, field)) = rest.field()? else { return Ok(()) };
        take(number, field, at)?;
    }
}

/// Reads a model.
///
/// # Errors
/// The first place where the bytes are not those of a model.
pub fn model(message: Message<'_>) -> Wire<Model<'_>> {
    let mut model = Model::default();
    fields(message, |number, field, at| {
        match number {
            7 if model.graph.is_some() => return Err(at.fail("a second graph".to_owned())),
            7 => model.graph = Some(graph(field.bytes("graph", at)?)?),
            8 => model.opsets.push(opset(field.bytes("opset_import", at)?)?),
            25 => model.functions.push(function(field.bytes("functions", at)?)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(model)
}

fn opset(message: Message<'_>) -> Wire<(&str, i64)> {
    let (mut domain, mut version) = ("", 0);
    fields(message, |number, field, at| {
        match number {
            1 => domain = field.bytes("domain", at)?.text()?,
            2 => version = field.varint("version", at)? as i64,
            _ => {}
        }
        Ok(())
    })?;
    Ok((domain, version))
}

fn function(message: Message<'_>) -> Wire<(&str, &str)> {
    let (mut domain, mut name) = ("", "");
    fields(message, |number, field, at| {
        match number {
            1 => name = field.bytes("name", at)?.text()?,
            10 => domain = field.bytes("domain", at)?.text()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((domain, name))
}

fn graph(message: Message<'_>) -> Wire<Graph<'_>> {
    let mut graph = Graph::default();
    fields(message, |number, field, at| {
        match number {
            1 => graph.nodes.push(node(field.bytes("node", at)?)?),
            5 => graph.initializers.push(tensor(field.bytes("initializer", at)?)?),
            11 => graph.inputs.push(value_info(field.bytes("input", at)?)?),
            12 => graph.outputs.push(value_info(field.bytes("output", at)?)?),
            15 => graph.sparse.push(sparse(field.bytes("sparse_initializer", at)?)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(graph)
}

fn node(message: Message<'_>) -> Wire<Node<'_>> {
    let mut node = Node::default();
    fields(message, |number, field, at| {
        match number {
            1 => node.inputs.push(field.bytes("input", at)?.text()?),
            2 => node.outputs.push(field.bytes("output", at)?.text()?),
            3 => node.name = field.bytes("name", at)?.text()?,
            4 => node.operator = field.bytes("op_type", at)?.text()?,
            5 => node.attributes.push(attribute(field.bytes("attribute", at)?)?),
            7 => node.domain = field.bytes("domain", at)?.text()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(node)
}

fn attribute(message: Message<'_>) -> Wire<Attribute<'_>> {
    let mut attribute = Attribute::default();
    fields(message, |number, field, at| {
        match number {
            1 => attribute.name = field.bytes("name", at)?.text()?,
            2 => {
                let mut one = Vec::new();
                field.floats("f", at, &mut one)?;
                attribute.float = one.last().copied();
            }
            3 => attribute.int = Some(field.varint("i", at)? as i64),
            4 => attribute.text = Some(field.bytes("s", at)?.bytes),
            5 => attribute.tensor = Some(tensor(field.bytes("t", at)?)?),
            7 => field.floats("floats", at, &mut attribute.floats)?,
            8 => field.varints("ints", at, &mut attribute.ints)?,
            20 => attribute.kind = field.varint("type", at)?,
            21 => attribute.is_reference = !field.bytes("ref_attr_name", at)?.bytes.is_empty(),
            22 => attribute.sparse = Some(sparse(field.bytes("sparse_tensor", at)?)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(attribute)
}

fn tensor(message: Message<'_>) -> Wire<Tensor<'_>> {
    let mut tensor = Tensor::default();
    fields(message, |number, field, at| {
        match number {
            1 => field.varints("dims", at, &mut tensor.dims)?,
            2 => tensor.element = field.varint("data_type", at)?,
            3 => tensor.is_segment = true,
            4 => field.floats("float_data", at, &mut tensor.floats)?,
            5 => field.varints("int32_data", at, &mut tensor.int32s)?,
            6 => tensor.texts += 1,
            7 => field.varints("int64_data", at, &mut tensor.int64s)?,
            8 => tensor.name = field.bytes("name", at)?.text()?,
            9 => tensor.raw = Some(field.bytes("raw_data", at)?.bytes),
            10 => field.doubles("double_data", at, &mut tensor.doubles)?,
            11 => field.varints("uint64_data", at, &mut tensor.uint64s)?,
            13 => tensor.external.push(entry(field.bytes("external_data", at)?)?),
            14 => {
                tensor.is_external = match field.varint("data_location", at)? {
                    0 => false,
                    1 => true,
                    other => {
                        return Err(at.fail(format!("data_location is {other}, expected 0 or 1")));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(tensor)
}

fn sparse(message: Message<'_>) -> Wire<SparseTensor<'_>> {
    let mut sparse = SparseTensor::default();
    fields(message, |number, field, at| {
        match number {
            1 => sparse.values = Some(tensor(field.bytes("values", at)?)?),
            2 => sparse.indices = Some(tensor(field.bytes("indices", at)?)?),
            3 => field.varints("dims", at, &mut sparse.dims)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(sparse)
}

fn entry(message: Message<'_>) -> Wire<(&str, &str)> {
    let (mut key, mut value) = ("", "");
    fields(message, |number, field, at| {
        match number {
            1 => key = field.bytes("key", at)?.text()?,
            2 => value = field.bytes("value", at)?.text()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((key, value))
}

fn value_info(message: Message<'_>) -> Wire<ValueInfo<'_>> {
    let mut info = ValueInfo { is_tensor: true, ..ValueInfo::default() };
    fields(message, |number, field, at| {
        match number {
            1 => info.name = field.bytes("name", at)?.text()?,
            2 => fields(field.bytes("type", at)?, |number, field, at| {
                match number {
                    1 => tensor_type(field.bytes("tensor_type", at)?, &mut info)?,
                    4 | 5 | 8 | 9 => info.is_tensor = false,
                    _ => {}
                }
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(info)
}

fn tensor_type<'a>(message: Message<'a>, info: &mut ValueInfo<'a>) -> Wire<()> {
    fields(message, |number, field, at| {
        match number {
            1 => info.element = field.varint("elem_type", at)?,
            2 => {
                let mut shape = Vec::new();
                fields(field.bytes("shape", at)?, |number, field, at| {
                    if number == 1 {
                        shape.push(dimension(field.bytes("dim", at)?)?);
                    }
                    Ok(())
                })?;
                info.shape = Some(shape);
            }
            _ => {}
        }
        Ok(())
    })
}

/// The length of an axis; `None` if it has a name or is unknown.
fn dimension(message: Message<'_>) -> Wire<Option<u64>> {
    let mut length = None;
    fields(message, |number, field, at| {
        match number {
            1 => length = Some(field.varint("dim_value", at)?),
            2 => length = None,
            _ => {}
        }
        Ok(())
    })?;
    Ok(length)
}
