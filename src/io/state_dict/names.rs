//! What the names of tensors mean.

use crate::io::error::some_of;

/// What a name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scheme {
    /// `fc1.weight`: a layer and a role in it.
    Layer { label: String, role: &'static str },
    /// `W0`, `weight_0`: a number and a role.
    Numbered { number: usize, role: &'static str },
    /// `arr_0`: only a position.
    Position(usize),
    /// A counter of the training of a normalisation layer, which the network does not use.
    Counter { label: String },
}

/// Names that end a tensor's name, and their roles.
const ROLES: [(&str, &str); 12] = [
    ("running_mean", "running_mean"),
    ("running_var", "running_var"),
    ("moving_mean", "running_mean"),
    ("moving_variance", "running_var"),
    ("num_batches_tracked", ""),
    ("weight", "weight"),
    ("weights", "weight"),
    ("kernel", "kernel"),
    ("bias", "bias"),
    ("biases", "bias"),
    ("w", "weight"),
    ("b", "bias"),
];

/// What a tensor's name says, if anything.
pub(super) fn classify(name: &str) -> Option<Scheme> {
    let name = name.strip_suffix(":0").unwrap_or(name);
    let lower = name.to_ascii_lowercase();
    let (stem, number) = split_number(&lower);
    if let Some(number) = number {
        let stem = stem.trim_end_matches('_');
        return match role_of(stem) {
            _ if stem == "arr" => Some(Scheme::Position(number)),
            Some(role @ ("weight" | "bias" | "kernel")) => Some(Scheme::Numbered { number, role }),
            _ => None,
        };
    }
    let (suffix, role) = ROLES.iter().find(|(suffix, _)| {
        lower
            .strip_suffix(suffix)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with(['.', '/', '_']))
    })?;
    let label = name.get(..name.len() - suffix.len())?.trim_end_matches(['.', '/', '_']);
    let label = if label.is_empty() { name } else { label };
    let label = label.to_owned();
    Some(if role.is_empty() { Scheme::Counter { label } } else { Scheme::Layer { label, role } })
}

fn role_of(name: &str) -> Option<&'static str> {
    ROLES.iter().find(|(known, _)| *known == name).map(|(_, role)| *role)
}

/// The digits at the end of a name, as a number.
fn split_number(name: &str) -> (&str, Option<usize>) {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (stem, name[stem.len()..].parse().ok())
}

/// The error of a tensor whose name says nothing.
pub(super) fn unknown(name: &str, all: &[String]) -> (Option<String>, String) {
    let remedy = remedy(name, all).unwrap_or("expected W0, b0, W1, ... or weight_0, bias_0, ... or arr_0, arr_1, ... or a state dict's fc1.weight, fc1.bias, ...; rename the tensors, or use lipbound's JSON format, which can refer to .npy files");
    let reason =
        format!("this name does not say what the tensor is; found {}; {remedy}", some_of(all));
    (Some(format!("tensor {name}")), reason)
}

/// What helps where the name is one that PyTorch or Keras gives.
fn remedy(name: &str, all: &[String]) -> Option<&'static str> {
    // PyTorch names what belongs to a weight after it: weight_g, weight_v, weight_orig, weight_u.
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    let beside = |end: &str| {
        let stem = name.rsplit_once('_').map_or("", |(stem, _)| stem);
        all.iter().any(|other| other.strip_suffix(end) == Some(stem))
    };
    Some(if name.contains("parametrizations.") {
        "it belongs to a parametrised weight: carry that out before saving with torch.nn.utils.parametrize.remove_parametrizations(module, \"weight\")"
    } else if ends(&["_orig", "_u", "_v"]) && beside("_u") {
        "it belongs to a spectral normalisation: carry that out before saving with torch.nn.utils.remove_spectral_norm(module)"
    } else if ends(&["weight_g", "weight_v"]) {
        "it belongs to a weight normalisation: carry that out before saving with torch.nn.utils.remove_weight_norm(module)"
    } else if ends(&["_orig", "_mask"]) {
        "it belongs to a pruned tensor of which the other part is missing (NAME_orig, NAME_mask): carry the pruning out before saving with torch.nn.utils.prune.remove(module, \"weight\")"
    } else if name.contains("weight_ih") || name.contains("weight_hh") || name.contains("bias_ih") {
        "it belongs to a recurrent layer, which is not read"
    } else if ends(&["gamma", "beta", "gamma:0", "beta:0"]) {
        "it belongs to a normalisation layer; export the model to ONNX"
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests {
    use super::{Scheme, classify};

    #[test]
    fn usual_names_are_understood() {
        let layer = |label: &str, role| Some(Scheme::Layer { label: label.to_owned(), role });
        let numbered = |number, role| Some(Scheme::Numbered { number, role });
        assert_eq!(classify("W0"), numbered(0, "weight"));
        assert_eq!(classify("b12"), numbered(12, "bias"));
        assert_eq!(classify("weight_3"), numbered(3, "weight"));
        assert_eq!(classify("bias3"), numbered(3, "bias"));
        assert_eq!(classify("arr_7"), Some(Scheme::Position(7)));
        assert_eq!(classify("0.weight"), layer("0", "weight"));
        assert_eq!(classify("net.fc1.bias"), layer("net.fc1", "bias"));
        assert_eq!(classify("fc1_W"), layer("fc1", "weight"));
        assert_eq!(classify("dense_1/kernel:0"), layer("dense_1", "kernel"));
        assert_eq!(classify("bn.running_mean"), layer("bn", "running_mean"));
        let label = "bn".to_owned();
        assert_eq!(classify("bn.num_batches_tracked"), Some(Scheme::Counter { label }));
        assert_eq!(classify("renum_batches_tracked"), None);
        assert_eq!(classify("weight"), layer("weight", "weight"));
        for name in
            ["", "alpha", "lstm.weight_ih_l0", "fc.weight_g", "xb", "W99999999999999999999999"]
        {
            assert_eq!(classify(name), None, "{name}");
        }
    }
}
