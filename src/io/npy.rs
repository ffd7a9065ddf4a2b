//! NPY: one array of numpy.

use std::io::Read;
use std::path::{Path, PathBuf};

use ndarray::{ArrayD, IxDyn, ShapeBuilder};
use npyz::{DType, Endianness, NpyHeader, Order, TypeChar, WriterBuilder};

use super::dtype::{self, Broken, Budget, Dtype};
use super::error::ReadError;
use super::source::{self, Input, Stream};
use super::state_dict::{StateDict, TensorOrder};
use super::{Format, ReadOptions};
use crate::network::Network;
use crate::network::tensor::{check_finite, show_shape};

/// The format NPY.
pub const FORMAT: Format = Format {
    name: "NPY",
    extensions: &["npy"],
    sniff: |head, _| head.starts_with(MAGIC),
    read: |input, options| read_one(&mut input.stream(), options),
    stream: Some(read_one),
    write: None,
};

const MAGIC: &[u8] = b"\x93NUMPY";

/// Longer headers are refused: those of plain arrays have about a hundred bytes.
const LONGEST_HEADER: usize = 1 << 16;

/// What the header of an NPY file says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Header {
    pub shape: Vec<usize>,
    pub dtype: Dtype,
    pub big_endian: bool,
    pub fortran: bool,
    /// Where the numbers begin.
    pub start: usize,
    /// The number of bytes that the numbers take.
    pub data: usize,
}

/// Reads a model from NPY files, whose order means `order`.
///
/// # Errors
/// The first file that cannot be read, or arrays that do not make up a network.
pub fn read_arrays(
    file: String,
    name: String,
    paths: &[PathBuf],
    order: TensorOrder,
    options: &ReadOptions,
) -> Result<Network, ReadError> {
    let mut tensors = Vec::with_capacity(paths.len());
    let mut budget = Budget::new(options);
    for path in paths {
        tensors.push(match source::open(path)? {
            Some(mut stream) => (stream.name.clone(), read_stream(&mut stream, &mut budget)?),
            None => {
                let input = source::load(path)?;
                (input.name.clone(), read_stream(&mut input.stream(), &mut budget)?)
            }
        });
    }
    StateDict::new(file, name, tensors, order)?.into_network(options)
}

/// Reads the array of one file, whose entries need not be finite.
///
/// # Errors
/// What is wrong with the file.
pub fn read_tensor(input: &Input) -> Result<ArrayD<f64>, ReadError> {
    read_stream(&mut input.stream(), &mut Budget::unlimited())
}

fn read_stream(stream: &mut Stream<'_>, budget: &mut Budget) -> Result<ArrayD<f64>, ReadError> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    read_array(&mut stream.reader, stream.length, budget, &unreadable)
        .map_err(|reason| ReadError::new(&stream.file, reason))
}

fn read_one(stream: &mut Stream<'_>, options: &ReadOptions) -> Result<Network, ReadError> {
    let tensor = read_stream(stream, &mut Budget::new(options))?;
    let (file, name) = (stream.file.clone(), stream.name.clone());
    let tensors = vec![(name.clone(), tensor)];
    StateDict::new(file, name, tensors, TensorOrder::Given)?.into_network(options)
}

/// Reads an NPY file of `size` bytes: first the header, then, if the sizes agree, the numbers. `failed` says
/// what it means that the bytes cannot be read.
///
/// # Errors
/// What is wrong with the bytes.
pub(super) fn read_array(
    reader: &mut dyn Read,
    size: u64,
    budget: &mut Budget,
    failed: &dyn Fn(std::io::Error) -> String,
) -> Result<ArrayD<f64>, String> {
    let mut head = Vec::new();
    reader.take(12).read_to_end(&mut head).map_err(failed)?;
    let length = match head.as_slice() {
        [_, _, _, _, _, _, 1, _, a, b, ..] => 10 + usize::from(u16::from_le_bytes([*a, *b])),
        [_, _, _, _, _, _, _, _, a, b, c, d] => {
            12usize.saturating_add(u32::from_le_bytes([*a, *b, *c, *d]) as usize)
        }
        _ => 0,
    };
    let rest = length.saturating_sub(head.len()).min(1 << 17);
    reader.take(rest as u64).read_to_end(&mut head).map_err(failed)?;
    let header = parse_header(&head)?;
    header.check_length(size.saturating_sub(header.start as u64))?;
    let count = header.data / header.dtype.size();
    budget.take(count)?;
    // The numbers may begin within the bytes that were read for the header.
    let begun = head.get(header.start..).unwrap_or_default();
    let values = header.dtype.read(&mut begun.chain(reader), count, header.big_endian);
    header.array(values.map_err(|broken| match broken {
        Broken::Value(reason) => reason,
        Broken::Unreadable(error) => failed(error),
        Broken::Short(found) => match header.check_length(found as u64) {
            Err(reason) => reason,
            Ok(()) => "the file is truncated".to_owned(),
        },
    })?)
}

/// The array in the bytes of an NPY file.
///
/// # Errors
/// What is wrong with the bytes; nothing is allocated for a header that claims more than there is.
pub fn parse(bytes: &[u8]) -> Result<ArrayD<f64>, String> {
    let header = parse_header(bytes)?;
    let data = bytes.get(header.start..).unwrap_or_default();
    header.check_length(data.len() as u64)?;
    header.array(header.dtype.decode(data, header.big_endian)?)
}

/// The header at the start of `bytes`, which may end after it.
///
/// # Errors
/// What is wrong with the header.
pub(super) fn parse_header(bytes: &[u8]) -> Result<Header, String> {
    let start = header_end(bytes)?;
    let mut text = bytes[..start].to_vec();
    check_text(&text)?;
    drop_long_suffixes(&mut text);
    let header = NpyHeader::from_reader(text.as_slice())
        .map_err(|error| format!("the NPY header cannot be read: {error}"))?;
    let (dtype, big_endian) = number_type(&header.dtype())?;
    let shape: Option<Vec<usize>> = header.shape().iter().map(|&n| n.try_into().ok()).collect();
    let too_large = || format!("the header claims an array of shape {:?}", header.shape());
    let shape = shape.ok_or_else(too_large)?;
    let data = dtype::count(&shape).and_then(|n| n.checked_mul(dtype.size()));
    let data = data.ok_or_else(too_large)?;
    let fortran = header.order() == Order::Fortran;
    Ok(Header { shape, dtype, big_endian, fortran, start, data })
}

impl Header {
    /// Checks that the numbers take all of the bytes that there are.
    ///
    /// # Errors
    /// The two sizes, if they differ.
    pub(super) fn check_length(&self, found: u64) -> Result<(), String> {
        let expected = self.data as u64;
        if found == expected {
            return Ok(());
        }
        let shape = show_shape(&self.shape);
        let what = if found < expected { "the file is truncated" } else { "the file has a rest" };
        Err(format!(
            "{what}: the header announces an array of shape {shape} ({expected} bytes), but {found} bytes follow; write the file again"
        ))
    }

    /// The array with these numbers.
    ///
    /// # Errors
    /// Another count of numbers than the shape has.
    fn array(&self, values: Vec<f64>) -> Result<ArrayD<f64>, String> {
        let shape = IxDyn(&self.shape).set_f(self.fortran);
        let array = ArrayD::from_shape_vec(shape, values).map_err(|error| error.to_string())?;
        Ok(if self.fortran { array.as_standard_layout().into_owned() } else { array })
    }
}

/// Where the header ends.
fn header_end(bytes: &[u8]) -> Result<usize, String> {
    if !bytes.starts_with(MAGIC) {
        return Err("not an NPY file: it does not begin with \\x93NUMPY".to_owned());
    }
    let cut = || "the file is truncated within the NPY header".to_owned();
    let field = |range: std::ops::Range<usize>| bytes.get(range).ok_or_else(cut);
    let (start, length) = match field(6..8)? {
        [1, _] => (10, field(8..10)?),
        [2 | 3, _] => (12, field(8..12)?),
        version => {
            return Err(format!(
                "NPY version {}.{} is unknown, expected 1.0, 2.0 or 3.0",
                version[0], version[1]
            ));
        }
    };
    let length = length.iter().rev().fold(0usize, |n, &byte| (n << 8) | usize::from(byte));
    if length > LONGEST_HEADER {
        return Err(format!(
            "the NPY header claims to have {length} bytes, at most {LONGEST_HEADER} are expected"
        ));
    }
    if bytes.len() < start + length {
        return Err(cut());
    }
    Ok(start + length)
}

/// Blanks the `L` of numbers such as `3L`, which Python 2 wrote on some systems, as numpy does.
fn drop_long_suffixes(header: &mut [u8]) {
    let mut quote = None;
    let mut before = 0;
    for byte in header.iter_mut().skip(10) {
        match (*byte, quote) {
            (b'\'' | b'"', None) => quote = Some(*byte),
            (found, Some(open)) if found == open => quote = None,
            (b'L', None) if u8::is_ascii_digit(&before) => *byte = b' ',
            _ => {}
        }
        before = *byte;
    }
}

/// Refuses what the parser of the header does not stand: text other than ASCII, deep nesting, shapes
/// whose number of elements overflows; and keys that it would not look at.
fn check_text(header: &[u8]) -> Result<(), String> {
    let text = header.get(10..).unwrap_or_default();
    if !text.get(2..).unwrap_or_default().is_ascii() {
        return Err("the NPY header has characters other than ASCII".to_owned());
    }
    let text = String::from_utf8_lossy(text);
    let (mut depth, mut keys, mut quote) = (0usize, 0, None);
    for c in text.chars() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '\'' | '"' if quote.is_none() => quote = Some(c),
            _ if quote == Some(c) => quote = None,
            ':' if depth == 1 && quote.is_none() => keys += 1,
            _ => {}
        }
        if depth > 8 {
            return Err("the NPY header has brackets nested more than 8 deep".to_owned());
        }
    }
    if keys > 3 {
        return Err(format!(
            "the NPY header has {keys} keys, expected descr, fortran_order and shape; write the file again"
        ));
    }
    let mut parts = text.split("shape").skip(1);
    let (Some(shape), None) = (parts.next(), parts.next()) else {
        return Err("the NPY header does not give one shape".to_owned());
    };
    let shape = shape.split_once([')', ']']).map_or(shape, |(shape, _)| shape);
    let numbers = shape.split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty());
    let mut product = 1u64;
    for number in numbers {
        let next = number.parse::<u64>().ok().and_then(|n| product.checked_mul(n.max(1)));
        product = next.ok_or_else(|| {
            let shape = shape.trim_matches(|c: char| !c.is_ascii_digit());
            format!("the header claims an array of shape ({shape}), more than any file can hold; the file is damaged")
        })?;
    }
    Ok(())
}

fn number_type(dtype: &DType) -> Result<(Dtype, bool), String> {
    let refuse = |what: &str| {
        Err(format!(
            "the array holds {what} (dtype {}), expected {}; convert it, for example with array.astype(numpy.float64)",
            dtype.descr(),
            dtype::ACCEPTED
        ))
    };
    let DType::Plain(plain) = dtype else { return refuse("records") };
    let found = match (plain.type_char(), plain.size_field()) {
        (TypeChar::Float, 2) => Dtype::F16,
        (TypeChar::Float, 4) => Dtype::F32,
        (TypeChar::Float, 8) => Dtype::F64,
        (TypeChar::Int, 1) => Dtype::I8,
        (TypeChar::Int, 2) => Dtype::I16,
        (TypeChar::Int, 4) => Dtype::I32,
        (TypeChar::Int, 8) => Dtype::I64,
        (TypeChar::Uint, 1) => Dtype::U8,
        (TypeChar::Uint, 2) => Dtype::U16,
        (TypeChar::Uint, 4) => Dtype::U32,
        (TypeChar::Uint, 8) => Dtype::U64,
        (TypeChar::Float, _) => return refuse("extended precision numbers"),
        (TypeChar::Bool, _) => return refuse("truth values"),
        (TypeChar::Complex, _) => return refuse("complex numbers"),
        (TypeChar::Object, _) => return refuse("Python objects"),
        (TypeChar::ByteStr | TypeChar::UnicodeStr, _) => return refuse("text"),
        _ => return refuse("something other than numbers"),
    };
    Ok((found, plain.endianness() == Endianness::Big))
}

/// Writes an array as an NPY file of `f64`.
///
/// # Errors
/// Those of `writer`.
pub(super) fn write(
    array: &ArrayD<f64>,
    writer: &mut dyn std::io::Write,
) -> Result<(), std::io::Error> {
    let shape: Vec<u64> = array.shape().iter().map(|&n| n as u64).collect();
    let options = npyz::WriteOptions::<f64>::new().default_dtype().shape(&shape);
    let mut npy = options.writer(writer).begin_nd()?;
    npy.extend(array.iter().copied())?;
    npy.finish()
}

/// Reads the NPY file `name` in `folder`, for a reference from another file.
///
/// # Errors
/// A reference that leaves the folder; a file that cannot be read.
pub(super) fn read_reference(folder: Option<&Path>, name: &str) -> Result<ArrayD<f64>, String> {
    let Some(folder) = folder else {
        return Err(format!(
            "refers to the file \"{name}\", which a model from the standard input cannot; read the model from a file"
        ));
    };
    let inside = Path::new(name).components().all(|c| matches!(c, std::path::Component::Normal(_)));
    if !inside || name.is_empty() {
        return Err(format!(
            "refers to \"{name}\", which is not inside the model's folder; name a file relative to the model, without \"..\""
        ));
    }
    let input = source::load(&folder.join(name)).map_err(|error| error.to_string())?;
    let tensor = read_tensor(&input).map_err(|error| error.to_string())?;
    check_finite("array", &tensor).map_err(|error| format!("{}: {error}", input.file))?;
    Ok(tensor)
}
