//! The JSON format: `lipbound-network/1`, and the short form of dense networks.

pub(super) mod document;
pub(super) mod graph;
mod schema;
mod short;
mod write;

use ndarray::ArrayD;
use std::path::Path;

use super::error::{ReadError, layer_error};
use super::source::Input;
use super::{Format, Layout, ReadOptions, digits, npy};
use crate::network::tensor::{TensorError, TensorSource, Tensors, check_finite};
use crate::network::{Network, Origin};
use document::{Document, Object};
pub use schema::schema;

/// The format JSON.
pub const FORMAT: Format = Format {
    name: "JSON",
    extensions: &["json"],
    sniff: |head, _| {
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        text.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{')
    },
    read,
    stream: None,
    write: Some(write::write),
};

/// The value of `format` in the files that are read and written.
pub(super) const VERSION: &str = "lipbound-network/1";

/// The keys of the native form.
pub(super) const KEYS: [&str; 4] = ["format", "name", "input_shape", "layers"];

fn read(input: &Input, options: &ReadOptions) -> Result<Network, ReadError> {
    let document = Document::new(input)?;
    let mut network = read_either(document, input, options)?;
    network.notes.extend(digits::note(digits::in_json(document.text)));
    Ok(network)
}

/// Reads the native form or the short one.
fn read_either(
    document: Document<'_>,
    input: &Input,
    options: &ReadOptions,
) -> Result<Network, ReadError> {
    let object = document.object(document.root()?, None)?;
    let has = |key: &str| object.get(key).is_some();
    if has("weights") && !has("layers") {
        return short::read(document, &object, input, options);
    }
    if !has("layers") && !has("format") {
        let found: Vec<&str> = object.keys().collect();
        let reason = format!(
            "found the keys [{}], expected \"layers\" (lipbound's network format) or \"weights\" (its short form); see docs/formats.md",
            super::error::some_of(&found)
        );
        return Err(ReadError::new(&input.file, reason));
    }
    let (folder, layout) = (input.folder.as_deref(), options.layout);
    let mut tensors = JsonTensors { folder, layout, origins: Vec::new() };
    read_native(document, &object, &input.name, &mut tensors)
}

/// Checks the key `format`, where it is there.
///
/// # Errors
/// Another version.
fn check_version(document: Document<'_>, object: &Object<'_>) -> Result<(), ReadError> {
    let Some(raw) = object.get("format") else { return Ok(()) };
    let found: String = document.value(raw, Some("format"))?;
    if found == VERSION {
        return Ok(());
    }
    let reason = format!("found \"{found}\", expected \"{VERSION}\"");
    Err(document.fail(raw.get(), Some("format"), reason))
}

/// Reads the native form, with tensors from `tensors`.
///
/// # Errors
/// The first thing that does not fit the format.
pub(super) fn read_native(
    document: Document<'_>,
    object: &Object<'_>,
    default_name: &str,
    tensors: &mut dyn graph::LayerTensors,
) -> Result<Network, ReadError> {
    object.only(document, None, &KEYS)?;
    check_version(document, object)?;
    let name = match object.get("name") {
        Some(raw) => document.value(raw, Some("name"))?,
        None => default_name.to_owned(),
    };
    let missing = |key: &str, example: &str| {
        let reason = format!("the key \"{key}\" is missing; add it, for example {example}");
        ReadError::new(document.file, reason)
    };
    let raw = object
        .get("input_shape")
        .ok_or_else(|| missing("input_shape", "\"input_shape\": [784]"))?;
    let input_shape: Vec<usize> = document.value(raw, Some("input_shape"))?;
    if super::dtype::count(&input_shape).is_none() {
        let reason = format!("found {input_shape:?}, which is more than a computer can hold");
        return Err(document.fail(raw.get(), Some("input_shape"), reason));
    }
    if input_shape.contains(&0) {
        let reason = format!(
            "found {input_shape:?}, expected lengths of at least 1, without a batch dimension"
        );
        return Err(document.fail(raw.get(), Some("input_shape"), reason));
    }
    let raw = object.get("layers").ok_or_else(|| {
        missing(
            "layers",
            "\"layers\": [{\"type\": \"dense\", \"weight\": [[1, 2]], \"bias\": [0]}]",
        )
    })?;
    let nodes = graph::read_layers(document, raw, tensors)?;
    let network = Network { name, input_shape, nodes, assumed: Vec::new(), notes: Vec::new() };
    network.shapes().map_err(|error| layer_error(document.file, error))?;
    Ok(network)
}

/// The tensors that stand in the JSON text, or that it refers to.
struct JsonTensors<'a> {
    folder: Option<&'a Path>,
    layout: Layout,
    /// Those of the layer that is being read.
    origins: Vec<Origin>,
}

impl graph::LayerTensors for JsonTensors<'_> {
    fn begin(&mut self, _: Option<&str>) {
        self.origins.clear();
    }

    fn end(&mut self) -> Result<(), TensorError> {
        Ok(())
    }

    fn origins(&mut self) -> Vec<Origin> {
        std::mem::take(&mut self.origins)
    }

    fn as_tensors(&mut self) -> &mut dyn Tensors {
        self
    }
}

impl Tensors for JsonTensors<'_> {
    fn resolve(
        &mut self,
        what: &str,
        source: Option<TensorSource>,
    ) -> Result<ArrayD<f64>, TensorError> {
        self.resolve_optional(what, source)?.ok_or_else(|| {
            let reason = "is missing; write its numbers or refer to a file with {\"npy\": \"FILE\"} (a file without weights is an architecture: give it with --arch)";
            TensorError::new(what, reason)
        })
    }

    fn resolve_optional(
        &mut self,
        what: &str,
        source: Option<TensorSource>,
    ) -> Result<Option<ArrayD<f64>>, TensorError> {
        let Some(source) = source else { return Ok(None) };
        let tensor = read_source(self.folder, what, source)?;
        let transposed = what == "weight" && tensor.ndim() == 2 && self.layout == Layout::InOut;
        self.origins.push(origin(what, &tensor, transposed));
        let standard = |t: ArrayD<f64>| t.reversed_axes().as_standard_layout().into_owned();
        Ok(Some(if transposed { standard(tensor) } else { tensor }))
    }
}

/// A tensor without a name of its own.
pub(super) fn origin(parameter: &str, tensor: &ArrayD<f64>, transposed: bool) -> Origin {
    let (parameter, shape) = (parameter.to_owned(), tensor.shape().to_vec());
    Origin { parameter, name: None, shape, transposed }
}

/// The tensor that `source` describes, with finite entries.
pub(super) fn read_source(
    folder: Option<&Path>,
    what: &str,
    source: TensorSource,
) -> Result<ArrayD<f64>, TensorError> {
    let tensor = match source {
        TensorSource::Values(values) => values,
        TensorSource::File(file) => npy::read_reference(folder, &file.npy)
            .map_err(|reason| TensorError::new(what, reason))?,
    };
    check_finite(what, &tensor)?;
    Ok(tensor)
}
