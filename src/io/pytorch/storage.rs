//! The numbers of PyTorch files, and the tensors in them.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use ndarray::{ArrayD, Dimension, IxDyn};
use zip::ZipArchive;

use super::heap::{Heap, Object, Ref, Storage, Tensor};
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

    /// The numbers of a tensor in a storage.
    ///
    /// # Errors
    /// A type that is not a number's, a tensor that reaches beyond its storage, missing or surplus numbers.
    pub fn tensor(&mut self, storage: &Storage, tensor: &Tensor) -> Result<ArrayD<f64>, String> {
        let dtype = number_type(tensor.dtype.as_deref().unwrap_or(&storage.kind))?;
        let bytes = self.bytes(storage)?;
        let Tensor { offset, shape, strides, .. } = tensor;
        let available = bytes.len() / dtype.size();
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
        let last = steps.clone().try_fold(*offset, |last, (&n, &stride)| {
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
            let value = values.get(steps.sum::<usize>()).copied().unwrap_or(f64::NAN);
            if tensor.negative { -value } else { value }
        };
        Ok(ArrayD::from_shape_fn(IxDyn(shape), at))
    }

    /// Checks that nothing is in an archive that the pickle does not refer to. Names with a dot in front are
    /// remarks of PyTorch's on the file itself, such as the alignment of its entries.
    ///
    /// # Errors
    /// The name of such a file.
    pub fn check_surplus(&self, heap: &Heap) -> Result<(), String> {
        let storages = heap.storages()?;
        let Place::Zip { archive, prefix } = &self.place else { return Ok(()) };
        for name in archive.file_names().flatten() {
            let known = name.strip_prefix(prefix.as_str()).is_some_and(|name| {
                match name.strip_prefix("data/") {
                    Some(key) => storages.contains_key(key),
                    None => {
                        matches!(name, "data.pkl" | "byteorder" | "version")
                            || name.starts_with('.')
                    }
                }
            });
            if !known {
                return Err(format!(
                    "the archive has a file {name} to which its pickle does not refer; the file is damaged, or not as torch.save writes it"
                ));
            }
        }
        Ok(())
    }

    /// The bytes of a storage, as many as its description says.
    fn bytes(&mut self, storage: &Storage) -> Result<std::borrow::Cow<'a, [u8]>, String> {
        let key = &storage.key;
        let missing = || format!("its storage {key} is missing; the file is truncated or damaged");
        let bytes: std::borrow::Cow<'a, [u8]> = match &mut self.place {
            Place::Parts(parts) => (*parts.get(key).ok_or_else(missing)?).into(),
            Place::Zip { archive, prefix } => {
                let index = archive.index_for_name(&format!("{prefix}data/{key}"));
                read_entry(archive, index.ok_or_else(missing)?)?.into()
            }
        };
        let expected = element_size(&storage.kind).and_then(|n| n.checked_mul(storage.length));
        if expected != Some(bytes.len()) {
            return Err(format!(
                "its storage {key} is said to have {} numbers of type {}, but it has {} bytes; the file is damaged",
                storage.length,
                storage.kind,
                bytes.len()
            ));
        }
        Ok(bytes)
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
    let mut entry = |name: &str| {
        archive.index_for_name(name).map(|index| read_entry(&mut archive, index).map_err(fail))
    };
    let data = entry(pickle).unwrap_or_else(|| Ok(Vec::new()))?;
    let big_endian = match entry(&format!("{prefix}byteorder")).transpose()?.as_deref() {
        None | Some(b"little") => false,
        Some(b"big") => true,
        Some(other) => {
            let found = String::from_utf8_lossy(other);
            return Err(fail(format!(
                "found the byte order \"{}\", expected little or big; the file is damaged",
                found.escape_debug()
            )));
        }
    };
    if let Some(found) = entry(&format!("{prefix}version")).transpose()? {
        check_version(&found).map_err(fail)?;
    }
    let (heap, root, length) = pickle::load(&data).map_err(fail)?;
    if length != data.len() {
        let rest = data.len() - length;
        return Err(fail(format!(
            "{rest} bytes follow the end of the pickle; the file is damaged"
        )));
    }
    Ok((heap, root, Storages { place: Place::Zip { archive, prefix }, big_endian, budget }))
}

/// The latest version of the zip format.
const ZIP_VERSION: u32 = 10;

fn check_version(found: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(found);
    match text.trim().parse::<u32>() {
        Ok(1..=ZIP_VERSION) => Ok(()),
        _ => Err(format!(
            "found the version \"{}\" of the format, expected a number up to {ZIP_VERSION}; save the file with another version of PyTorch",
            text.trim().escape_debug()
        )),
    }
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
    next()?; // the magic number, which is known
    let (version_heap, version) = next()?;
    if !matches!(version_heap.get(version), Object::Int(LEGACY_VERSION)) {
        return Err(format!(
            "the version of the format is not {LEGACY_VERSION}, the only one that PyTorch reads; the file is damaged"
        ));
    }
    let (machine_heap, machine) = next()?;
    check_machine(&machine_heap, machine)?;
    let (heap, root) = next()?;
    let (key_heap, keys) = next()?;
    let Object::List(keys) = key_heap.get(keys) else {
        return Err("the list of storages is missing; the file is damaged".to_owned());
    };
    let storages = heap.storages()?;
    let mut parts = HashMap::new();
    for &key in keys {
        let storage = key_heap.text(key).and_then(|key| storages.get(key).copied());
        let Some(Storage { kind, key, length }) = storage else {
            return Err(
                "the list of storages has an entry that no tensor refers to; the file is damaged"
                    .to_owned(),
            );
        };
        let size = element_size(kind).ok_or_else(|| {
            format!("the numbers of storage {key} are of type {kind}, which is not known")
        })?;
        let part = rest.split_first_chunk::<8>().and_then(|(count, rest)| {
            let count = usize::try_from(u64::from_le_bytes(*count)).ok()?;
            Some((count, rest.split_at_checked(count.checked_mul(size)?)?))
        });
        let (count, (part, after)) = part.ok_or_else(|| {
            format!("the numbers of storage {key} ({kind}) are missing; the file is truncated")
        })?;
        if count != *length {
            return Err(format!(
                "the storage {key} has {count} numbers, but {length} are announced; the file is damaged"
            ));
        }
        parts.insert(key.clone(), part);
        rest = after;
    }
    if !rest.is_empty() {
        let rest = rest.len();
        return Err(format!("{rest} bytes follow the last storage; the file is damaged"));
    }
    Ok((heap, root, parts))
}

/// The version of the older format.
const LEGACY_VERSION: i64 = 1001;

/// Checks that the machine that wrote an older file has not written numbers in another order.
fn check_machine(heap: &Heap, machine: Ref) -> Result<(), String> {
    let Object::Dict(pairs) = heap.get(machine) else {
        return Err("the description of the machine is missing; the file is damaged".to_owned());
    };
    let order = pairs.iter().find(|(key, _)| heap.text(*key) == Some("little_endian"));
    match order.map(|(_, value)| heap.get(*value)) {
        None | Some(Object::Bool(true)) => Ok(()),
        Some(_) => Err(
            "the file was written on a machine with another byte order; save it again with PyTorch 2"
                .to_owned(),
        ),
    }
}

/// The bytes of one number, also of the types that networks do not have.
fn element_size(kind: &str) -> Option<usize> {
    match kind {
        "torch.UntypedStorage" | "torch.storage.UntypedStorage" | "torch.BoolStorage" => Some(1),
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
