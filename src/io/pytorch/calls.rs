//! What the calls in a pickle would give. Nothing is called: the few functions that rebuild tensors are
//! understood, with each of their arguments; what is not understood of them is an error, because it could
//! change the numbers. All other calls give an [`Object::Foreign`], which is no tensor.

use super::heap::{Heap, Object, Ref, Storage, Tensor};

/// The result of a call.
pub(super) enum Called {
    /// One of its arguments.
    Argument(Ref),
    /// Something new.
    New(Object),
}

/// The result of calling the function of that name.
///
/// # Errors
/// An argument of a function that rebuilds tensors that is not understood.
pub(super) fn call(heap: &Heap, name: &str, arguments: &[Ref]) -> Result<Called, String> {
    let new = |object| Ok(Called::New(object));
    match name {
        "collections.OrderedDict" | "builtins.dict" if arguments.is_empty() => {
            new(Object::Dict(Vec::new()))
        }
        "torch.Size" if arguments.len() == 1 => Ok(Called::Argument(arguments[0])),
        "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state" => {
            parameter(heap, name, arguments).map(Called::Argument)
        }
        "torch._utils._rebuild_tensor"
        | "torch._utils._rebuild_tensor_v2"
        | "torch._utils._rebuild_tensor_v3" => new(tensor(heap, name, arguments)?),
        _ => new(Object::Foreign(name.to_owned())),
    }
}

/// The arguments of a function are not as many as it is known to take.
fn unknown(name: &str, found: usize, expected: &str) -> String {
    format!(
        "found {found} arguments of {name}, expected {expected}; PyTorch says something of the tensor that is not understood: write the file again with torch.save of clones ({{k: v.clone() for k, v in model.state_dict().items()}})"
    )
}

/// The tensor of a parameter: what is said of its gradient, of hooks and of attributes leaves its numbers as
/// they are.
fn parameter(heap: &Heap, name: &str, arguments: &[Ref]) -> Result<Ref, String> {
    let (tensor, state) = match (name.ends_with("_with_state"), arguments) {
        (false, &[tensor, _, _]) => (tensor, None),
        (true, &[tensor, _, _, state]) => (tensor, Some(state)),
        (false, _) => return Err(unknown(name, arguments.len(), "3")),
        (true, _) => return Err(unknown(name, arguments.len(), "4")),
    };
    if !matches!(heap.get(tensor), Object::Tensor(_) | Object::Foreign(_)) {
        return Err(format!("the argument of {name} is not a tensor; the file is damaged"));
    }
    // One attribute is the tensor's numbers (`data`), and only a tensor can be assigned to it.
    let dicts: Vec<Ref> = match state.map(|state| (state, heap.get(state))) {
        None | Some((_, Object::None)) => Vec::new(),
        Some((state, Object::Dict(_))) => vec![state],
        Some((_, Object::Tuple(items))) => items.clone(),
        Some(_) => return Err(format!("the state in {name} is not understood")),
    };
    for dict in dicts {
        let plain = match heap.get(dict) {
            Object::None => true,
            Object::Dict(pairs) => {
                let is_plain = |&(_, value): &(Ref, Ref)| {
                    !matches!(heap.get(value), Object::Tensor(_) | Object::Foreign(_))
                };
                pairs.iter().all(is_plain)
            }
            _ => false,
        };
        if !plain {
            return Err(format!(
                "the state in {name} has attributes that are not understood; write the file again without them"
            ));
        }
    }
    Ok(tensor)
}

/// A tensor in a storage, with the type that the arguments give and with lazy changes of sign.
fn tensor(heap: &Heap, name: &str, arguments: &[Ref]) -> Result<Object, String> {
    let damaged =
        || format!("the arguments of {name} are not those of a tensor; the file is damaged");
    let [storage, offset, shape, strides, rest @ ..] = arguments else { return Err(damaged()) };
    let (dtype, metadata) = match (name.chars().last(), rest) {
        (Some('r'), []) => (None, None),
        // Gradients and hooks do not change the numbers.
        (Some('2'), [_, _]) => (None, None),
        (Some('2'), &[_, _, metadata]) => (None, Some(metadata)),
        (Some('3'), &[_, _, dtype]) => (Some(dtype), None),
        (Some('3'), &[_, _, dtype, metadata]) => (Some(dtype), Some(metadata)),
        (Some('r'), _) => return Err(unknown(name, arguments.len(), "4")),
        (Some('2'), _) => return Err(unknown(name, arguments.len(), "6 or 7")),
        _ => return Err(unknown(name, arguments.len(), "7 or 8")),
    };
    if !matches!(heap.get(*storage), Object::Storage(_)) {
        return Err(damaged());
    }
    let dtype = match dtype {
        None => None,
        Some(dtype) => Some(heap.global(dtype).ok_or_else(damaged)?.to_owned()),
    };
    let shape = heap.sizes(*shape).ok_or_else(damaged)?;
    let strides = heap.sizes(*strides).ok_or_else(damaged)?;
    let offset = heap.size(*offset).ok_or_else(damaged)?;
    if shape.len() != strides.len() {
        return Err(damaged());
    }
    let negative = metadata.map_or(Ok(false), |metadata| is_negative(heap, name, metadata))?;
    let storage = *storage;
    Ok(Object::Tensor(Box::new(Tensor { storage, offset, shape, strides, dtype, negative })))
}

/// Whether the last argument of a tensor says that its numbers are to be negated. PyTorch does not carry out
/// the change of sign of views such as `x.conj().imag`, and saves a mark (its `neg`).
fn is_negative(heap: &Heap, name: &str, metadata: Ref) -> Result<bool, String> {
    let pairs = match heap.get(metadata) {
        Object::None => return Ok(false),
        Object::Dict(pairs) => pairs,
        _ => return Err(format!("the last argument of {name} is not understood")),
    };
    let mut negative = false;
    for &(key, value) in pairs {
        match (heap.text(key), heap.get(value)) {
            (Some("neg"), Object::Bool(value)) => negative = *value,
            (Some("conj"), Object::Bool(false)) => {}
            (key, _) => {
                return Err(format!(
                    "the tensor is marked \"{}\", which is not understood; save tensors without it (tensor.resolve_conj(), tensor.resolve_neg(), tensor.clone())",
                    key.unwrap_or("...")
                ));
            }
        }
    }
    Ok(negative)
}

/// The storage of a persistent id: `("storage", type, key, device, length)`, of older files with a sixth entry
/// that says which part of another storage it is.
///
/// # Errors
/// Another id, and a storage that is a part of another one.
pub(super) fn storage(heap: &Heap, id: Ref) -> Result<Object, String> {
    let damaged = "a storage is not described as PyTorch does it; the file is damaged";
    let Object::Tuple(items) = heap.get(id) else { return Err(damaged.to_owned()) };
    let view = match items.as_slice() {
        // Whole models in the older format: the class with its source code.
        [what, class, _, _] if heap.text(*what) == Some("module") => {
            let name = heap.global(*class).unwrap_or("of a whole model");
            return Ok(Object::Foreign(name.to_owned()));
        }
        [_, _, _, _, _] => None,
        [_, _, _, _, _, view] => Some(*view),
        _ => return Err(damaged.to_owned()),
    };
    let (kind, key) = (heap.global(items[1]), heap.text(items[2]));
    let found = kind.zip(key).zip(heap.size(items[4]));
    let device = heap.text(items[3]);
    let (Some(((kind, key), length)), Some("storage"), Some(device)) =
        (found, heap.text(items[0]), device)
    else {
        return Err(damaged.to_owned());
    };
    if view.is_some_and(|view| !matches!(heap.get(view), Object::None)) {
        return Err(format!(
            "the storage {key} is a part of another one, as versions of PyTorch before 0.4 wrote it; load the file and save it again with a later one"
        ));
    }
    if device == "meta" {
        return Err(format!("the storage {key} has no numbers (its device is \"meta\")"));
    }
    let (kind, key) = (kind.to_owned(), key.to_owned());
    Ok(Object::Storage(Box::new(Storage { kind, key, length })))
}
