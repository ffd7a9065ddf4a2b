//! From the graph of a file to a network: the operations on which the output depends, in order.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use super::attributes::Attributes;
use super::builder::{Builder, Signal, Value, net_shape};
use super::constant::Element;
use super::operators::{self, Call};
use super::proto::{Graph, Node, ValueInfo};
use super::refused::CONTROL;
use super::{sparse, tensor};
use crate::io::error::{ReadError, did_you_mean, some_of};
use crate::io::source::Input;
use crate::network::{Activation, Network};

/// Translates a graph.
pub struct Translator<'t, 'a> {
    file: &'t str,
    folder: Option<&'t Path>,
    graph: &'t Graph<'a>,
    opset: i64,
    functions: &'t [(&'a str, &'a str)],
    output: &'t str,
    /// The operation that gives each value.
    producers: HashMap<&'t str, usize>,
    values: HashMap<&'t str, Value>,
    builder: Builder,
    /// The entries that constants may still take.
    budget: usize,
}

/// How a message names an operation.
fn place(node: &Node<'_>) -> String {
    format!("node {} ({})", name(node), node.operator)
}

/// The name of an operation, or of its first result.
fn name<'t>(node: &'t Node<'_>) -> &'t str {
    if node.name.is_empty() { node.outputs.first().copied().unwrap_or("") } else { node.name }
}

/// Reads the network that a graph describes.
///
/// # Errors
/// The first operation that cannot be translated, or what is wrong with the graph as a whole.
pub fn network(
    input: &Input,
    graph: &Graph<'_>,
    opset: i64,
    functions: &[(&str, &str)],
) -> Result<Network, ReadError> {
    let fail = |reason: String| ReadError::new(&input.file, reason);
    let output = only_output(graph).map_err(fail)?;
    let producers = producers(graph).map_err(fail)?;
    let is_input = graph.inputs.iter().any(|input| input.name == output);
    if !producers.contains_key(output) && !is_input {
        return Err(fail(format!(
            "no operation computes the output {output}; the file is damaged"
        )));
    }
    let needed = needed(graph, &producers, output);
    if let Some(node) = control_flow(graph, &producers, &needed) {
        let reason = "chooses or repeats a part of the graph, and control flow is not supported; export the model with fixed shapes, or simplify it with onnxsim";
        return Err(ReadError::at(&input.file, place(node), reason));
    }
    let (source, mut notes) = only_input(graph, &needed).map_err(fail)?;
    let (shape, batch) = input_shape(source, &mut notes)
        .map_err(|reason| ReadError::at(&input.file, format!("input {}", source.name), reason))?;
    let builder = Builder::new(&shape)
        .map_err(|reason| ReadError::at(&input.file, format!("input {}", source.name), reason))?;
    let input_shape = net_shape(&shape).to_vec();
    let mut translator = Translator {
        file: &input.file,
        folder: input.folder.as_deref(),
        graph,
        opset,
        functions,
        output,
        producers,
        values: HashMap::new(),
        builder,
        // A stored entry takes at least a byte; what is in other files is added.
        budget: input.bytes.len().saturating_add(1 << 20),
    };
    let element = Element(source.element);
    translator.values.insert(source.name, Value::Signal(Signal { id: 0, shape, batch, element }));
    let id = translator.run()?;
    notes.append(&mut translator.builder.notes);
    let nodes = translator.builder.finish(id);
    let name = input.name.clone();
    Ok(Network { name, input_shape, nodes, assumed: Vec::new(), notes })
}

fn only_output<'t>(graph: &'t Graph<'_>) -> Result<&'t str, String> {
    match graph.outputs.as_slice() {
        [] => Err("the graph has no output; export the model again".to_owned()),
        [only] => Ok(only.name),
        several => {
            let names: Vec<&str> = several.iter().map(|o| o.name).collect();
            Err(format!(
                "the graph has {} outputs ({}), expected one; keep one, for example with onnx.utils.extract_model(\"in.onnx\", \"out.onnx\", [\"{}\"], [\"{}\"])",
                names.len(),
                some_of(&names),
                sources(graph).first().map_or("input", |i| i.name),
                names[0]
            ))
        }
    }
}

/// The names of the constants that are stored, the sparse ones last.
fn stored<'t>(graph: &'t Graph<'_>) -> impl Iterator<Item = &'t str> {
    let sparse = graph.sparse.iter().map(|s| s.values.as_ref().map_or("", |values| values.name));
    graph.initializers.iter().map(|t| t.name).chain(sparse)
}

/// The first operation with a graph inside of it on which the output depends.
fn control_flow<'t, 'a>(
    graph: &'t Graph<'a>,
    producers: &HashMap<&str, usize>,
    needed: &HashSet<&str>,
) -> Option<&'t Node<'a>> {
    let indices = needed.iter().filter_map(|name| producers.get(name).copied());
    let of_control = |&i: &usize| CONTROL.contains(&graph.nodes[i].operator);
    indices.filter(of_control).min().map(|i| &graph.nodes[i])
}

/// The inputs that are not constants.
fn sources<'t, 'a>(graph: &'t Graph<'a>) -> Vec<&'t ValueInfo<'a>> {
    let constants: HashSet<&str> = stored(graph).collect();
    graph.inputs.iter().filter(|i| !constants.contains(i.name)).collect()
}

fn only_input<'t, 'a>(
    graph: &'t Graph<'a>,
    needed: &HashSet<&str>,
) -> Result<(&'t ValueInfo<'a>, Vec<String>), String> {
    let all = sources(graph);
    let used: Vec<_> = all.iter().copied().filter(|i| needed.contains(i.name)).collect();
    match (used.as_slice(), all.as_slice()) {
        ([only], _) => {
            let unused: Vec<&str> =
                all.iter().map(|i| i.name).filter(|name| *name != only.name).collect();
            let note = format!("inputs that the output does not depend on: {}", some_of(&unused));
            Ok((only, if unused.is_empty() { vec![] } else { vec![note] }))
        }
        ([], []) => Err("the graph has no input; export the model again".to_owned()),
        ([], _) => Err("the output does not depend on the input".to_owned()),
        (several, _) => {
            let names: Vec<&str> = several.iter().map(|i| i.name).collect();
            Err(format!(
                "the graph has {} inputs ({}), expected one; put them together before exporting, or make all but one constant",
                names.len(),
                some_of(&names)
            ))
        }
    }
}

/// The shape of the input with a batch of 1, and the axis of the batch if it is open.
fn input_shape(
    info: &ValueInfo<'_>,
    notes: &mut Vec<String>,
) -> Result<(Vec<usize>, Option<usize>), String> {
    let element = Element(info.element);
    if !info.is_tensor || !(element.is_real() || element.0 == 0) {
        let found = if info.is_tensor { element.name() } else { "a sequence or map" };
        return Err(format!(
            "has the type {found}, expected a tensor of floating-point numbers; export the part of the model after the conversion"
        ));
    }
    let Some(shape) = &info.shape else {
        return Err("has no shape; export the model with the shape of its input".to_owned());
    };
    let (mut lengths, mut batch) = (Vec::new(), None);
    for (axis, length) in shape.iter().enumerate() {
        match length.map(|n| usize::try_from(n as i64)) {
            Some(Ok(n)) if n > 0 => lengths.push(n),
            _ if axis == 0 => {
                lengths.push(1);
                batch = Some(0);
            }
            _ => {
                return Err(format!(
                    "axis {axis} has no fixed length; export the model with a fixed shape (only the first axis, the batch, may be open)"
                ));
            }
        }
    }
    if lengths.len() > 1 && lengths[0] != 1 {
        notes.push(format!(
            "the first axis of the input has the fixed length {} and is a part of the input (a batch of 1 is left out)",
            lengths[0]
        ));
    }
    Ok((lengths, batch))
}

fn producers<'t>(graph: &'t Graph<'_>) -> Result<HashMap<&'t str, usize>, String> {
    let mut producers = HashMap::new();
    let mut stored: HashSet<&str> = HashSet::new();
    for name in self::stored(graph) {
        if !stored.insert(name) {
            return Err(format!("the constant {name} is stored twice; the file is damaged"));
        }
    }
    stored.extend(graph.inputs.iter().map(|input| input.name));
    for (index, node) in graph.nodes.iter().enumerate() {
        for output in node.outputs.iter().filter(|o| !o.is_empty()) {
            producers.insert(*output, index);
            if !stored.insert(output) {
                return Err(format!("the value {output} is computed twice; the file is damaged"));
            }
        }
    }
    Ok(producers)
}

/// The names of the values on which the output depends.
fn needed<'t>(
    graph: &'t Graph<'_>,
    producers: &HashMap<&'t str, usize>,
    output: &'t str,
) -> HashSet<&'t str> {
    let mut needed = HashSet::from([output]);
    let mut open = vec![output];
    while let Some(value) = open.pop() {
        let Some(&index) = producers.get(value) else { continue };
        open.extend(graph.nodes[index].inputs.iter().copied().filter(|i| needed.insert(i)));
    }
    needed
}

impl<'t, 'a> Translator<'t, 'a> {
    fn fail(&self, index: usize, reason: String) -> ReadError {
        ReadError::at(self.file, place(&self.graph.nodes[index]), reason)
    }

    /// The output as a value of the network, which is its last.
    fn run(&mut self) -> Result<usize, ReadError> {
        let constants: HashMap<&str, usize> =
            stored(self.graph).enumerate().map(|(i, name)| (name, i)).collect();
        if let Some(&index) = self.producers.get(self.output) {
            self.compute(index, &constants)?;
        }
        match self.values.get(self.output).cloned() {
            Some(Value::Signal(Signal { id: 0, .. })) => {
                let identity = Arc::new(Activation::Identity);
                let pushed = self.builder.push(self.output, identity, &[0]);
                pushed.map(|(id, _)| id).map_err(|reason| ReadError::new(self.file, reason))
            }
            Some(Value::Signal(signal)) => Ok(signal.id),
            Some(Value::Padded(..)) => {
                Err(ReadError::new(self.file, "the output is padded with minus infinity"))
            }
            Some(Value::Constant(_) | Value::Open(..)) => {
                Err(ReadError::new(self.file, "the output does not depend on the input"))
            }
            None => {
                let reason = format!("no operation computes the output {}", self.output);
                Err(ReadError::new(self.file, reason))
            }
        }
    }

    /// Computes a node after all that it depends on.
    fn compute(&mut self, root: usize, constants: &HashMap<&str, usize>) -> Result<(), ReadError> {
        let graph = self.graph;
        let mut state = vec![State::New; graph.nodes.len()];
        let mut open = vec![root];
        while let Some(&index) = open.last() {
            match state[index] {
                State::Done => {
                    open.pop();
                }
                State::Open => {
                    self.apply(index)?;
                    state[index] = State::Done;
                    open.pop();
                }
                State::New => {
                    state[index] = State::Open;
                    for input in graph.nodes[index].inputs.iter().filter(|i| !i.is_empty()) {
                        match self.producers.get(input) {
                            _ if self.values.contains_key(input) => {}
                            Some(&next) if state[next] == State::Open => {
                                let reason = "depends on its own result; the file is damaged";
                                return Err(self.fail(index, reason.to_owned()));
                            }
                            Some(&next) => open.push(next),
                            None => self.load(index, input, constants)?,
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads a stored constant.
    fn load(
        &mut self,
        index: usize,
        input: &'t str,
        constants: &HashMap<&str, usize>,
    ) -> Result<(), ReadError> {
        let Some(&number) = constants.get(input) else {
            let known = self.producers.keys().chain(constants.keys()).copied();
            let hint = did_you_mean(input, known);
            let reason = format!("takes the value {input}, which nothing computes{hint}");
            return Err(self.fail(index, reason));
        };
        let dense = &self.graph.initializers;
        let constant = match dense.get(number) {
            Some(stored) => tensor::read(stored, self.folder),
            None => {
                sparse::read(&self.graph.sparse[number - dense.len()], self.folder, self.budget)
            }
        };
        let constant = constant
            .map_err(|reason| ReadError::at(self.file, format!("tensor {input}"), reason))?;
        if dense.get(number).is_some_and(|tensor| tensor.is_external) {
            // As many entries were read from a file of that size.
            self.budget = self.budget.saturating_add(2 * constant.count());
        }
        self.spend(index, constant.count())?;
        self.values.insert(input, Value::Constant(Rc::new(constant)));
        Ok(())
    }

    fn spend(&mut self, index: usize, entries: usize) -> Result<(), ReadError> {
        match self.budget.checked_sub(entries) {
            Some(rest) => {
                self.budget = rest;
                Ok(())
            }
            None => Err(self.fail(
                index,
                "the constants of the graph are far larger than the file; simplify the model first, for example with onnxsim".to_owned(),
            )),
        }
    }

    fn apply(&mut self, index: usize) -> Result<(), ReadError> {
        let node = &self.graph.nodes[index];
        let mut inputs = Vec::new();
        for input in &node.inputs {
            let value = self.values.get(input).cloned();
            if value.is_none() && !input.is_empty() {
                let reason = format!(
                    "takes {input}, a further result of another operation, which is not supported"
                );
                return Err(self.fail(index, reason));
            }
            inputs.push(value);
        }
        let mut call = Call {
            node,
            name: name(node),
            attributes: Attributes::new(&node.attributes),
            inputs,
            opset: self.opset,
            functions: self.functions,
            room: self.budget,
            builder: &mut self.builder,
            folder: self.folder,
            is_output: node.outputs.contains(&self.output),
        };
        let values = operators::apply(&mut call).map_err(|reason| self.fail(index, reason))?;
        for (output, value) in node.outputs.iter().zip(values) {
            if let Value::Constant(constant) | Value::Open(constant, _) = &value {
                self.spend(index, constant.count())?;
            }
            self.values.insert(output, value);
        }
        Ok(())
    }
}

/// How far the translation of a node is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    New,
    Open,
    Done,
}
