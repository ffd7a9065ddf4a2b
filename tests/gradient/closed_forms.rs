//! Derivatives that are known in closed form.

use lipbound::network::Network;
use lipbound::numeric::Norm;
use ndarray::{ArrayD, IxDyn, arr1, arr2};
use serde_json::json;

use crate::models::{gradients, parse};
use crate::support::problem;

/// x^2 on [0, 1], interpolated at 0, 1/2 and 1.
pub fn hat() -> Network {
    parse(&json!({"format": "lipbound-network/1", "input_shape": [1], "layers": [
        {"type": "dense", "name": "a", "weight": [[2.0], [-2.0], [1.0]], "bias": [-1.0, 1.0, 0.0]},
        {"type": "relu"},
        {"type": "dense", "name": "b", "weight": [[0.25, 0.25, 1.0]]}]}))
}

#[test]
fn closed_forms_of_the_hat() {
    // With w = W_1 W_0 = 1 > 0, in every norm (one input and output):
    // K5 = (|W_1 W_0| + |W_1| |W_0|) / 2 = 3/2, so dK5/dW_0 = (W_1 + |W_1| o sign(W_0)) / 2 and
    // dK5/dW_1 = (W_0 + sign(W_1) o |W_0|) / 2. K3 = |W_1| |W_0| = 2 has the second halves, twice.
    // K* is the product of the largest row sums, 2 and 3/2, in linf; of column sums, 5 and 1, in l1.
    let network = hat();
    let problem = problem(&network);
    let a = |id: &str, norm| gradients(&network, &problem, id, norm)["a.weight"].clone();
    let b = |id: &str, norm| gradients(&network, &problem, id, norm)["b.weight"].clone();
    for norm in [Norm::L1, Norm::Linf] {
        assert_eq!(a("k5", norm), arr2(&[[0.25], [0.0], [1.0]]).into_dyn());
        assert_eq!(b("k5", norm), arr2(&[[2.0, 0.0, 1.0]]).into_dyn());
        assert_eq!(a("k3", norm), arr2(&[[0.25], [-0.25], [1.0]]).into_dyn());
        assert_eq!(b("k3", norm), arr2(&[[2.0, 2.0, 1.0]]).into_dyn());
        assert_eq!(a("k4", norm), a("k5", norm));
    }
    // Two rows are largest: the first.
    assert_eq!(a("k_star", Norm::Linf), arr2(&[[1.5], [0.0], [0.0]]).into_dyn());
    assert_eq!(b("k_star", Norm::Linf), arr2(&[[2.0, 2.0, 2.0]]).into_dyn());
    assert_eq!(a("k_star", Norm::L1), arr2(&[[1.0], [-1.0], [1.0]]).into_dyn());
    assert_eq!(b("k_star", Norm::L1), arr2(&[[0.0, 0.0, 5.0]]).into_dyn());
    // l2: |W_1| W_0 / |W_0| with |W_0| = 3, |W_1| = sqrt(9/8).
    let expected = arr2(&[[2.0], [-2.0], [1.0]]).into_dyn() * ((9.0f64 / 8.0).sqrt() / 3.0);
    // Singular vectors of 3 entries are accurate to some 1e-16.
    assert!((a("k_star", Norm::L2) - expected).iter().all(|x| x.abs() < 1e-14));
    // Biases do not enter: zeros, in their shape, for those that the file has.
    let all = gradients(&network, &problem, "k5", Norm::Linf);
    assert_eq!(all["a.bias"], ArrayD::<f64>::zeros(IxDyn(&[3])));
    assert_eq!(all.len(), 3);
}

#[test]
fn closed_forms_of_a_learnt_slope() {
    // f(x) = -3 p(2 x) with the slope a of p on the left: slopes between a and 1, centre c and radius rho.
    // K1 = K4 = K5 = 6 (|c| + rho) and K* = K3 = 6 max(|a|, 1) are both 6 max(|a|, 1).
    for (a, expected) in [
        (0.25, 0.0),
        (-0.5, 0.0),
        (-2.0, -6.0),
        (3.0, 6.0),
        // Between the derivatives of both sides, 0 and 6.
        (1.0, 3.0),
    ] {
        let network =
            parse(&json!({"format": "lipbound-network/1", "input_shape": [1], "layers": [
            {"type": "dense", "weight": [[2.0]]}, {"type": "prelu", "slopes": [a]},
            {"type": "dense", "weight": [[-3.0]]}]}));
        let problem = problem(&network);
        for id in lipbound::bounds::gradient::available() {
            for norm in Norm::ALL {
                let found = gradients(&network, &problem, id, norm);
                let names: Vec<&str> = found.keys().map(String::as_str).collect();
                assert_eq!(names.len(), 3, "{names:?}");
                // Singular values of one entry are accurate to some 1e-16.
                let error = (&found["1.slopes"] - &arr1(&[expected]).into_dyn()).sum().abs();
                assert!(error <= 1e-14, "{id} {norm} {a}: {}", found["1.slopes"]);
            }
        }
    }
}

#[test]
fn a_slope_that_does_not_matter_has_no_derivative() {
    // The output is the second layer's branch; the first one leads nowhere.
    let network = parse(&json!({"format": "lipbound-network/1", "input_shape": [2], "layers": [
        {"type": "dense", "name": "a", "weight": [[2.0, 1.0]]},
        {"type": "prelu", "name": "dead", "slopes": [-3.0]},
        {"type": "dense", "name": "b", "inputs": ["a"], "weight": [[1.5]]}]}));
    let found = gradients(&network, &problem(&network), "k5", Norm::Linf);
    assert_eq!(found["dead.slopes"], ArrayD::<f64>::zeros(IxDyn(&[1])));
}
