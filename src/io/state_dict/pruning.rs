//! Pruned layers of PyTorch: a tensor that is saved as `weight_orig`, with a `weight_mask` of zeros and ones.

use ndarray::{ArrayD, Zip};

use crate::network::tensor::show_shape;

type Named = Vec<(String, ArrayD<f64>)>;

/// The tensors with masks applied, under the names without `_orig`; and how many they are. A number times 0 or
/// 1 is exact.
///
/// # Errors
/// The place and the reason: a mask of another shape, or with other numbers.
pub(super) fn applied(mut tensors: Named) -> Result<(Named, usize), (Option<String>, String)> {
    let masks: Vec<String> = tensors
        .iter()
        .filter(|(name, _)| name.ends_with("_mask"))
        .map(|(n, _)| n.clone())
        .collect();
    let mut count = 0;
    for mask in masks {
        let name = mask.strip_suffix("_mask").unwrap_or(&mask).to_owned();
        let place = |name: &str| tensors.iter().position(|(known, _)| known == name);
        let (Some(from), Some(at)) = (place(&mask), place(&format!("{name}_orig"))) else {
            continue;
        };
        let fail = |reason: String| Err((Some(format!("tensor {mask}")), reason));
        if place(&name).is_some() {
            return fail(format!(
                "is a mask of {name}_orig, but {name} is there, too; save the model again after torch.nn.utils.prune.remove"
            ));
        }
        let (found, expected) = (tensors[from].1.shape(), tensors[at].1.shape());
        if found != expected {
            let (found, expected) = (show_shape(found), show_shape(expected));
            return fail(format!("found shape {found}, expected {expected}, that of {name}_orig"));
        }
        if let Some(bad) = tensors[from].1.iter().find(|&&x| x != 0.0 && x != 1.0) {
            return fail(format!(
                "found {bad} in a mask, expected 0 and 1; carry the pruning out before saving with torch.nn.utils.prune.remove(module, \"weight\")"
            ));
        }
        let values = std::mem::take(&mut tensors[from].1);
        let (label, tensor) = &mut tensors[at];
        *label = name;
        Zip::from(tensor).and(&values).for_each(|x, &mask| {
            if mask == 0.0 {
                *x = 0.0;
            }
        });
        tensors.remove(from);
        count += 1;
    }
    Ok((tensors, count))
}
