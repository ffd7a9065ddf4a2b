//! What a network computes.

use lipbound::network::Stage;
use lipbound::network::{Activation, LoweredNetwork};
use lipbound::numeric::Interval;

/// The value at `x` of a network that is lowered.
pub fn evaluate(lowered: &LoweredNetwork, x: &[f64]) -> Vec<f64> {
    let mut x = x.to_vec();
    for r in 0..=lowered.stages.len() {
        let point: Vec<Interval> = x.iter().map(|&v| Interval::point(v)).collect();
        x = lowered.affine(r, &point).iter().map(|v| v.midpoint()).collect();
        let Some(stage) = lowered.stages.get(r) else { break };
        x = match stage {
            Stage::Pool(windows) => (0..windows.count())
                .map(|i| windows.window(i).map(|j| x[j]).fold(f64::NEG_INFINITY, f64::max))
                .collect(),
            Stage::Componentwise(_) => {
                let activations = stage.activations().expect("componentwise");
                let value = |(f, &v): (&&Activation, &f64)| f.value(Interval::point(v)).midpoint();
                activations.iter().zip(&x).map(value).collect()
            }
        };
    }
    x
}

/// The input number `k` of `tools/onnx_reference.py`.
pub fn reference_input(k: usize, count: usize) -> Vec<f64> {
    (0..count).map(|i| ((97 * i + 31 * k) % 257) as f64 / 128.0 - 1.0).collect()
}
