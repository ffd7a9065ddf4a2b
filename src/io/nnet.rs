//! `.nnet`: the text format of the ACAS Xu networks.

use std::iter::Enumerate;
use std::str::Lines;
use std::sync::Arc;

use ndarray::{Array1, Array2};

use super::error::{ReadError, layer_error};
use super::source::Input;
use super::state_dict::{Entry, Group, StateDict};
use super::{Format, Layout, ReadOptions, digits};
use crate::network::layers::dense::Dense;
use crate::network::{Activation, Layer, Network, Node};

/// The format `.nnet`.
pub const FORMAT: Format = Format {
    name: "NNet",
    extensions: &["nnet"],
    sniff: |head, _| head.starts_with(b"//"),
    read,
    stream: None,
    write: None,
};

/// The normalisation is a square matrix, so that more inputs would take more memory than they should.
const LARGEST_DIAGONAL: usize = 8192;

/// The lines that are not comments.
struct Text<'a> {
    file: &'a str,
    lines: Enumerate<Lines<'a>>,
    /// The number of the last line, from 1.
    line: usize,
}

impl Text<'_> {
    fn fail(&self, reason: String) -> ReadError {
        ReadError::at(self.file, format!("line {}", self.line), reason)
    }

    /// The numbers in the next line.
    fn numbers(&mut self, what: &str) -> Result<Vec<f64>, ReadError> {
        let next = self.lines.find(|(_, text)| !is_remark(text));
        let Some((index, text)) = next else {
            let reason = format!("the text ends where {what} is expected; the file is truncated");
            return Err(ReadError::new(self.file, reason));
        };
        self.line = index + 1;
        // Lines end with a comma, which begins no field.
        let text = text.trim();
        let fields = text.strip_suffix(',').unwrap_or(text).split(',').map(str::trim);
        let number = |field: &str| match field.parse::<f64>() {
            Ok(x) if x.is_finite() => Ok(x),
            Ok(x) => Err(self.fail(format!("{what}: found {x}, expected finite numbers"))),
            Err(_) => Err(self.fail(format!("{what}: found \"{field}\", expected a number"))),
        };
        fields.map(number).collect()
    }

    /// The next line, which has `count` numbers.
    fn exactly(&mut self, count: usize, what: &str) -> Result<Vec<f64>, ReadError> {
        let numbers = self.numbers(what)?;
        if numbers.len() != count {
            let found = numbers.len();
            return Err(self.fail(format!("{what}: found {found} numbers, expected {count}")));
        }
        Ok(numbers)
    }

    /// Checks that nothing follows.
    fn end(&mut self) -> Result<(), ReadError> {
        let rest = self.lines.find(|(_, text)| !is_remark(text));
        let Some((index, _)) = rest else { return Ok(()) };
        self.line = index + 1;
        Err(self.fail(
            "found more numbers after the last layer that the header announces; the file is damaged"
                .to_owned(),
        ))
    }

    /// The next line, which has whole numbers.
    fn sizes(&mut self, what: &str) -> Result<Vec<usize>, ReadError> {
        let numbers = self.numbers(what)?;
        let size = |&x: &f64| match x as usize {
            n if n >= 1 && n as f64 == x => Ok(n),
            _ => {
                Err(self.fail(format!("{what}: found {x}, expected a whole number of at least 1")))
            }
        };
        numbers.iter().map(size).collect()
    }
}

fn is_remark(line: &str) -> bool {
    line.trim_start().starts_with("//") || line.trim().is_empty()
}

/// Means and ranges of the inputs, and one of each for the outputs.
struct Normalisation {
    means: Vec<f64>,
    ranges: Vec<f64>,
    line: usize,
}

fn read(input: &Input, options: &ReadOptions) -> Result<Network, ReadError> {
    let content = std::str::from_utf8(&input.bytes).map_err(|error| {
        let place = format!("byte {}", error.valid_up_to());
        ReadError::at(&input.file, place, "not UTF-8 text; the file is damaged")
    })?;
    let mut text = Text { file: &input.file, lines: content.lines().enumerate(), line: 0 };
    let sizes = read_sizes(&mut text)?;
    let inputs = sizes.first().copied().unwrap_or_default();
    let normalisation = read_normalisation(&mut text, inputs, options.nnet_normalise)?;
    let groups = read_layers(&mut text, &sizes)?;
    text.end()?;
    let dict = StateDict::dense(input.file.clone(), input.name.clone(), groups);
    let activation = options.activation.clone().unwrap_or(Activation::Relu);
    let mut network = dict.into_dense(&activation, Layout::OutIn)?;
    if let Some(activation) = &options.activation {
        network.notes.push(super::state_dict::activation_note(activation));
    }
    if options.nnet_normalise {
        normalise(&mut network, &normalisation, &text)?;
        network.notes.push("the file's normalisation of inputs and outputs is part of the network (reciprocals of the ranges are rounded to 64-bit; inputs are not clipped)".to_owned());
    } else {
        network.notes.push("inputs and outputs are the normalised ones; --nnet-normalise makes the file's normalisation part of the network".to_owned());
    }
    let lines = content.lines().filter(|line| !is_remark(line));
    network.notes.extend(digits::note(lines.flat_map(|line| line.split(',')).map(str::trim)));
    network.shapes().map_err(|error| layer_error(&input.file, error))?;
    Ok(network)
}

/// The widths of input, hidden layers and output.
fn read_sizes(text: &mut Text<'_>) -> Result<Vec<usize>, ReadError> {
    let header = text.sizes("the header")?;
    let [layers, inputs, outputs, _] = header[..] else {
        return Err(text.fail(format!(
            "the header: found {} numbers, expected 4 (layers, inputs, outputs, largest layer)",
            header.len()
        )));
    };
    let sizes = text.sizes("the layer sizes")?;
    let ends = (sizes.first(), sizes.last());
    if sizes.len() < 2 || sizes.len() - 1 != layers || ends != (Some(&inputs), Some(&outputs)) {
        return Err(text.fail(format!(
            "the layer sizes: found {sizes:?}, expected {} numbers from {inputs} to {outputs}, as the header says",
            layers.saturating_add(1)
        )));
    }
    Ok(sizes)
}

/// The flag is one that no program uses, and inputs are not clipped to minima and maxima. Some files lack the
/// mean and the range of the outputs, which are only needed where they are part of the network.
fn read_normalisation(
    text: &mut Text<'_>,
    inputs: usize,
    is_used: bool,
) -> Result<Normalisation, ReadError> {
    text.exactly(1, "the flag")?;
    text.exactly(inputs, "the inputs' minima")?;
    text.exactly(inputs, "the inputs' maxima")?;
    let mut next = |what: &str| {
        let numbers = text.numbers(what)?;
        let found = numbers.len();
        if found == inputs.saturating_add(1) || found == inputs && !is_used {
            return Ok(numbers);
        }
        let expected = inputs.saturating_add(1);
        Err(text.fail(format!(
            "{what}: found {found} numbers, expected {expected}: one for each input, and one for all outputs"
        )))
    };
    let (means, ranges) = (next("the means")?, next("the ranges")?);
    Ok(Normalisation { means, ranges, line: text.line })
}

fn read_layers(text: &mut Text<'_>, sizes: &[usize]) -> Result<Vec<Group>, ReadError> {
    let mut groups = Vec::new();
    for (index, pair) in sizes.windows(2).enumerate() {
        let [columns, rows] = pair else { continue };
        // Rows are appended as they are read, so a false header cannot make this large.
        let mut weight = Vec::new();
        for row in 0..*rows {
            let what = format!("layer {index}, row {row} of the weight");
            weight.extend(text.exactly(*columns, &what)?);
        }
        let mut bias = Vec::new();
        for row in 0..*rows {
            bias.extend(text.exactly(1, &format!("layer {index}, entry {row} of the bias"))?);
        }
        let matrix = Array2::from_shape_vec((*rows, *columns), weight);
        let matrix = matrix.map_err(|error| text.fail(error.to_string()))?;
        let entries = vec![
            Entry { role: "weight", name: format!("weight {index}"), tensor: matrix.into_dyn() },
            Entry {
                role: "bias",
                name: format!("bias {index}"),
                tensor: Array1::from(bias).into_dyn(),
            },
        ];
        groups.push(Group { label: format!("dense {index}"), entries });
    }
    Ok(groups)
}

/// Puts `(x - mean) / range` before the network and `range * y + mean` after it.
fn normalise(network: &mut Network, n: &Normalisation, text: &Text<'_>) -> Result<(), ReadError> {
    let fail = |reason: String| ReadError::at(text.file, format!("line {}", n.line), reason);
    let inputs = network.input_shape.first().copied().unwrap_or_default();
    let outputs = network.shapes().ok().and_then(|s| s.last().and_then(|s| s.first().copied()));
    let outputs = outputs.unwrap_or_default();
    let ends = n.means.split_last().zip(n.ranges.split_last());
    let Some(((mean, means), (range, ranges))) = ends else {
        return Err(fail("the means and ranges are missing".to_owned()));
    };
    if let Some(bad) = n.ranges.iter().find(|range| !(1.0 / **range).is_finite()) {
        return Err(fail(format!("the ranges: found {bad}, expected numbers other than 0")));
    }
    if inputs.max(outputs) > LARGEST_DIAGONAL {
        return Err(fail(format!(
            "a network with {inputs} inputs and {outputs} outputs is too wide for --nnet-normalise, which takes up to {LARGEST_DIAGONAL}"
        )));
    }
    let shift: Array1<f64> = means.iter().map(|mean| -mean).collect();
    let scale: Array1<f64> = ranges.iter().map(|range| 1.0 / range).collect();
    let before = [(Array1::ones(inputs), shift), (scale, Array1::zeros(inputs))];
    let after = (Array1::from_elem(outputs, *range), Array1::from_elem(outputs, *mean));
    let names = ["input mean", "input range"];
    let mut nodes = Vec::with_capacity(network.nodes.len() + 3);
    for ((diagonal, bias), name) in before.into_iter().zip(names) {
        nodes.push((name.to_owned(), diagonal_layer(&diagonal, bias).map_err(fail)?));
    }
    nodes.extend(network.nodes.drain(..).map(|node| (node.name, node.layer)));
    nodes.push(("output range".to_owned(), diagonal_layer(&after.0, after.1).map_err(fail)?));
    let node = |(i, (name, layer)): (usize, (String, Arc<dyn Layer>))| {
        let name = if name.starts_with("layer ") { format!("layer {i}") } else { name };
        Node::new(name, layer, vec![i])
    };
    network.nodes = nodes.into_iter().enumerate().map(node).collect();
    Ok(())
}

fn diagonal_layer(diagonal: &Array1<f64>, bias: Array1<f64>) -> Result<Arc<dyn Layer>, String> {
    let dense = Dense::new(Array2::from_diag(diagonal), bias).map_err(|error| error.to_string())?;
    Ok(Arc::new(dense))
}
