//! PyTorch `.pt` and `.pth` files with a state dict, in the zip format and the older one.

mod calls;
mod heap;
mod pickle;
mod storage;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use ndarray::ArrayD;

use super::error::{ReadError, some_of};
use super::source::Input;
use super::state_dict::{StateDict, TensorOrder};
use super::{Format, ReadOptions, npz};
use crate::network::Network;
use heap::{Heap, Object, Ref};
use storage::Storages;

/// The format of `torch.save`.
pub const FORMAT: Format = Format {
    name: "PyTorch",
    extensions: &["pt", "pth"],
    sniff: |head, _| {
        let zip = npz::first_entry(head);
        let in_zip = zip.is_some_and(|name| name.ends_with(b"data.pkl") || name.contains(&b'/'));
        in_zip || head.starts_with(storage::LEGACY)
    },
    read,
    stream: None,
    write: None,
};

/// The keys under which checkpoints keep the state dict.
const KEYS: [&str; 7] =
    ["state_dict", "model_state_dict", "model_state", "model", "net", "params", "weights"];

/// How to write a file that is read.
const REMEDY: &str =
    "save the tensors with torch.save(model.state_dict(), FILE), or export the model to ONNX";

fn read(input: &Input, options: &ReadOptions) -> Result<Network, ReadError> {
    let (heap, root, mut storages) = Storages::open(input)?;
    let (dict, note) = find(&heap, root).map_err(|reason| ReadError::new(&input.file, reason))?;
    let mut tensors = Vec::new();
    let mut keys = HashSet::new();
    for (name, value) in dict {
        let place = format!("tensor {name}");
        let tensor = read_tensor(&heap, value, &mut storages)
            .map_err(|reason| ReadError::at(&input.file, &place, reason))?;
        let name = name.into_owned();
        if !keys.insert(name.clone()) {
            let reason = "appears twice; save the file again";
            return Err(ReadError::at(&input.file, place, reason));
        }
        tensors.push((name, tensor));
    }
    storages.check_surplus(&heap).map_err(|reason| ReadError::new(&input.file, reason))?;
    let mut dict =
        StateDict::new(input.file.clone(), input.name.clone(), tensors, TensorOrder::File)?;
    dict.notes.extend(note);
    dict.into_network(options)
}

fn read_tensor(
    heap: &Heap,
    value: Ref,
    storages: &mut Storages<'_>,
) -> Result<ArrayD<f64>, String> {
    match heap.get(value) {
        Object::Tensor(tensor) => {
            let Object::Storage(storage) = heap.get(tensor.storage) else {
                return Err("has no storage; the file is damaged".to_owned());
            };
            storages.tensor(storage, tensor)
        }
        other => Err(format!("found {}, expected a tensor; {REMEDY}", describe(other))),
    }
}

type Named<'a> = Vec<(Cow<'a, str>, Ref)>;

/// The named tensors: those of the object itself, or of the one state dict in a checkpoint.
fn find(heap: &Heap, root: Ref) -> Result<(Named<'_>, Option<String>), String> {
    match heap.get(root) {
        Object::List(items) | Object::Tuple(items) => Ok((by_position(items), None)),
        Object::Dict(pairs) => {
            let outer = members(heap, pairs);
            match nested(heap, &outer)? {
                Some(found) => Ok(found),
                None if has_tensors(heap, pairs) => Ok((outer, None)),
                None => Err(nothing_found(heap, &outer)),
            }
        }
        other => Err(format!("the file holds {}, not a state dict; {REMEDY}", describe(other))),
    }
}

/// The named tensors under the key of a checkpoint that is known, or is the only one with tensors where none
/// are beside it; `None` where there is no such key.
fn nested<'a>(
    heap: &'a Heap,
    outer: &Named<'a>,
) -> Result<Option<(Named<'a>, Option<String>)>, String> {
    let mut inner: Vec<(&str, Ref)> = Vec::new();
    // The same dict can stand under many keys.
    let mut seen: HashMap<Ref, bool> = HashMap::new();
    for (key, value) in outer {
        // Lists of tensors are often of something else: losses, moments.
        let is_dict = matches!(heap.get(*value), Object::Dict(_));
        if !is_dict && !KEYS.contains(&key.as_ref()) {
            continue;
        }
        if *seen.entry(*value).or_insert_with(|| holds_tensors(heap, *value)) {
            inner.push((key, *value));
        }
    }
    let mut known: Vec<(&str, Ref)> = Vec::new();
    for key in KEYS {
        known.extend(inner.iter().filter(|(k, _)| *k == key).copied());
    }
    let beside = outer.iter().any(|(_, value)| matches!(heap.get(*value), Object::Tensor(_)));
    let alone = match inner.as_slice() {
        [only] if !beside => Some(*only),
        _ => None,
    };
    let chosen = known.first().copied().or(alone);
    let Some((key, value)) = chosen else { return Ok(None) };
    if let Some((other, _)) = known.iter().find(|(_, other)| *other != value) {
        return Err(format!(
            "there are tensors under the keys \"{key}\" and \"{other}\" of the checkpoint; save those of one network with torch.save(checkpoint[\"{key}\"], FILE)"
        ));
    }
    let mut note = format!("the tensors under the key \"{key}\" of the checkpoint");
    let others: Vec<&str> =
        inner.iter().filter(|(_, other)| *other != value).map(|(key, _)| *key).collect();
    if !others.is_empty() {
        note.push_str(&format!(", not those under {}", some_of(&others)));
    }
    let named = match heap.get(value) {
        Object::Dict(pairs) => members(heap, pairs),
        Object::List(items) | Object::Tuple(items) => by_position(items),
        _ => Vec::new(),
    };
    Ok(Some((named, Some(note))))
}

/// The error of a dict without tensors.
fn nothing_found(heap: &Heap, outer: &Named<'_>) -> String {
    let keys: Vec<&str> = outer.iter().map(|(key, _)| key.as_ref()).collect();
    let objects = outer.iter().map(|(_, value)| heap.get(*value));
    let mut foreign = objects.filter(|object| matches!(object, Object::Foreign(_)));
    let object = foreign.next().map(describe);
    let object = object.map_or_else(String::new, |o| format!(" and {o}"));
    format!("no state dict found: the file has the keys [{}]{object}; {REMEDY}", some_of(&keys))
}

/// Tensors without names.
fn by_position<'a>(items: &[Ref]) -> Named<'a> {
    items.iter().enumerate().map(|(i, &value)| (format!("arr_{i}").into(), value)).collect()
}

/// The members of a dict whose keys are text or numbers.
fn members<'a>(heap: &'a Heap, pairs: &[(Ref, Ref)]) -> Named<'a> {
    let name = |key: Ref| match heap.get(key) {
        // Many members can have the same long key, so it is not copied.
        Object::Text(text) => Cow::Borrowed(text.as_str()),
        Object::Int(n) => n.to_string().into(),
        Object::Foreign(_) | Object::Global(_) => "a Python object".into(),
        other => describe(other).into(),
    };
    pairs.iter().map(|&(key, value)| (name(key), value)).collect()
}

fn has_tensors(heap: &Heap, pairs: &[(Ref, Ref)]) -> bool {
    pairs.iter().any(|&(_, value)| matches!(heap.get(value), Object::Tensor(_)))
}

/// Whether an object is a dict with tensors, or a list of nothing else.
fn holds_tensors(heap: &Heap, value: Ref) -> bool {
    match heap.get(value) {
        Object::Dict(pairs) => has_tensors(heap, pairs),
        Object::List(items) | Object::Tuple(items) => {
            let is_tensor = |&item: &Ref| matches!(heap.get(item), Object::Tensor(_));
            !items.is_empty() && items.iter().all(is_tensor)
        }
        _ => false,
    }
}

fn describe(object: &Object) -> String {
    match object {
        Object::Foreign(name) => format!("the Python object {name}"),
        Object::Global(name) => format!("the Python name {name}"),
        Object::Text(_) => "text".to_owned(),
        Object::Int(_) | Object::Float | Object::Bool(_) => "a number".to_owned(),
        Object::Tensor(_) => "a tensor without a name".to_owned(),
        Object::Dict(_) => "a dict".to_owned(),
        Object::List(_) | Object::Tuple(_) => "a list".to_owned(),
        Object::None => "None".to_owned(),
        Object::Bytes | Object::Storage(_) | Object::Mark => "data".to_owned(),
    }
}
