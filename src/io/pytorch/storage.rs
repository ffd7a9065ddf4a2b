//! The numbers of PyTorch files, and the tensors in them.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use ndarray::{ArrayD, Dimension, IxDyn};
use zip::ZipArchive;

use super::heap::{Heap, Object, Ref};
use super::pickle;
use crate::io::dtype::{self, Dtype};
use crate::io::error::ReadError;
use crate::io::npz;
use crate::io::source::Input;
use crate::network::tensor::show_shape;

/// What files of PyTorch before 1.6 begin with: a pickle of a magic number.
pub(super) const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// Where the numbers are.
enum Place<'a> {
    Zip { archive: ZipArchive<Cursor<&'a [u8]>>, prefix: String },
    Parts(HashMap<String, &'a [u8]>),
}

/// The storages of a file.
pub(super) struct Storages<'a> {
    place: Place<'a>,
    big_endian: bool,
    /// How many more bytes tensors may take: they share storages, but not beyond reason.
    budget: usize,
}

impl<'a> Storages<'a> {
    /// The objects of a file, the outermost one, and the numbers.
    ///
    /// # Errors
    /// A damaged file, or one with something other than a state dict.
    pub fn open(input: &'a Input) -> Result<(Heap, Ref, Storages<'a>), ReadError> {
        let fail = |reason: String| ReadError::new(&input.file, reason);
        let budget = input.bytes.len().saturating_mul(8);
        if input.bytes.starts_with(b"PK") {
            return open_zip(input, budget);
        }
        if !input.bytes.starts_with(LEGACY) {
            return Err(fail("not a file of torch.save: expected a zip archive with data.pkl, or PyTorch's magic number".to_owned()));
        }
        let (heap, root, parts) = open_legacy(&input.bytes).map_err(fail)?;
        Ok((heap, root, Storages { place: Place::Parts(parts), big_endian: false, budget }))
    }

    /// The tensor of that shape and strides in a storage of `length` numbers.
    ///
    /// # Errors
    /// A type that is not a number's, a tensor that reaches beyond its storage, missing numbers.
    pub fn tensor(
        &mut self,
        kind: &str,
        key: &str,
        length: usize,
        offset: usize,
        shape: &[usize],
        strides: &[usize],
    ) -> Result<ArrayD<f64>, String> {
        let dtype = number_type(kind)?;
        // An untyped storage gives its length in bytes.
        let bytes = self.bytes(key)?;
        let available = (bytes.len() / dtype.size()).min(length.max(1));
        let count = dtype::count(shape).filter(|&n| n <= self.budget / 8);
        let beyond = || {
            format!(
                "the shape {} with strides {} from {offset} reaches beyond the {available} numbers of its storage; the file is damaged",
                show_shape(shape),
                show_shape(strides)
            )
        };
        let count = count.ok_or_else(beyond)?;
        self.budget -= count * 8;
        let steps = shape.iter().zip(strides);
        let last = steps.clone().try_fold(offset, |last, (&n, &stride)| {
            last.checked_add(n.saturating_sub(1).checked_mul(stride)?)
        });
        if count == 0 {
            // A length of 0 does not make the others small.
            return ArrayD::from_shape_vec(IxDyn(shape), Vec::new()).map_err(|_| beyond());
        }
        let end = last.filter(|&last| last < available).ok_or_else(beyond)? + 1;
        let window = bytes.get(offset * dtype.size()..end * dtype.size()).ok_or_else(beyond)?;
        let values = dtype.decode(window, self.big_endian)?;
        let at = |index: IxDyn| {
            let steps = index.slice().iter().zip(strides).map(|(i, s)| i * s);
            values.get(steps.sum::<usize>()).copied().unwrap_or(f64::NAN)
        };
        Ok(ArrayD::from_shape_fn(IxDyn(shape), at))
    }

    fn bytes(&mut self, key: &str) -> Result<std::borrow::Cow<'a, [u8]>, String> {
        let missing = || format!("its storage {key} is missing; the file is truncated or damaged");
        match &mut self.place {
            Place::Parts(parts) => parts.get(key).map(|b| (*b).into()).ok_or_else(missing),
            Place::Zip { archive, prefix } => {
                let index = archive.index_for_name(&format!("{prefix}data/{key}"));
                read_entry(archive, index.ok_or_else(missing)?).map(Into::into)
            }
        }
    }
}

fn read_entry(archive: &mut ZipArchive<Cursor<&[u8]>>, index: usize) -> Result<Vec<u8>, String> {
    let damaged = |reason: String| format!("cannot be unpacked ({reason}); the file is damaged");
    let mut file = archive.by_index(index).map_err(|e| damaged(npz::explain(&e)))?;
    let (size, packed) = (file.size(), file.compressed_size());
    npz::check_claim(size, packed, file.compression())?;
    let mut bytes = Vec::new();
    let length = usize::try_from(size).map_err(|e| damaged(e.to_string()))?;
    bytes.try_reserve_exact(length).map_err(|_| format!("no memory for {size} bytes"))?;
    file.by_ref().take(size).read_to_end(&mut bytes).map_err(|e| damaged(e.to_string()))?;
    // The checksum is compared at the end of the file.
    file.read(&mut [0]).map_err(|e| damaged(e.to_string()))?;
    Ok(bytes)
}

fn open_zip(input: &Input, budget: usize) -> Result<(Heap, Ref, Storages<'_>), ReadError> {
    let fail = |reason: String| ReadError::new(&input.file, reason);
    let mut archive = npz::open(input)?;
    let names: Vec<String> =
        archive.file_names().filter_map(|name| name.ok().map(|n| n.into_owned())).collect();
    let pickle = names.iter().find(|name| *name == "data.pkl" || name.ends_with("/data.pkl"));
    let Some(pickle) = pickle else {
        return Err(fail(
            "the zip archive has no data.pkl, which torch.save writes; expected a PyTorch file"
                .to_owned(),
        ));
    };
    let prefix = pickle.strip_suffix("data.pkl").unwrap_or_default().to_owned();
    if names.iter().any(|name| name.starts_with(&format!("{prefix}code/"))) {
        return Err(fail("the file is a TorchScript program, not a state dict; save one with torch.save(torch.jit.load(FILE).state_dict(), ...)".to_owned()));
    }
    let mut entry =
        |name: &str| archive.index_for_name(name).map(|index| read_entry(&mut archive, index));
    let data = entry(pickle).unwrap_or_else(|| Ok(Vec::new())).map_err(fail)?;
    let big_endian = match entry(&format!("{prefix}byteorder")) {
        Some(order) => order.map_err(fail)? == b"big",
        None => false,
    };
    let (heap, root, _) = pickle::load(&data).map_err(fail)?;
    Ok((heap, root, Storages { place: Place::Zip { archive, prefix }, big_endian, budget }))
}

type Legacy<'a> = (Heap, Ref, HashMap<String, &'a [u8]>);

/// The older format: pickles of a magic number, a version, the machine, the objects and the keys of
/// the storages, then each storage with its length.
fn open_legacy(bytes: &[u8]) -> Result<Legacy<'_>, String> {
    let mut rest = bytes;
    let mut next = || -> Result<(Heap, Ref), String> {
        let (heap, root, length) = pickle::load(rest)?;
        rest = rest.get(length..).unwrap_or_default();
        Ok((heap, root))
    };
    for _ in 0..3 {
        next()?;
    }
    let (heap, root) = next()?;
    let (key_heap, keys) = next()?;
    let Object::List(keys) = key_heap.get(keys) else {
        return Err("the list of storages is missing; the file is damaged".to_owned());
    };
    let kinds = heap.storages();
    let mut parts = HashMap::new();
    for &key in keys {
        let Object::Text(key) = key_heap.get(key) else { continue };
        let kind = kinds.get(key.as_str()).copied().unwrap_or("unknown");
        let part = rest.split_first_chunk::<8>().and_then(|(length, rest)| {
            let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
            rest.split_at_checked(length.checked_mul(element_size(kind)?)?)
        });
        let (part, after) = part.ok_or_else(|| {
            format!("the numbers of storage {key} ({kind}) are missing; the file is truncated")
        })?;
        parts.insert(key.clone(), part);
        rest = after;
    }
    Ok((heap, root, parts))
}

/// The bytes of one number, also of the types that networks do not have.
fn element_size(kind: &str) -> Option<usize> {
    match kind {
        "torch.BoolStorage" => Some(1),
        "torch.ComplexFloatStorage" => Some(8),
        "torch.ComplexDoubleStorage" => Some(16),
        _ => number_type(kind).ok().map(Dtype::size),
    }
}

fn number_type(kind: &str) -> Result<Dtype, String> {
    Ok(match kind {
        "torch.HalfStorage" | "torch.float16" => Dtype::F16,
        "torch.BFloat16Storage" | "torch.bfloat16" => Dtype::Bf16,
        "torch.FloatStorage" | "torch.float32" => Dtype::F32,
        "torch.DoubleStorage" | "torch.float64" => Dtype::F64,
        "torch.CharStorage" | "torch.int8" => Dtype::I8,
        "torch.ByteStorage" | "torch.uint8" => Dtype::U8,
        "torch.ShortStorage" | "torch.int16" => Dtype::I16,
        "torch.uint16" => Dtype::U16,
        "torch.IntStorage" | "torch.int32" => Dtype::I32,
        "torch.uint32" => Dtype::U32,
        "torch.LongStorage" | "torch.int64" => Dtype::I64,
        "torch.uint64" => Dtype::U64,
        _ => {
            return Err(format!(
                "found numbers of type {kind}, expected {}; convert the model, for example with model.double()",
                dtype::ACCEPTED
            ));
        }
    })
}
