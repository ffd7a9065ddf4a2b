//! The short form of dense networks: weights, biases and an activation.

use std::sync::Arc;

use ndarray::ArrayD;
use serde_json::value::RawValue;

use super::document::{Document, Object};
use crate::io::ReadOptions;
use crate::io::error::{ReadError, did_you_mean, layer_error};
use crate::io::source::Input;
use crate::io::state_dict::{Entry, Group, StateDict, activation_note};
use crate::network::tensor::TensorSource;
use crate::network::{Activation, Network, Node};

/// The keys of the short form.
pub(super) const KEYS: [&str; 6] =
    ["format", "name", "weights", "biases", "activation", "output_activation"];

/// What is assumed where neither the file nor the user names the activation.
const ASSUMED: &str = "ReLU between the layers: the file does not name the activation (its key \"activation\" or --activation does)";

/// Reads the short form.
///
/// # Errors
/// The first thing that does not fit the format.
pub(super) fn read(
    document: Document<'_>,
    object: &Object<'_>,
    input: &Input,
    options: &ReadOptions,
) -> Result<Network, ReadError> {
    object.only(document, None, &KEYS)?;
    super::check_version(document, object)?;
    let name = match object.get("name") {
        Some(raw) => document.value(raw, Some("name"))?,
        None => input.name.clone(),
    };
    let weights = read_list(document, object, "weights", input)?;
    let biases = read_list(document, object, "biases", input)?;
    if weights.is_empty() || object.get("biases").is_some() && biases.len() != weights.len() {
        let reason = format!(
            "found {} weights and {} biases, expected at least one weight and one bias for each (null for none)",
            weights.len(),
            biases.len()
        );
        return Err(ReadError::new(document.file, reason));
    }
    let groups = group(weights, biases)
        .map_err(|place| ReadError::at(document.file, place, "is null, expected a matrix"))?;
    let activation = read_activation(document, object, "activation")?;
    let output = read_activation(document, object, "output_activation")?;
    let dict = StateDict::dense(input.file.clone(), name, groups);
    let in_file = activation.is_some();
    let activation = activation.or_else(|| options.activation.clone()).unwrap_or(Activation::Relu);
    let mut network = dict.into_dense(&activation, options.layout)?;
    if network.nodes.len() > 1 && !in_file {
        match &options.activation {
            Some(activation) => network.notes.push(activation_note(activation)),
            None => network.assumed.push(ASSUMED.to_owned()),
        }
    }
    if let Some(output) = output {
        let index = network.nodes.len();
        let name = format!("layer {index}");
        network.nodes.push(Node::new(name, Arc::new(output), vec![index]));
    }
    network.shapes().map_err(|error| layer_error(document.file, error))?;
    Ok(network)
}

fn read_list(
    document: Document<'_>,
    object: &Object<'_>,
    key: &str,
    input: &Input,
) -> Result<Vec<Option<ArrayD<f64>>>, ReadError> {
    let Some(raw) = object.get(key) else { return Ok(Vec::new()) };
    let list: Vec<&RawValue> = document.value(raw, Some(key))?;
    let read = |(index, raw): (usize, &&RawValue)| {
        let what = format!("{key}[{index}]");
        let source: Option<TensorSource> = serde_json::from_str(raw.get())
            .map_err(|e| document.error(raw.get(), Some(&what), &e))?;
        let tensor = source.map(|s| super::read_source(input.folder.as_deref(), &what, s));
        tensor.transpose().map_err(|error| ReadError::at(document.file, error.what, error.reason))
    };
    list.iter().enumerate().map(read).collect()
}

/// The tensors by layer; the error is the place of a weight that is null.
fn group(
    weights: Vec<Option<ArrayD<f64>>>,
    biases: Vec<Option<ArrayD<f64>>>,
) -> Result<Vec<Group>, String> {
    let mut biases = biases.into_iter();
    let layer = |(index, weight): (usize, Option<ArrayD<f64>>)| {
        let name = format!("weights[{index}]");
        let tensor = weight.ok_or_else(|| name.clone())?;
        let mut entries = vec![Entry { role: "weight", name, tensor }];
        if let Some(tensor) = biases.next().flatten() {
            entries.push(Entry { role: "bias", name: format!("biases[{index}]"), tensor });
        }
        Ok(Group { label: format!("dense {index}"), entries })
    };
    weights.into_iter().enumerate().map(layer).collect()
}

fn read_activation(
    document: Document<'_>,
    object: &Object<'_>,
    key: &str,
) -> Result<Option<Activation>, ReadError> {
    let Some(raw) = object.get(key) else { return Ok(None) };
    let what = Some(key);
    let activation: Activation = match raw.get().trim_start().chars().next() {
        Some('"') => {
            let name: String = document.value(raw, what)?;
            Activation::parse(&name).ok_or_else(|| {
                let mut names: Vec<&str> = Activation::all().iter().map(Activation::name).collect();
                names.dedup();
                let hint = did_you_mean(&name, names.iter().copied());
                let list = names.join(", ");
                let reason =
                    format!("unknown activation \"{name}\"{hint}; expected one of: {list}");
                document.fail(raw.get(), what, reason)
            })?
        }
        Some('n') => return Ok(None),
        _ => {
            document.object(raw, what)?;
            document.value(raw, what)?
        }
    };
    activation.validate().map_err(|reason| document.fail(raw.get(), what, reason))?;
    Ok(Some(activation))
}
