//! The layers of the native form, and how they are connected.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::document::{Document, Object};
use crate::io::error::{ReadError, did_you_mean};
use crate::network::layers::{self, ParseError};
use crate::network::tensor::{TensorError, Tensors};
use crate::network::{Activation, Node, Origin};

/// Tensors for one layer after the other.
pub(in crate::io) trait LayerTensors: Tensors {
    /// The next layer begins; its name if the file gives one.
    fn begin(&mut self, name: Option<&str>);

    /// The layer is complete.
    ///
    /// # Errors
    /// Tensors that belong to the layer but were not used.
    fn end(&mut self) -> Result<(), TensorError>;

    /// The tensors that the layer took.
    fn origins(&mut self) -> Vec<Origin>;

    /// This, as what the layers take.
    fn as_tensors(&mut self) -> &mut dyn Tensors;
}

/// A reference to an earlier layer.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a layer's name or number, or \"input\"")]
enum Reference {
    Index(usize),
    Name(String),
}

/// Reads the list of layers.
///
/// # Errors
/// The first layer that does not fit the format.
pub(in crate::io) fn read_layers(
    document: Document<'_>,
    raw: &RawValue,
    tensors: &mut dyn LayerTensors,
) -> Result<Vec<Node>, ReadError> {
    let list: Vec<&RawValue> = document.value(raw, Some("layers"))?;
    if list.is_empty() {
        return Err(document.fail(
            raw.get(),
            Some("layers"),
            "is empty, expected at least one layer",
        ));
    }
    let mut nodes: Vec<Node> = Vec::with_capacity(list.len());
    for raw in list {
        let node = read_layer(document, raw, &nodes, tensors)?;
        nodes.push(node);
    }
    Ok(nodes)
}

fn read_layer(
    document: Document<'_>,
    raw: &RawValue,
    earlier: &[Node],
    tensors: &mut dyn LayerTensors,
) -> Result<Node, ReadError> {
    let index = earlier.len();
    let place = format!("layer {index}");
    let object = document.object(raw, Some(&place))?;
    let name = read_name(document, &object, earlier, &place)?;
    let kind_raw = object.get("type").ok_or_else(|| {
        let reason = "the key \"type\" is missing; add it, for example \"type\": \"dense\"";
        document.fail(raw.get(), Some(&place), reason)
    })?;
    let kind: String = document.value(kind_raw, Some(&format!("{place}, type")))?;
    let place = match &name {
        Some(name) => format!("layer {index} ({name}, {kind})"),
        None => format!("layer {index} ({kind})"),
    };
    let inputs = read_inputs(document, &object, earlier, &place)?;
    let stripped = object.without(&["name", "inputs"]);
    let stripped = stripped.map_err(|error| document.error(raw.get(), Some(&place), &error))?;
    tensors.begin(name.as_deref());
    let stripped = match kind.as_str() {
        "prelu" if object.get("slopes").is_none() => learnt_slopes(tensors)
            .map_err(|e| ReadError::at(document.file, format!("{place}, {}", e.what), e.reason))?,
        _ => stripped,
    };
    let parsed = layers::parse(&kind, &stripped, tensors.as_tensors())
        .ok_or_else(|| document.fail(kind_raw.get(), Some(&place), unknown_type(&kind)))?;
    let layer = parsed.map_err(|error| parse_error(document, raw, &place, error))?;
    tensors
        .end()
        .map_err(|e| ReadError::at(document.file, format!("{place}, {}", e.what), e.reason))?;
    if is_activation(&kind) {
        // Activations without parameters do not refuse keys themselves.
        let json = layer.to_json();
        let mut known = vec!["name", "inputs"];
        known.extend(json.as_object().into_iter().flat_map(|o| o.keys().map(String::as_str)));
        object.only(document, Some(&place), &known)?;
    }
    let name = name.unwrap_or_else(|| format!("layer {index}"));
    Ok(Node { name, layer, inputs, origins: tensors.origins() })
}

/// A `prelu` whose slopes are a tensor of their own.
fn learnt_slopes(tensors: &mut dyn LayerTensors) -> Result<Box<RawValue>, TensorError> {
    let slopes: Vec<f64> = tensors.resolve("slopes", None)?.into_iter().collect();
    let json = serde_json::json!({ "type": "prelu", "slopes": slopes });
    let raw = serde_json::value::to_raw_value(&json);
    raw.map_err(|error| TensorError::new("slopes", error.to_string()))
}

fn is_activation(kind: &str) -> bool {
    layers::activation::is_name(kind)
}

fn read_name(
    document: Document<'_>,
    object: &Object<'_>,
    earlier: &[Node],
    place: &str,
) -> Result<Option<String>, ReadError> {
    let Some(raw) = object.get("name") else { return Ok(None) };
    let what = format!("{place}, name");
    let name: String = document.value(raw, Some(&what))?;
    let refuse = |reason: String| Err(document.fail(raw.get(), Some(&what), reason));
    if name.is_empty() || name == "input" {
        return refuse(format!("\"{name}\" cannot name a layer; choose another name"));
    }
    if let Some(index) = earlier.iter().position(|node| node.name == name) {
        return refuse(format!(
            "\"{name}\" is already the name of layer {index}; choose another name"
        ));
    }
    Ok(Some(name))
}

fn read_inputs(
    document: Document<'_>,
    object: &Object<'_>,
    earlier: &[Node],
    place: &str,
) -> Result<Vec<usize>, ReadError> {
    let Some(raw) = object.get("inputs") else { return Ok(vec![earlier.len()]) };
    let what = format!("{place}, inputs");
    let references: Vec<Reference> = document.value(raw, Some(&what))?;
    if references.is_empty() {
        return Err(document.fail(raw.get(), Some(&what), "is empty, expected at least one layer"));
    }
    let find = |reference: Reference| match reference {
        Reference::Index(index) if index < earlier.len() => Ok(index + 1),
        Reference::Index(index) => {
            let count = earlier.len();
            Err(format!(
                "found {index}, expected the number of an earlier layer (there are {count}, from 0), an earlier layer's name, or \"input\""
            ))
        }
        Reference::Name(name) if name == "input" => Ok(0),
        Reference::Name(name) => {
            let found = earlier.iter().position(|node| node.name == name);
            found.map(|index| index + 1).ok_or_else(|| {
                let hint = did_you_mean(&name, earlier.iter().map(|node| node.name.as_str()));
                format!("found \"{name}\", which is not the name of an earlier layer{hint}")
            })
        }
    };
    let inputs: Result<Vec<usize>, String> = references.into_iter().map(find).collect();
    inputs.map_err(|reason| document.fail(raw.get(), Some(&what), reason))
}

fn unknown_type(kind: &str) -> String {
    let mut names = layers::names();
    names.dedup();
    let hint = match Activation::parse(kind) {
        Some(activation) => format!(" (did you mean \"{}\"?)", activation.name()),
        None => did_you_mean(kind, names.iter().copied()),
    };
    format!("unknown layer type \"{kind}\"{hint}; expected one of: {}", names.join(", "))
}

fn parse_error(
    document: Document<'_>,
    raw: &RawValue,
    place: &str,
    error: ParseError,
) -> ReadError {
    match error {
        ParseError::Json(error) => document.error(raw.get(), Some(place), &error),
        ParseError::Tensor(error) => {
            let place = format!("{place}, {}", error.what);
            ReadError::at(document.file, place, error.reason)
        }
        ParseError::Value(reason) => document.fail(raw.get(), Some(place), reason),
    }
}
