//! `lipbound inspect`.

use anyhow::Context;

use super::arguments::Inspect;
use super::memory::Memory;
use super::{Outcome, output};
use crate::io;
use crate::network::Network;
use crate::network::layers::{Lowered, show_shape};
use crate::numeric::Norm;
use crate::report::{assuming, number};

/// Runs the command.
pub fn run(arguments: &Inspect) -> anyhow::Result<Outcome> {
    let mut text = String::new();
    for source in io::sources(&arguments.models)? {
        let network = io::read(&source, &arguments.reading.options(Memory::default().bytes()))?;
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&describe(&network).with_context(|| source.display())?);
    }
    output::print(&text)?;
    Ok(Outcome::Done)
}

fn describe(network: &Network) -> anyhow::Result<String> {
    let shapes = network.shapes()?;
    let mut text: String = assuming(&network.assumed).map(|line| line + "\n").collect();
    text.push_str(&format!("{}\ninput {}\n\n", network.name, show_shape(&network.input_shape)));
    text.push_str(&format!(
        "{:<20} {:<12} {:>12} {:>10} {:>10} {:>10}\n",
        "layer", "output", "parameters", "l1 norm", "l2 norm", "linf norm"
    ));
    for (index, node) in network.nodes.iter().enumerate() {
        let inputs: Vec<Vec<usize>> = node.inputs.iter().map(|&i| shapes[i].clone()).collect();
        let lowered = node
            .layer
            .lower(&inputs)
            .map_err(|reason| anyhow::anyhow!("layer {index} ({}): {reason}", node.name))?;
        let name = if node.name == format!("layer {index}") {
            format!("{index} {}", node.layer.kind())
        } else {
            format!("{} ({})", node.name, node.layer.kind())
        };
        let line = format!(
            "{name:<20} {:<12} {:>12} {}",
            show_shape(&shapes[index + 1]),
            node.layer.parameters(),
            norms(&lowered)
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push_str(&format!("\n{} parameters in all\n", network.parameters()));
    for note in &network.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    Ok(text)
}

/// Upper bounds of the norms of an affine layer.
fn norms(lowered: &Lowered) -> String {
    let Lowered::Affine(map) = lowered else { return String::new() };
    let cells = Norm::ALL.map(|norm| format!("{:>10}", number::upper(map.linear.norm_up(norm), 5)));
    cells.join(" ")
}
