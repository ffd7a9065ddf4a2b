//! Tensors as model files give them: written out, or by reference to another file.

use ndarray::ArrayD;
use schemars::JsonSchema;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A tensor in a JSON model.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum TensorSource {
    /// Numbers, or nested lists of equal lengths, for example `[[1, 2], [3, 4]]`.
    Values(
        #[serde(with = "nested")]
        #[schemars(with = "serde_json::Value")]
        ArrayD<f64>,
    ),
    /// A file next to the model.
    File(TensorFile),
}

/// A tensor in a file of its own, named relative to the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TensorFile {
    /// The NPY file.
    pub npy: String,
}

/// Where the tensors of a model come from.
pub trait Tensors {
    /// The tensor that `source` describes; `what` names it in messages. Entries are finite.
    ///
    /// # Errors
    /// A file that cannot be read, an entry that is not finite, a tensor that is missing.
    fn resolve(
        &mut self,
        what: &str,
        source: Option<TensorSource>,
    ) -> Result<ArrayD<f64>, TensorError>;

    /// As [`Tensors::resolve`] for a tensor that may be absent.
    ///
    /// # Errors
    /// As [`Tensors::resolve`].
    fn resolve_optional(
        &mut self,
        what: &str,
        source: Option<TensorSource>,
    ) -> Result<Option<ArrayD<f64>>, TensorError>;
}

/// A tensor that cannot be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{what}: {reason}")]
pub struct TensorError {
    /// The tensor's name, for example `weight`.
    pub what: String,
    /// What was found, what was expected and what to do.
    pub reason: String,
}

impl TensorError {
    /// The error of the tensor `what`.
    pub fn new(what: impl Into<String>, reason: impl Into<String>) -> TensorError {
        TensorError { what: what.into(), reason: reason.into() }
    }
}

/// Checks that all entries are finite.
///
/// # Errors
/// The index and the value of the first entry that is not.
pub fn check_finite(what: &str, tensor: &ArrayD<f64>) -> Result<(), TensorError> {
    // Without the places, which are only needed where there is something to say.
    if tensor.iter().all(|x| x.is_finite()) {
        return Ok(());
    }
    match tensor.indexed_iter().find(|(_, x)| !x.is_finite()) {
        None => Ok(()),
        Some((index, x)) => {
            let index: Vec<String> = (0..tensor.ndim()).map(|d| index[d].to_string()).collect();
            let reason = format!(
                "entry [{}] is {x}; weights must be finite (the training has diverged, or the file is damaged)",
                index.join(", ")
            );
            Err(TensorError::new(what, reason))
        }
    }
}

/// A shape as messages show it, for example `3x32x32`; `scalar` for none.
pub fn show_shape(shape: &[usize]) -> String {
    if shape.is_empty() {
        return "scalar".to_owned();
    }
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

impl<'de> Deserialize<'de> for TensorSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Source;
        impl<'de> Visitor<'de> for Source {
            type Value = TensorSource;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number, nested lists of numbers, or {\"npy\": \"FILE\"}")
            }
            fn visit_f64<E: serde::de::Error>(self, x: f64) -> Result<TensorSource, E> {
                Ok(TensorSource::Values(ndarray::arr0(x).into_dyn()))
            }
            // The nearest number, as for decimals.
            fn visit_i64<E: serde::de::Error>(self, x: i64) -> Result<TensorSource, E> {
                self.visit_f64(x as f64)
            }
            fn visit_u64<E: serde::de::Error>(self, x: u64) -> Result<TensorSource, E> {
                self.visit_f64(x as f64)
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                map: A,
            ) -> Result<TensorSource, A::Error> {
                let file =
                    TensorFile::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(TensorSource::File(file))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<TensorSource, A::Error> {
                nested::from_sequence(seq).map(TensorSource::Values)
            }
        }
        deserializer.deserialize_any(Source)
    }
}

/// Nested lists of numbers, read without an intermediate tree.
mod nested {
    use super::{ArrayD, Deserializer, SeqAccess, Visitor};
    use ndarray::Axis;
    use serde::Serializer;
    use serde::de::DeserializeSeed;
    use serde::ser::SerializeSeq;

    /// The lengths of the lists on each level, as far as they are known, and the numbers.
    struct Builder {
        shape: Vec<usize>,
        values: Vec<f64>,
        leaf_depth: Option<usize>,
    }

    struct Element<'a> {
        builder: &'a mut Builder,
        depth: usize,
    }

    impl<'de> DeserializeSeed<'de> for Element<'_> {
        type Value = ();
        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
            deserializer.deserialize_any(self)
        }
    }

    impl<'de> Visitor<'de> for Element<'_> {
        type Value = ();
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a number or a list of numbers")
        }
        fn visit_f64<E: serde::de::Error>(self, x: f64) -> Result<(), E> {
            match *self.builder.leaf_depth.get_or_insert(self.depth) {
                depth if depth == self.depth => {
                    self.builder.values.push(x);
                    Ok(())
                }
                _ => Err(E::custom("ragged: a number where other entries are lists of numbers")),
            }
        }
        fn visit_i64<E: serde::de::Error>(self, x: i64) -> Result<(), E> {
            self.visit_f64(x as f64)
        }
        fn visit_u64<E: serde::de::Error>(self, x: u64) -> Result<(), E> {
            self.visit_f64(x as f64)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
            read_list(self.builder, self.depth, seq)
        }
    }

    fn read_list<'de, A: SeqAccess<'de>>(
        builder: &mut Builder,
        depth: usize,
        mut seq: A,
    ) -> Result<(), A::Error> {
        use serde::de::Error;
        if builder.leaf_depth.is_some_and(|leaf| depth >= leaf) {
            return Err(A::Error::custom("ragged: a list where other entries are numbers"));
        }
        let mut length = 0;
        while seq.next_element_seed(Element { builder, depth: depth + 1 })?.is_some() {
            length += 1;
        }
        while builder.shape.len() <= depth {
            builder.shape.push(usize::MAX);
        }
        match builder.shape[depth] {
            usize::MAX => builder.shape[depth] = length,
            expected if expected != length => {
                return Err(A::Error::custom(format!(
                    "ragged: a list of {length} where the first has {expected} entries"
                )));
            }
            _ => {}
        }
        Ok(())
    }

    pub fn from_sequence<'de, A: SeqAccess<'de>>(seq: A) -> Result<ArrayD<f64>, A::Error> {
        use serde::de::Error;
        let mut builder = Builder { shape: Vec::new(), values: Vec::new(), leaf_depth: None };
        read_list(&mut builder, 0, seq)?;
        let count: usize = builder.shape.iter().product();
        let found = builder.values.len();
        ArrayD::from_shape_vec(builder.shape, builder.values)
            .map_err(|_| A::Error::custom(format!("ragged: {found} numbers where {count} belong")))
    }

    pub fn serialize<S: Serializer>(array: &ArrayD<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        struct Nested<'a>(ndarray::ArrayViewD<'a, f64>);
        impl serde::Serialize for Nested<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if self.0.ndim() == 0 {
                    return serializer.serialize_f64(self.0.iter().copied().sum());
                }
                let mut list = serializer.serialize_seq(Some(self.0.shape()[0]))?;
                for part in self.0.axis_iter(Axis(0)) {
                    list.serialize_element(&Nested(part))?;
                }
                list.end()
            }
        }
        serde::Serialize::serialize(&Nested(array.view()), serializer)
    }
}

/// A tensor written out as nested lists.
pub fn to_json(tensor: &ArrayD<f64>) -> serde_json::Value {
    serde_json::to_value(TensorSource::Values(tensor.clone())).unwrap_or(serde_json::Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ArrayD<f64>, String> {
        match serde_json::from_str::<TensorSource>(text).map_err(|e| e.to_string())? {
            TensorSource::Values(values) => Ok(values),
            TensorSource::File(file) => Err(file.npy),
        }
    }

    #[test]
    fn nested_lists_become_arrays_and_back() {
        let a = read("[[1, 2.5, -3], [4e0, 5, 6]]").expect("regular");
        assert_eq!(a, ndarray::arr2(&[[1.0, 2.5, -3.0], [4.0, 5.0, 6.0]]).into_dyn());
        assert_eq!(to_json(&a).to_string(), "[[1.0,2.5,-3.0],[4.0,5.0,6.0]]");
        assert_eq!(read("{\"npy\": \"w.npy\"}"), Err("w.npy".to_owned()));
        assert_eq!(read("[]").expect("empty").shape(), [0]);
        // 2^53 + 1 and 2^64 + 1: integers and decimals stand for the nearest number (ties to even).
        let near = read("[9007199254740993, 9007199254740993.0, 18446744073709551617]");
        let expected = [9007199254740992.0, 9007199254740992.0, 18446744073709551616.0];
        assert_eq!(near.expect("numbers"), ndarray::arr1(&expected).into_dyn());
        assert_eq!(read("[[], []]").expect("empty rows").shape(), [2, 0]);
    }

    #[test]
    fn ragged_lists_are_refused() {
        for text in ["[[1, 2], [3]]", "[1, [2]]", "[[1], 2]", "[[[1]], [[2], [3]]]", "[[1], []]"] {
            let message = read(text).expect_err(text);
            assert!(message.contains("ragged"), "{text}: {message}");
        }
        assert!(read("[null]").is_err());
        assert!(read("[1e999]").is_err());
    }

    #[test]
    fn the_first_infinite_entry_is_named() {
        let tensor = ndarray::arr2(&[[1.0, 2.0], [3.0, f64::NAN]]).into_dyn();
        let error = check_finite("weight", &tensor).expect_err("NaN");
        assert!(error.to_string().starts_with("weight: entry [1, 1] is NaN"));
    }
}
