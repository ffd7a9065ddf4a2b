//! The objects that a pickle describes.

use std::collections::HashMap;

/// The position of an object in [`Heap`].
pub(super) type Ref = usize;

/// All objects of a pickle. They refer to each other by position, so nesting needs no recursion.
#[derive(Debug, Default)]
pub(super) struct Heap(pub Vec<Object>);

/// A Python object.
#[derive(Debug, Clone)]
pub(super) enum Object {
    None,
    Bool(bool),
    Int(i64),
    Float,
    Text(String),
    Bytes,
    Tuple(Vec<Ref>),
    List(Vec<Ref>),
    Dict(Vec<(Ref, Ref)>),
    /// A name that would be imported, as `module.name`.
    Global(String),
    /// The numbers that tensors share.
    Storage(Box<Storage>),
    /// A tensor in a storage. On the heap, as most objects are small.
    Tensor(Box<Tensor>),
    /// An object of a class that is not understood.
    Foreign(String),
    /// The start of a list of arguments.
    Mark,
}

/// What a file says of the numbers that tensors share.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Storage {
    /// Their type, as the class that holds them: `torch.FloatStorage`.
    pub kind: String,
    /// Under which the file has them.
    pub key: String,
    /// How many there are (of an untyped storage, bytes).
    pub length: usize,
}

/// What a file says of a tensor.
#[derive(Debug, Clone)]
pub(super) struct Tensor {
    /// The storage with its numbers.
    pub storage: Ref,
    /// The number of its first entry there.
    pub offset: usize,
    pub shape: Vec<usize>,
    /// By how many numbers of the storage neighbours along each axis are apart.
    pub strides: Vec<usize>,
    /// The type of its numbers, where it is not the storage's.
    pub dtype: Option<String>,
    /// Whether each entry is the stored number with the other sign.
    pub negative: bool,
}

impl Heap {
    /// The object at a place; `None` beyond the last one.
    pub fn get(&self, index: Ref) -> &Object {
        self.0.get(index).unwrap_or(&Object::None)
    }

    /// What is said of each storage, by its key.
    ///
    /// # Errors
    /// A storage of which two different things are said.
    pub fn storages(&self) -> Result<HashMap<&str, &Storage>, String> {
        let mut storages = HashMap::new();
        for object in &self.0 {
            let Object::Storage(storage) = object else { continue };
            let storage: &Storage = storage;
            let known = *storages.entry(storage.key.as_str()).or_insert(storage);
            if known != storage {
                return Err(format!(
                    "the storage {} is said to have {} numbers of type {}, and {} of type {}; the file is damaged",
                    storage.key, known.length, known.kind, storage.length, storage.kind
                ));
            }
        }
        Ok(storages)
    }

    pub fn text(&self, index: Ref) -> Option<&str> {
        match self.get(index) {
            Object::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn global(&self, index: Ref) -> Option<&str> {
        match self.get(index) {
            Object::Global(name) => Some(name),
            _ => None,
        }
    }

    pub fn size(&self, index: Ref) -> Option<usize> {
        match self.get(index) {
            Object::Int(n) => usize::try_from(*n).ok(),
            _ => None,
        }
    }

    /// The number of items of a tuple or a list.
    pub fn length(&self, index: Ref) -> usize {
        match self.get(index) {
            Object::Tuple(items) | Object::List(items) => items.len(),
            _ => 0,
        }
    }

    pub fn sizes(&self, index: Ref) -> Option<Vec<usize>> {
        match self.get(index) {
            Object::Tuple(items) | Object::List(items) => {
                items.iter().map(|&i| self.size(i)).collect()
            }
            _ => None,
        }
    }
}
