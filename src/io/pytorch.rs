//! PyTorch `.pt` and `.pth` files with a state dict, in the zip format and the older one.

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
        if name.ends_with("num_batches_tracked") {
            continue;
        }
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
        Object::Tensor { storage, offset, shape, strides, dtype } => {
            let Object::Storage { kind, key, length } = heap.get(*storage) else {
                return Err("has no storage; the file is damaged".to_owned());
            };
            let kind = dtype.as_deref().unwrap_or(kind);
            storages.tensor(kind, key, *length, *offset, shape, strides)
        }
        other => Err(format!("found {}, expected a tensor; {REMEDY}", describe(other))),
    }
}

type Named<'a> = Vec<(Cow<'a, str>, Ref)>;

/// The named tensors: those of the object itself, or of the one state dict in a checkpoint.
fn find(heap: &Heap, root: Ref) -> Result<(Named<'_>, Option<String>), String> {
    match heap.get(root) {
        Object::List(items) | Object::Tuple(items) => {
            let named =
                items.iter().enumerate().map(|(i, &value)| (format!("arr_{i}").into(), value));
            Ok((named.collect(), None))
        }
        Object::Dict(pairs) => {
            if has_tensors(heap, pairs) {
                return Ok((members(heap, pairs), None));
            }
            nested(heap, &members(heap, pairs))
        }
        other => Err(format!("the file holds {}, not a state dict; {REMEDY}", describe(other))),
    }
}

fn nested<'a>(heap: &'a Heap, outer: &Named<'a>) -> Result<(Named<'a>, Option<String>), String> {
    let mut dicts: Vec<(&str, &[(Ref, Ref)])> = Vec::new();
    // The same dict can stand under many keys.
    let mut seen: HashMap<Ref, bool> = HashMap::new();
    for (key, value) in outer {
        if let Object::Dict(pairs) = heap.get(*value)
            && *seen.entry(*value).or_insert_with(|| has_tensors(heap, pairs))
        {
            dicts.push((key, pairs));
        }
    }
    let known = KEYS.iter().find_map(|key| dicts.iter().position(|(k, _)| k == key));
    let chosen = known.or((dicts.len() == 1).then_some(0));
    match chosen.and_then(|index| dicts.get(index)) {
        Some((key, pairs)) => {
            let note = format!("the tensors under the key \"{key}\" of the checkpoint");
            Ok((members(heap, pairs), Some(note)))
        }
        None => {
            let keys: Vec<&str> = outer.iter().map(|(key, _)| key.as_ref()).collect();
            let objects = outer.iter().map(|(_, value)| heap.get(*value));
            let mut foreign = objects.filter(|object| matches!(object, Object::Foreign(_)));
            let object = foreign.next().map(describe);
            let object = object.map_or_else(String::new, |o| format!(" and {o}"));
            Err(format!(
                "no state dict found: the file has the keys [{}]{object}; {REMEDY}",
                some_of(&keys)
            ))
        }
    }
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
    pairs.iter().any(|&(_, value)| matches!(heap.get(value), Object::Tensor { .. }))
}

fn describe(object: &Object) -> String {
    match object {
        Object::Foreign(name) => format!("the Python object {name}"),
        Object::Global(name) => format!("the Python name {name}"),
        Object::Text(_) => "text".to_owned(),
        Object::Int(_) | Object::Float | Object::Bool => "a number".to_owned(),
        Object::Tensor { .. } => "a tensor without a name".to_owned(),
        Object::Dict(_) => "a dict".to_owned(),
        Object::List(_) | Object::Tuple(_) => "a list".to_owned(),
        Object::None => "None".to_owned(),
        Object::Bytes | Object::Storage { .. } | Object::Mark => "data".to_owned(),
    }
}
