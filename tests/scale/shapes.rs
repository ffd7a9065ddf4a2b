//! A thousand layers, a hundred thousand neurons in one layer, one neuron, no neuron.

use crate::dense;
use crate::program::{Folder, failure, json, stdout};

/// The report of the default bounds in a norm.
fn report(network: &str, norm: &str, options: &[&str]) -> serde_json::Value {
    let folder = Folder::new();
    folder.write("m.json", network);
    let call = ["compute", "m.json", "--norm", norm, "--format", "json"];
    let report = json(&stdout(folder.run(&[&call[..], options].concat())));
    report["reports"][0].clone()
}

fn upper(report: &serde_json::Value, id: &str) -> f64 {
    let bounds = report["bounds"].as_array().expect("bounds");
    let bound = bounds.iter().find(|bound| bound["id"] == id);
    bound.unwrap_or_else(|| panic!("{id}: {report}"))["upper"].as_f64().expect("a number")
}

/// Whether a bound is `exact` but for rounding upwards.
fn assert_tight(report: &serde_json::Value, id: &str, exact: f64) {
    let upper = upper(report, id);
    assert!(exact <= upper && upper <= exact * (1.0 + 1e-9), "{id}: {upper}, exact {exact}");
}

/// What was left out says why.
fn assert_explained(report: &serde_json::Value) {
    for refused in report["refused"].as_array().into_iter().flatten() {
        assert!(refused["reason"].as_str().is_some_and(|reason| reason.len() > 20), "{refused}");
    }
}

#[test]
fn a_thousand_layers_of_one_neuron() {
    // x -> 2 max(0, ... max(0, 2 x) / 2 ...): the weights are 2 and 1/2 in turn, 1001 in all, so their product
    // is 2, and L = 2 where x > 0.
    let network = dense(&[1; 1002], |r, _, _| if r % 2 == 0 { 2.0 } else { 0.5 });
    for norm in ["l1", "l2", "linf"] {
        let report = report(&network, norm, &["--bounds", "k_star,k1,k3,k5,k4"]);
        // With one neuron in each layer all cuts give the same: K5 = K3 = K1 = K* = the product.
        for id in ["k_star", "k1", "k3", "k5"] {
            assert_tight(&report, id, 2.0);
        }
        assert_eq!(report["lower"].as_f64(), Some(2.0));
        assert!(report["refused"][0]["reason"].to_string().contains("2^1000 subsets"));
    }
}

#[test]
fn a_thousand_layers_of_three_neurons() {
    // Permutations of three neurons: every product is a permutation, of norm 1 in every norm. The products of
    // all pairs of layers take time in proportion to the square of their number, so only one norm has all.
    for (norm, layers) in [("linf", 1000), ("l1", 200), ("l2", 200)] {
        let network = dense(&vec![3; layers + 2], |r, i, j| f64::from((i + r) % 3 == j));
        let report = report(&network, norm, &["--bounds", "k_star,k1,k3,k5", "--no-lower"]);
        for id in ["k_star", "k1", "k3"] {
            assert_tight(&report, id, 1.0);
        }
        // The path of every neuron is its own, so nothing but the permutation is left of the sum.
        assert_tight(&report, "k5", 1.0);
    }
}

#[test]
fn the_default_bounds_of_a_thousand_layers_say_what_is_left_out() {
    let network = dense(&[1; 1002], |_, _, _| 1.0);
    let report = report(&network, "l2", &[]);
    assert_tight(&report, "k5", 1.0);
    assert_explained(&report);
}

#[test]
fn all_subsets_of_many_layers() {
    // With H = [[1, 1], [1, -1]] in all l + 1 layers, H^2 = 2 I: a part of k layers between two cuts has the
    // absolute value 2^(k/2) I where k is even and 2^((k-1)/2) [[1, 1], [1, 1]] where it is odd, of norm
    // 2^ceil(k/2) in l1 and linf. All row and column sums are equal, so norms of products are products of
    // norms, and K1 = K4 = K5 = 2^-l S(l + 1), where S sums over the ways to cut: S(0) = 1 and
    // S(n) = sum over k of 2^ceil(k/2) S(n - k). In l2 the norm of a product is the same where a part is odd,
    // as it must be where l + 1 is; and the cuts take 2^l norms.
    for (layers, norms) in
        [(1, &["l1", "linf"][..]), (2, &["l1", "l2", "linf"]), (10, &["l2"]), (19, &["l1", "linf"])]
    {
        let mut sums = vec![1.0];
        for n in 1..=layers + 1 {
            let cut = |k: usize| 2f64.powi(k.div_ceil(2) as i32) * sums[n - k];
            sums.push((1..=n).map(cut).sum());
        }
        // Whole numbers below 2^53: exact.
        let exact = sums[layers + 1] / 2f64.powi(layers as i32);
        let network = dense(&vec![2; layers + 2], |_, i, j| if i + j < 2 { 1.0 } else { -1.0 });
        for norm in norms {
            let report = report(&network, norm, &["--bounds", "k1,k4,k5", "--no-lower"]);
            assert_tight(&report, "k4", exact);
            if *norm != "l2" {
                assert_tight(&report, "k1", exact);
                assert_tight(&report, "k5", exact);
            }
        }
    }
}

#[test]
fn a_hundred_thousand_neurons_in_one_layer() {
    const WIDE: usize = 100_000;
    // f(x) = sum_k a_k relu(b_k x) with b_k = +-1 and a_k = 1 + k mod 4, a quarter of a million in all. With
    // as many b_k of either sign for each a_k, L = 125,000 is the slope on either side, and the other bounds
    // sum up differently:
    //   K* = ||a|| ||b||: in linf ||a||_1 * 1, in l1 max a * ||b||_1, in l2 |a| |b|;
    //   K3 = sum |a_k| |b_k| = 250,000, and so is K* in linf;
    //   W_1 W_0 = sum a_k b_k = 0, so K5 = K4 = K3 / 2 and K1 = K* / 2.
    let sign = |k: usize| if (k / 4).is_multiple_of(2) { 1.0 } else { -1.0 };
    let value = |k: usize| (1 + k % 4) as f64;
    let network = dense(&[1, WIDE, 1], |r, i, j| if r == 0 { sign(i) } else { value(j) });
    let total = 250_000.0;
    // |a|^2 = 25,000 (1 + 4 + 9 + 16) and |b|^2 = 100,000.
    let euclidean = (25_000.0f64 * 30.0).sqrt() * 100_000f64.sqrt();
    for (norm, k_star) in [("linf", total), ("l1", 4.0 * WIDE as f64), ("l2", euclidean)] {
        let report = report(&network, norm, &[]);
        assert_tight(&report, "k_star", k_star);
        assert_tight(&report, "k1", k_star / 2.0);
        assert_tight(&report, "k3", total);
        assert_tight(&report, "k4", total / 2.0);
        assert_tight(&report, "k5", total / 2.0);
        assert_eq!(report["lower"].as_f64(), Some(total / 2.0));
        assert_explained(&report);
    }
}

#[test]
fn networks_of_one_layer_have_their_norm() {
    // Row sums 7 and 5, column sums 3 and 9; the singular values are sqrt(45) and sqrt(5), as without the sign.
    let weights = [[3.0, -4.0], [0.0, 5.0]];
    let network = dense(&[2, 2], |_, i, j| weights[i][j]);
    for (norm, exact) in [("linf", 7.0), ("l1", 9.0), ("l2", 45f64.sqrt())] {
        let report = report(&network, norm, &["--bounds", "all"]);
        for id in ["k_star", "k1", "k2", "k3", "k4", "k5", "k", "l"] {
            assert_tight(&report, id, exact);
        }
        assert_explained(&report);
    }
}

#[test]
fn networks_of_width_one() {
    // x -> -3 relu(2 relu(-x)): L = 6.
    let values = [-1.0, 2.0, -3.0];
    let network = dense(&[1, 1, 1, 1], |r, _, _| values[r]);
    for norm in ["l1", "l2", "linf"] {
        let report = report(&network, norm, &["--bounds", "all"]);
        for bound in report["bounds"].as_array().expect("bounds") {
            let upper = bound["upper"].as_f64().expect("a number");
            assert!((6.0..=6.0 * (1.0 + 1e-6)).contains(&upper), "{bound}");
        }
        assert_eq!(report["lower"].as_f64(), Some(6.0));
    }
}

#[test]
fn empty_hidden_layers_are_refused_with_their_place() {
    let folder = Folder::new();
    folder.write(
        "m.json",
        r#"{"format": "lipbound-network/1", "input_shape": [2], "layers": [
            {"type": "dense", "name": "none", "weight": []}, {"type": "relu"},
            {"type": "dense", "weight": [[]], "bias": [1]}]}"#,
    );
    let error = failure(folder.run(&["compute", "m.json"]));
    assert!(error.starts_with("error: m.json: layer 0 (none, dense)"), "{error}");
    folder.write("s.json", r#"{"weights": [[], [[]]]}"#);
    let error = failure(folder.run(&["compute", "s.json"]));
    assert!(error.starts_with("error: s.json: "), "{error}");
}
