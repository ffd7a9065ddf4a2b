//! The numbers of a stored tensor, in the file or in one next to it.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use half::{bf16, f16};
use ndarray::{ArrayD, IxDyn};

use super::constant::{Constant, Data, Element};
use super::proto::Tensor;
use crate::io::dtype::{self, Dtype};
use crate::network::tensor::show_shape;

/// The lengths of the axes of a tensor and the number of its entries.
fn lengths(tensor: &Tensor<'_>) -> Result<(Vec<usize>, usize), String> {
    let shape: Option<Vec<usize>> =
        tensor.dims.iter().map(|&n| usize::try_from(n as i64).ok()).collect();
    let shape = shape.ok_or("has an axis of negative length; the file is damaged")?;
    let count = dtype::count(&shape)
        .ok_or_else(|| format!("the shape {} is too large", show_shape(&shape)))?;
    Ok((shape, count))
}

/// Reads a tensor.
///
/// # Errors
/// A type that is not accepted; numbers that are missing or too many; a file that cannot be read.
pub fn read(tensor: &Tensor<'_>, folder: Option<&Path>) -> Result<Constant, String> {
    let element = Element(tensor.element);
    if !element.is_real() && !element.is_integer() {
        return Err(format!(
            "has the type {}, expected {}; convert it before exporting",
            element.name(),
            dtype::ACCEPTED
        ));
    }
    if tensor.is_segment {
        return Err("is stored in segments, which is not supported; save the model again".into());
    }
    let (shape, count) = lengths(tensor)?;
    check_one_place(tensor, element)?;
    let data = if tensor.is_external {
        from_bytes(element, &external(tensor, element, count, folder)?, &shape, count)?
    } else if let Some(raw) = tensor.raw {
        from_bytes(element, raw, &shape, count)?
    } else {
        from_fields(tensor, element, &shape, count)?
    };
    Ok(Constant { element, data })
}

/// Checks that the numbers are in one place, that of their type: what else there is would be ignored.
fn check_one_place(tensor: &Tensor<'_>, element: Element) -> Result<(), String> {
    let fields = [
        ("raw_data", tensor.raw.map_or(0, <[u8]>::len)),
        ("float_data", tensor.floats.len()),
        ("double_data", tensor.doubles.len()),
        ("int32_data", tensor.int32s.len()),
        ("int64_data", tensor.int64s.len()),
        ("uint64_data", tensor.uint64s.len()),
        ("string_data", tensor.texts),
    ];
    let own = match element {
        _ if tensor.is_external => "a file of its own",
        _ if tensor.raw.is_some() => "raw_data",
        Element::F32 => "float_data",
        Element::F64 => "double_data",
        Element::I64 => "int64_data",
        Element(12 | 13) => "uint64_data",
        _ => "int32_data",
    };
    match fields.iter().find(|(name, length)| *name != own && *length > 0) {
        Some((name, _)) => Err(format!(
            "has numbers in {name}, where those of its type ({}) are in {own}; the file is damaged",
            element.name()
        )),
        None => Ok(()),
    }
}

/// The numbers of bytes of an integer type, and whether it has a sign.
fn integer(element: Element) -> (usize, bool) {
    match element.0 {
        2 | 9 => (1, false),
        3 => (1, true),
        4 => (2, false),
        5 => (2, true),
        6 => (4, true),
        12 => (4, false),
        7 => (8, true),
        _ => (8, false),
    }
}

/// The type of real numbers, if it is one.
fn real(element: Element) -> Option<Dtype> {
    match element {
        Element::F32 => Some(Dtype::F32),
        Element::F16 => Some(Dtype::F16),
        Element::BF16 => Some(Dtype::Bf16),
        Element::F64 => Some(Dtype::F64),
        _ => None,
    }
}

fn width(element: Element) -> usize {
    real(element).map_or_else(|| integer(element).0, Dtype::size)
}

fn from_bytes(
    element: Element,
    bytes: &[u8],
    shape: &[usize],
    count: usize,
) -> Result<Data, String> {
    if count.checked_mul(width(element)) != Some(bytes.len()) {
        return Err(format!(
            "the shape {} of type {} does not take the {} bytes that it is given; the file is damaged",
            show_shape(shape),
            element.name(),
            bytes.len()
        ));
    }
    match real(element) {
        Some(dtype) => array(dtype.decode(bytes, false)?, shape).map(Data::Real),
        None => {
            let numbers: Result<Vec<i64>, String> =
                bytes.chunks_exact(width(element)).map(|word| from_word(element, word)).collect();
            array(numbers?, shape).map(Data::Int)
        }
    }
}

/// The integer with the given bytes, least significant first.
fn from_word(element: Element, word: &[u8]) -> Result<i64, String> {
    let (size, signed) = integer(element);
    let negative = signed && word.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut bytes = [if negative { 0xff } else { 0 }; 8];
    bytes[..word.len()].copy_from_slice(word);
    let n = i64::from_le_bytes(bytes);
    if size == 8 && !signed && n < 0 {
        return Err(format!("{} is too large for a signed 64-bit integer", n as u64));
    }
    Ok(n)
}

fn array<T>(values: Vec<T>, shape: &[usize]) -> Result<ArrayD<T>, String> {
    ArrayD::from_shape_vec(IxDyn(shape), values).map_err(|error| error.to_string())
}

/// Whether a number in `int32_data` is one of the type, or 16 bits of one.
fn fits(element: Element, word: i64) -> bool {
    match (real(element), integer(element)) {
        (Some(_), _) | (None, (2, false)) => u16::try_from(word).is_ok(),
        _ if element == Element::BOOL => matches!(word, 0 | 1),
        (None, (1, false)) => u8::try_from(word).is_ok(),
        (None, (1, true)) => i8::try_from(word).is_ok(),
        (None, (2, true)) => i16::try_from(word).is_ok(),
        _ => i32::try_from(word).is_ok(),
    }
}

/// The numbers in the fields of the message itself.
fn from_fields(
    tensor: &Tensor<'_>,
    element: Element,
    shape: &[usize],
    count: usize,
) -> Result<Data, String> {
    let check = |found: usize| {
        if found == count {
            return Ok(());
        }
        Err(format!(
            "the shape {} needs {count} numbers, found {found} of type {}; the file is damaged",
            show_shape(shape),
            element.name()
        ))
    };
    let small = &tensor.int32s;
    if let Some(bad) = small.iter().find(|&&word| !fits(element, word as i64)) {
        return Err(format!(
            "has the entry {} in int32_data, which is not one of the type {}; the file is damaged",
            *bad as i64,
            element.name()
        ));
    }
    let reals: Option<Vec<f64>> = match element {
        Element::F32 => Some(tensor.floats.iter().map(|&x| f64::from(x)).collect()),
        Element::F64 => Some(tensor.doubles.clone()),
        Element::F16 => Some(small.iter().map(|&b| f16::from_bits(b as u16).to_f64()).collect()),
        Element::BF16 => Some(small.iter().map(|&b| bf16::from_bits(b as u16).to_f64()).collect()),
        _ => None,
    };
    if let Some(reals) = reals {
        check(reals.len())?;
        return array(reals, shape).map(Data::Real);
    }
    let words = match element.0 {
        7 => &tensor.int64s,
        12 | 13 => &tensor.uint64s,
        _ => small,
    };
    check(words.len())?;
    let size = width(element);
    let numbers: Result<Vec<i64>, String> =
        words.iter().map(|word| from_word(element, &word.to_le_bytes()[..size])).collect();
    array(numbers?, shape).map(Data::Int)
}

/// The bytes of a tensor in a file of its own.
fn external(
    tensor: &Tensor<'_>,
    element: Element,
    count: usize,
    folder: Option<&Path>,
) -> Result<Vec<u8>, String> {
    let value = |key: &str| tensor.external.iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
    let mut keys = HashSet::new();
    if let Some((key, _)) = tensor.external.iter().find(|(key, _)| !keys.insert(*key)) {
        return Err(format!("the {key} of its external data is given twice; the file is damaged"));
    }
    let location = value("location").ok_or("its external data have no location")?;
    let path = inside(location, folder)?;
    let number = |key: &str| match value(key).map(str::parse::<u64>) {
        None => Ok(None),
        Some(Ok(n)) => Ok(Some(n)),
        Some(Err(_)) => {
            Err(format!("the {key} of its external data in {location} is not a whole number"))
        }
    };
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    let fail = |error: std::io::Error| {
        format!(
            "its external data in {location} cannot be read ({error}); keep that file next to the model"
        )
    };
    let mut file = File::open(&path).map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    let wanted = count.checked_mul(width(element)).and_then(|n| u64::try_from(n).ok());
    let wanted = wanted.ok_or("its shape is too large")?;
    if length.is_some_and(|length| length != wanted) {
        return Err(format!(
            "its external data in {location} have {} bytes, but its shape needs {wanted}",
            length.unwrap_or(0)
        ));
    }
    let end = offset.checked_add(wanted).filter(|&end| end <= metadata.len());
    let Some(end) = end.filter(|_| metadata.is_file()) else {
        return Err(format!(
            "its external data are {wanted} bytes from byte {offset} of {location}, which has {}",
            metadata.len()
        ));
    };
    // Without a length all that follows in the file is meant.
    if length.is_none() && end != metadata.len() {
        return Err(format!(
            "its external data in {location} have no length, so all {} bytes from byte {offset} are meant, but its shape needs {wanted}",
            metadata.len() - offset
        ));
    }
    file.seek(SeekFrom::Start(offset)).map_err(fail)?;
    let mut bytes = Vec::new();
    file.take(wanted).read_to_end(&mut bytes).map_err(fail)?;
    Ok(bytes)
}

/// The path of a file inside the model's folder. The file itself may be a link, as in the caches of model
/// hubs, because a listing of the folder shows that; the folders on the way to it may not leave the model's.
fn inside(location: &str, folder: Option<&Path>) -> Result<PathBuf, String> {
    let folder = folder.ok_or_else(|| {
        format!("its data are in the file {location}, which cannot be found from the standard input; give the model as a file")
    })?;
    let parts = Path::new(location).components().filter(|c| *c != Component::CurDir);
    let plain: PathBuf = parts.clone().collect();
    if !parts.clone().all(|c| matches!(c, Component::Normal(_))) || parts.count() == 0 {
        return Err(format!(
            "its data are in {location}, expected a file inside the model's folder (no absolute path, no ..)"
        ));
    }
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let path = folder.join(plain);
    let parent = path.parent().and_then(|parent| parent.canonicalize().ok());
    match parent.zip(folder.canonicalize().ok()) {
        Some((parent, folder)) if !parent.starts_with(&folder) => Err(format!(
            "its data are in {location}, a link on the way to which leaves the model's folder (to {}); copy the file there",
            parent.display()
        )),
        _ => Ok(path),
    }
}
