//! Writing the native form.

use std::io::Write;

use serde_json::Value;

use super::VERSION;
use crate::network::{Network, Node};

/// Writes a network, one layer to a line; all numbers read back exactly.
///
/// # Errors
/// Those of `writer`.
pub(super) fn write(network: &Network, writer: &mut dyn Write) -> Result<(), String> {
    write_text(network, writer).map_err(|error| error.to_string())
}

fn write_text(network: &Network, writer: &mut dyn Write) -> std::io::Result<()> {
    let name = Value::from(network.name.as_str());
    let shape = Value::from(network.input_shape.clone());
    writeln!(writer, "{{")?;
    writeln!(writer, "  \"format\": \"{VERSION}\",")?;
    writeln!(writer, "  \"name\": {name},")?;
    writeln!(writer, "  \"input_shape\": {shape},")?;
    write!(writer, "  \"layers\": [")?;
    for (index, node) in network.nodes.iter().enumerate() {
        write!(writer, "{}\n    ", if index == 0 { "" } else { "," })?;
        write_layer(index, node, writer)?;
    }
    writeln!(writer, "\n  ]\n}}")
}

fn write_layer(index: usize, node: &Node, writer: &mut dyn Write) -> std::io::Result<()> {
    write!(writer, "{{\"type\": {}", Value::from(node.layer.kind()))?;
    if node.name != format!("layer {index}") {
        write!(writer, ", \"name\": {}", Value::from(node.name.as_str()))?;
    }
    if node.inputs != [index] {
        let reference = |&input: &usize| input.checked_sub(1).map_or("input".into(), Value::from);
        let inputs: Vec<Value> = node.inputs.iter().map(reference).collect();
        write!(writer, ", \"inputs\": {}", Value::from(inputs))?;
    }
    let json = node.layer.to_json();
    for (key, value) in json.as_object().into_iter().flatten() {
        if key != "type" {
            write!(writer, ", {}: ", Value::from(key.as_str()))?;
            serde_json::to_writer(&mut *writer, value)?;
        }
    }
    write!(writer, "}}")
}
