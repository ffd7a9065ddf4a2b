//! The norms of a model's layers: which one moved.

use super::{Comparison, quotient};
use crate::network::Network;
use crate::network::layers::Lowered;
use crate::numeric::Norm;

/// The norms of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerNorms {
    /// The layer's name and type.
    pub name: String,
    /// Upper bounds of the norms of its linear part, in the order of [`Norm::ALL`]; `None` where they
    /// were not asked for.
    pub norms: [Option<f64>; 3],
}

impl LayerNorms {
    /// The norm of the layer.
    pub fn norm(&self, norm: Norm) -> Option<f64> {
        let index = Norm::ALL.iter().position(|&n| n == norm)?;
        self.norms.get(index).copied().flatten()
    }
}

/// Upper bounds of the norms of a network's affine layers.
///
/// # Errors
/// The layer that cannot be bounded, and why.
pub fn layer_norms(network: &Network, norms: &[Norm]) -> Result<Vec<LayerNorms>, String> {
    let shapes = network.shapes().map_err(|error| error.to_string())?;
    let mut layers = Vec::new();
    for (index, node) in network.nodes.iter().enumerate() {
        let inputs: Vec<Vec<usize>> = node.inputs.iter().map(|&i| shapes[i].clone()).collect();
        let lowered = node.layer.lower(&inputs);
        let Lowered::Affine(map) =
            lowered.map_err(|reason| format!("layer {index} ({}): {reason}", node.name))?
        else {
            continue;
        };
        let kind = node.layer.kind();
        let name = if node.name == format!("layer {index}") {
            format!("{index} {kind}")
        } else {
            format!("{} ({kind})", node.name)
        };
        let norms = Norm::ALL.map(|n| norms.contains(&n).then(|| map.linear.norm_up(n)));
        layers.push(LayerNorms { name, norms });
    }
    Ok(layers)
}

impl Comparison {
    /// The norms of a model's layers, where they are known.
    pub fn layers(&self, model: usize) -> Option<&[LayerNorms]> {
        self.models.get(model)?.layers.as_ref()?.as_deref().ok()
    }

    /// The norm of a layer, divided by that of the same layer of the baseline. `None` where the
    /// baseline has no layer of this name in this place.
    pub fn layer_ratio(&self, model: usize, layer: usize, norm: Norm) -> Option<f64> {
        let new = self.layers(model)?.get(layer)?;
        let old = self.layers(self.baseline?)?.get(layer)?;
        if new.name != old.name {
            return None;
        }
        quotient(new.norm(norm)?, old.norm(norm)?)
    }

    /// The layer whose norm moved most, by its factor.
    pub fn moved_most(&self, model: usize, norm: Norm) -> Option<usize> {
        let factor = |layer| {
            let ratio = self.layer_ratio(model, layer, norm)?.ln().abs();
            (ratio > 0.0).then_some((layer, ratio))
        };
        let layers = 0..self.layers(model)?.len();
        let most = layers.filter_map(factor).max_by(|a, b| a.1.total_cmp(&b.1));
        most.map(|(layer, _)| layer)
    }
}
