//! The objects that a pickle describes.

/// The position of an object in [`Heap`].
pub(super) type Ref = usize;

/// All objects of a pickle. They refer to each other by position, so nesting needs no recursion.
#[derive(Debug, Default)]
pub(super) struct Heap(pub Vec<Object>);

/// A Python object.
#[derive(Debug, Clone)]
pub(super) enum Object {
    None,
    Bool,
    Int(i64),
    Float,
    Text(String),
    Bytes,
    Tuple(Vec<Ref>),
    List(Vec<Ref>),
    Dict(Vec<(Ref, Ref)>),
    /// A name that would be imported, as `module.name`.
    Global(String),
    /// The numbers that tensors share: its type, key and length.
    Storage {
        kind: String,
        key: String,
        length: usize,
    },
    /// A tensor in a storage.
    Tensor {
        storage: Ref,
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
        dtype: Option<String>,
    },
    /// An object of a class that is not understood.
    Foreign(String),
    /// The start of a list of arguments.
    Mark,
}

impl Heap {
    /// The object at a place; `None` beyond the last one.
    pub fn get(&self, index: Ref) -> &Object {
        self.0.get(index).unwrap_or(&Object::None)
    }

    /// The type of each storage by its key.
    pub fn storages(&self) -> std::collections::HashMap<&str, &str> {
        let mut kinds = std::collections::HashMap::new();
        for object in &self.0 {
            if let Object::Storage { kind, key, .. } = object {
                kinds.insert(key.as_str(), kind.as_str());
            }
        }
        kinds
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
