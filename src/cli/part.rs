//! The part of a network that is bounded: some inputs, some outputs.

use anyhow::{Context, bail};
use clap::Args;

use super::arguments::PoolingName;
use super::region::Region;
use crate::io::Source;
use crate::network::LoweredNetwork;
use crate::network::fingerprint::Fingerprint;
use crate::report::part::{Axis, Part};

/// Which inputs and outputs. All of them, where nothing is said.
#[derive(Debug, Clone, Default, Args)]
pub struct Selected {
    /// Bound only these outputs, by number from 0
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub outputs: Vec<usize>,
    /// Bound with respect to these inputs only, by number from 0; the others have any fixed values
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub inputs: Vec<usize>,
}

impl Selected {
    /// The network on a region, with the selected outputs and with respect to the selected inputs.
    ///
    /// # Errors
    /// A number that does not exist or is named twice; a region that does not fit.
    pub fn restricted(
        &self,
        network: LoweredNetwork,
        region: &Region,
        source: &Source,
    ) -> anyhow::Result<LoweredNetwork> {
        let (network, _) = region.restrict(network).with_context(|| source.display())?;
        self.select(network, source)
    }

    /// The network with the selected outputs and with respect to the selected inputs.
    ///
    /// # Errors
    /// A number that does not exist or is named twice.
    pub fn select(
        &self,
        mut network: LoweredNetwork,
        source: &Source,
    ) -> anyhow::Result<LoweredNetwork> {
        if !self.outputs.is_empty() {
            check(Axis::Outputs, &self.outputs, network.chain.outputs(), source)?;
            network = network.select_outputs(&self.outputs);
        }
        if !self.inputs.is_empty() {
            check(Axis::Inputs, &self.inputs, network.inputs(), source)?;
            network = network.select_inputs(&self.inputs);
        }
        Ok(network)
    }

    /// What tells a certificate of these bounds from others: `model` is the fingerprint of the layers, `network` what is
    /// bounded.
    pub fn subject_of(
        &self,
        network: &LoweredNetwork,
        model: Fingerprint,
        pooling: PoolingName,
    ) -> Fingerprint {
        let on_box = network.input.as_ref().map_or(model, |input| model.with_box(input));
        let Selected { outputs, inputs } = self;
        on_box.with_text(&format!("outputs {outputs:?}, inputs {inputs:?}, pooling {pooling:?}"))
    }

    /// Whether reports can be joined: where only outputs or only inputs are selected.
    pub fn is_part(&self) -> bool {
        self.outputs.is_empty() != self.inputs.is_empty()
    }

    /// Which part of a network this is, for the reports of [`Selected::is_part`]; `model` tells it from others.
    pub fn part_of(&self, network: &LoweredNetwork, model: Fingerprint) -> Part {
        let (axis, numbers, count) = if self.inputs.is_empty() {
            (Axis::Outputs, &self.outputs, network.chain.outputs())
        } else {
            (Axis::Inputs, &self.inputs, network.inputs())
        };
        let whole = network.input.as_ref().map_or(model, |input| model.with_box(input));
        Part { axis, numbers: numbers.clone(), count, whole: whole.to_string() }
    }
}

fn check(axis: Axis, numbers: &[usize], count: usize, source: &Source) -> anyhow::Result<()> {
    let (shown, all) = (source.display(), axis.id());
    let one = all.trim_end_matches('s');
    if let Some(bad) = numbers.iter().find(|&&i| i >= count) {
        bail!(
            "{shown}: --{all} asks for {one} {bad}, but the model has the {all} 0 to {}",
            count.saturating_sub(1)
        );
    }
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        bail!("{shown}: --{all} names {one} {} twice; name each once", pair[0]);
    }
    Ok(())
}

/// The inputs and outputs that bounds are for, in words; `None` for all of them. `margin` names the outputs
/// where they are not the network's own.
pub fn scope(region: &Region, margin: Option<String>, selected: &Selected) -> Option<String> {
    let named =
        |axis: Axis, numbers: &[usize]| (!numbers.is_empty()).then(|| axis.in_words(numbers));
    let inputs = named(Axis::Inputs, &selected.inputs);
    let outputs = named(Axis::Outputs, &selected.outputs);
    let parts: Vec<String> =
        [region.in_words(), margin, inputs, outputs].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
