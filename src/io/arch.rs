//! Architecture files: the native JSON form without weights, which come from a state dict.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use ndarray::ArrayD;

use super::error::{ReadError, some_of};
use super::json::document::Document;
use super::json::graph::LayerTensors;
use super::state_dict::{Group, StateDict, TensorOrder, are_in_series};
use super::{Layout, ReadOptions, json, source};
use crate::network::tensor::{TensorError, TensorSource, Tensors, show_shape};
use crate::network::{Network, Origin};

/// The network of the architecture file at `path` with the tensors of `dict`.
///
/// # Errors
/// An architecture file that does not fit the format; tensors that are missing or left over.
pub fn build(dict: StateDict, path: &Path, options: &ReadOptions) -> Result<Network, ReadError> {
    let input = source::load(path)?;
    let document = Document::new(&input)?;
    let object = document.object(document.root()?, None)?;
    let mut tensors = ArchTensors {
        model: dict.file.clone(),
        folder: input.folder.clone().unwrap_or_default(),
        layout: options.layout,
        reserved: layer_names(document.text),
        used: vec![Vec::new(); dict.groups.len()],
        claimed: vec![false; dict.groups.len()],
        groups: dict.groups,
        is_ordered: dict.order == TensorOrder::Given,
        layer: LayerState::default(),
    };
    let mut network = json::read_native(document, &object, &dict.name, &mut tensors)?;
    let left: Vec<&str> =
        tensors.unclaimed().flat_map(|g| g.entries.iter().map(|e| e.name.as_str())).collect();
    if !left.is_empty() {
        let reason = format!(
            "the architecture {} does not use the tensors {}; add their layers, or correct the layers' names",
            path.display(),
            some_of(&left)
        );
        return Err(ReadError::new(dict.file, reason));
    }
    network.name = dict.name;
    network.notes.push(format!("architecture: {}", path.display()));
    Ok(network)
}

/// The names of the layers, as far as the text is a network; errors are found later.
fn layer_names(text: &str) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Names {
        layers: Vec<Name>,
    }
    #[derive(serde::Deserialize)]
    struct Name {
        name: Option<String>,
    }
    let names: Result<Names, _> = serde_json::from_str(text);
    names.map(|n| n.layers.into_iter().filter_map(|layer| layer.name).collect()).unwrap_or_default()
}

/// Tensors of a state dict: a layer that has the name of a group takes that group, the others take
/// the remaining groups in order.
struct ArchTensors {
    model: String,
    folder: PathBuf,
    layout: Layout,
    groups: Vec<Group>,
    /// Whether the user gave the order of the groups.
    is_ordered: bool,
    /// Names in the architecture, whose groups wait for their layer.
    reserved: Vec<String>,
    claimed: Vec<bool>,
    /// The roles that were used, by group.
    used: Vec<Vec<String>>,
    layer: LayerState,
}

/// What is known of the layer that is being read.
#[derive(Debug, Default)]
struct LayerState {
    name: Option<String>,
    group: Option<usize>,
    /// Whether the architecture file itself has a tensor of this layer.
    explicit: bool,
    /// The tensors that it took.
    origins: Vec<Origin>,
}

impl ArchTensors {
    fn unclaimed(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().zip(&self.claimed).filter(|(_, claimed)| !**claimed).map(|(g, _)| g)
    }

    /// The group of the current layer.
    fn group(&mut self, what: &str) -> Result<Option<usize>, TensorError> {
        if self.layer.group.is_none() && !self.layer.explicit {
            let name = self.layer.name.as_ref();
            let named = self.groups.iter().position(|g| Some(&g.label) == name);
            let free =
                |&i: &usize| !self.claimed[i] && !self.reserved.contains(&self.groups[i].label);
            let mut rest = (0..self.groups.len()).filter(free);
            let Some(index) = named.or_else(|| rest.next()) else { return Ok(None) };
            if named.is_none() && !self.is_ordered {
                // The order in a file is that in which a program made the layers, or that of their names.
                let first = &self.groups[index];
                let fits = |&i: &usize| {
                    let other = &self.groups[i];
                    other.has_form_of(first) && !are_in_series(&first.label, &other.label)
                };
                if let Some(other) = rest.find(fits) {
                    let reason = format!(
                        "the tensors of {} fit this layer, and so do those of {}; give the layer the name of the one that it has",
                        first.label, self.groups[other].label
                    );
                    return Err(TensorError::new(what, reason));
                }
            }
            self.claimed[index] = true;
            self.layer.group = Some(index);
        }
        Ok(self.layer.group)
    }

    fn of_group(&mut self, what: &str) -> Result<Option<ArrayD<f64>>, TensorError> {
        let Some(index) = self.group(what)? else { return Ok(None) };
        let group = &self.groups[index];
        let role = if what == "slopes" { "weight" } else { what };
        let kernel = if role == "weight" { group.get("kernel") } else { None };
        let Some(entry) = group.get(role).or(kernel) else { return Ok(None) };
        self.used[index].push(entry.role.to_owned());
        let tensor = entry.tensor.clone();
        let origin = Origin { parameter: what.to_owned(), ..entry.origin(self.layout) };
        self.layer.origins.push(origin);
        let in_out = kernel.is_some() || self.layout == Layout::InOut && role == "weight";
        match tensor.ndim() {
            2 if in_out => Ok(Some(tensor.reversed_axes().as_standard_layout().into_owned())),
            3.. if in_out => Err(TensorError::new(
                what,
                format!(
                    "{} of shape {} is a convolution's kernel stored inputs first, which is not supported; export the model to ONNX",
                    entry.name,
                    show_shape(tensor.shape())
                ),
            )),
            _ => Ok(Some(tensor)),
        }
    }
}

impl LayerTensors for ArchTensors {
    fn begin(&mut self, name: Option<&str>) {
        self.layer = LayerState { name: name.map(str::to_owned), ..LayerState::default() };
    }

    fn end(&mut self) -> Result<(), TensorError> {
        let Some(index) = self.layer.group else { return Ok(()) };
        let used = &self.used[index];
        let unused = self.groups[index].entries.iter().find(|e| !used.iter().any(|u| u == e.role));
        match unused {
            None => Ok(()),
            Some(entry) => {
                let reason = format!(
                    "the tensor {} of {} is not used by a layer of this type; correct the type or the name",
                    entry.name, self.model
                );
                Err(TensorError::new(entry.role, reason))
            }
        }
    }

    fn origins(&mut self) -> Vec<Origin> {
        std::mem::take(&mut self.layer.origins)
    }

    fn as_tensors(&mut self) -> &mut dyn Tensors {
        self
    }
}

impl Tensors for ArchTensors {
    fn resolve(
        &mut self,
        what: &str,
        source: Option<TensorSource>,
    ) -> Result<ArrayD<f64>, TensorError> {
        if let Some(tensor) = self.resolve_optional(what, source)? {
            return Ok(tensor);
        }
        let reason = match self.layer.group.and_then(|index| self.groups.get(index)) {
            Some(group) => {
                let names: Vec<&str> = group.entries.iter().map(|e| e.name.as_str()).collect();
                format!("{} has no {what} for this layer, only {}", self.model, some_of(&names))
            }
            None => {
                let labels: Vec<&str> = self.groups.iter().map(|g| g.label.as_str()).collect();
                format!(
                    "{} has no tensors left for this layer; its layers with tensors are {}",
                    self.model,
                    some_of(&labels)
                )
            }
        };
        Err(TensorError::new(what, reason))
    }

    fn resolve_optional(
        &mut self,
        what: &str,
        source: Option<TensorSource>,
    ) -> Result<Option<ArrayD<f64>>, TensorError> {
        match source {
            Some(source) => {
                self.layer.explicit = true;
                let tensor = json::read_source(Some(&self.folder), what, source)?;
                self.layer.origins.push(json::origin(what, &tensor, false));
                Ok(Some(tensor))
            }
            None => self.of_group(what),
        }
    }
}

/// A first draft of the architecture file for the tensors of `dict`, and what it leaves open.
pub fn draft(dict: &StateDict) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut previous: Option<&Group> = None;
    for group in &dict.groups {
        let kind = layer_type(group);
        if let Some(previous) = previous {
            if !matches!(kind, "batch_norm" | "prelu") && layer_type(previous) != "prelu" {
                lines.push("{\"type\": \"relu\"}".to_owned());
            }
            if kind == "dense" && layer_type(previous) != "dense" {
                lines.push("{\"type\": \"flatten\"}".to_owned());
            }
        }
        let label = serde_json::Value::from(group.label.as_str());
        lines.push(format!("{{\"type\": \"{kind}\", \"name\": {label}}}"));
        previous = Some(group);
    }
    let mut text = format!(
        "{{\"format\": \"{}\",\n \"input_shape\": {},\n \"layers\": [",
        json::VERSION,
        draft_input(dict)
    );
    for (index, line) in lines.iter().enumerate() {
        // Writing to a string does not fail.
        let _ = write!(text, "{}\n  {line}", if index == 0 { "" } else { "," });
    }
    text.push_str("]}");
    text
}

fn layer_type(group: &Group) -> &'static str {
    if group.get("running_mean").is_some() {
        return "batch_norm";
    }
    match group.get("weight").or(group.get("kernel")).map(|entry| entry.tensor.ndim()) {
        Some(1) if group.entries.len() == 1 => "prelu",
        Some(2) => "dense",
        Some(3) => "conv1d",
        Some(4) => "conv2d",
        _ => "unknown",
    }
}

/// The input's shape, with zeros where the tensors do not say it.
fn draft_input(dict: &StateDict) -> String {
    let first = dict.groups.first();
    let weight = first.and_then(|g| g.get("weight").or(g.get("kernel")));
    let shape = weight.map(|entry| entry.tensor.shape()).unwrap_or_default();
    match shape {
        [_, inputs] => format!("[{inputs}]"),
        [_, channels, _] => format!("[{channels}, 0]"),
        [_, channels, _, _] => format!("[{channels}, 0, 0]"),
        _ => "[0]".to_owned(),
    }
}

/// What the draft leaves open, for messages.
pub fn open_questions(dict: &StateDict) -> String {
    let mut text = "check every activation, add pooling layers, strides and padding, and replace the zeros in the input's shape".to_owned();
    let numbers: Vec<Option<usize>> = dict.groups.iter().map(|g| g.label.parse().ok()).collect();
    let gaps: Vec<String> = numbers
        .windows(2)
        .filter_map(|pair| match pair {
            [Some(a), Some(b)] if *b > a + 2 => Some(format!(
                "between {a} and {b} the model has {} layers without tensors",
                b - a - 1
            )),
            _ => None,
        })
        .collect();
    if !gaps.is_empty() {
        text = format!("{text} ({})", gaps.join("; "));
    }
    text
}
