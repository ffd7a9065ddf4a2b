//! Which tensors make up a layer.

use ndarray::ArrayD;

use super::names::{self, Scheme};
use super::{Entry, Group, TensorOrder};
use crate::io::error::some_of;
use crate::io::source::natural_key;
use crate::network::tensor::show_shape;

/// Layers, or the place and the reason why there are none.
type Grouped = Result<Vec<Group>, (Option<String>, String)>;

/// Matrices begin a layer, and a vector after one is its bias.
pub(super) fn by_position(
    mut tensors: Vec<(String, ArrayD<f64>)>,
    schemes: &[Option<Scheme>],
) -> Grouped {
    if schemes.iter().all(Option::is_some) {
        tensors.sort_by_cached_key(|(name, _)| natural_key(name));
    }
    let mut groups: Vec<Group> = Vec::new();
    for (name, tensor) in tensors {
        let place = Some(format!("tensor {name}"));
        let shape = show_shape(tensor.shape());
        match (tensor.ndim(), groups.last_mut()) {
            (0, _) => {
                return Err((place, "found a scalar, expected a weight or a bias".to_owned()));
            }
            (1, Some(group)) if group.entries.len() == 1 => {
                group.entries.push(Entry { role: "bias", name, tensor });
            }
            (1, _) => {
                let reason = format!(
                    "found a vector (shape {shape}) where a weight matrix belongs; expected weight, bias, weight, bias, ... in order"
                );
                return Err((place, reason));
            }
            _ => {
                let label = name.clone();
                let entries = vec![Entry { role: "weight", name, tensor }];
                groups.push(Group { label, entries });
            }
        }
    }
    Ok(groups)
}

/// Tensors with the same label belong to one layer.
pub(super) fn by_name(
    tensors: Vec<(String, ArrayD<f64>)>,
    schemes: Vec<Option<Scheme>>,
    order: TensorOrder,
) -> Grouped {
    let all: Vec<String> = tensors.iter().map(|(name, _)| name.clone()).collect();
    let mut groups: Vec<Group> = Vec::new();
    let mut numbers: Vec<usize> = Vec::new();
    let mut counters: Vec<(String, String)> = Vec::new();
    for ((name, tensor), scheme) in tensors.into_iter().zip(schemes) {
        let (label, role) = match scheme {
            Some(Scheme::Counter { label }) => {
                counters.push((name, label));
                continue;
            }
            Some(Scheme::Layer { label, role }) => (label, role),
            Some(Scheme::Numbered { number, role }) => {
                numbers.push(number);
                (number.to_string(), role)
            }
            Some(Scheme::Position(_)) | None => return Err(names::unknown(&name, &all)),
        };
        let entry = Entry { role, name, tensor };
        match groups.iter_mut().find(|group| group.label == label) {
            None => groups.push(Group { label, entries: vec![entry] }),
            Some(group) => match group.get(role) {
                None => group.entries.push(entry),
                Some(twin) => {
                    let reason = format!(
                        "there are two tensors for the {role} of layer {label}, this one and {}; expected one",
                        twin.name
                    );
                    return Err((Some(format!("tensor {}", entry.name)), reason));
                }
            },
        }
    }
    // The network does not use the counter, but what it counts for.
    let is_alone = |label: &String| {
        !groups.iter().any(|group| group.label == *label && group.get("running_mean").is_some())
    };
    if let Some((name, label)) = counters.iter().find(|(_, label)| is_alone(label)) {
        let reason = format!(
            "counts the batches of a normalisation layer, but {label}.running_mean is missing; save the whole state dict"
        );
        return Err((Some(format!("tensor {name}")), reason));
    }
    if numbers.len() == all.len() {
        check_numbers(&mut numbers, &all)?;
        groups.sort_by_cached_key(|group| natural_key(&group.label));
    } else if order == TensorOrder::Names {
        groups.sort_by_cached_key(|group| natural_key(&group.label));
    }
    Ok(groups)
}

/// Checks that `W0, W1, ...` has no gap.
fn check_numbers(numbers: &mut Vec<usize>, all: &[String]) -> Result<(), (Option<String>, String)> {
    numbers.sort_unstable();
    numbers.dedup();
    let gap = numbers.windows(2).find(|pair| pair[1] - pair[0] > 1);
    let missing = match (gap, numbers.first()) {
        (Some(pair), _) => pair[0] + 1,
        (None, Some(first @ 2..)) => first - 1,
        _ => return Ok(()),
    };
    let reason = format!("the tensors of layer {missing} are missing; found {}", some_of(all));
    Err((None, reason))
}
