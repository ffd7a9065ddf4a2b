//! Trained networks, large kernels, every operator of ONNX.

use std::path::Path;

use lipbound::bounds::find;
use lipbound::bounds::gradient::{available, gradient};
use lipbound::io::{ReadOptions, Source, read};
use lipbound::numeric::Norm;

use crate::closed_forms::hat;
use crate::models::pulled_back;
use crate::support::{self, problem, upper};

#[test]
fn trained_networks_and_large_kernels() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for name in ["mnist_cnn_c", "mnist_conv_strided"] {
        let options = ReadOptions {
            arch: Some(root.join(format!("{name}.arch.json"))),
            ..ReadOptions::default()
        };
        let source = Source::File(root.join(format!("{name}.npz")));
        let network = read(&source, &options).expect("a model");
        let problem = problem(&network);
        let cases =
            [("k5", Norm::Linf), ("k4", Norm::Linf), ("k3", Norm::Linf), ("k_star", Norm::L2)];
        for (id, norm) in cases {
            let found = gradient(&problem, id, norm).expect("derivatives");
            let bound = upper(&problem, id, norm);
            // Singular vectors come to 1e-12, and the certified l2 norm of a large convolution has a slack
            // of its own.
            let room = if norm == Norm::L2 { 1e-2 } else { 1e-9 };
            assert!(
                (found.value - bound).abs() <= room * bound,
                "{name} {id} {norm}: {} {bound}",
                found.value
            );
            for (map, g) in problem.chain().maps().iter().zip(&found.maps) {
                let weights = map.matrix.to_dense() * 2f64.powi(map.exponent);
                let product = (weights * g.to_dense()).sum();
                assert!(
                    (product - found.value).abs() <= 1e-9 * found.value,
                    "{name} {id} {norm}: {product}"
                );
            }
            let parameters = pulled_back(&network, &found);
            assert!(parameters.iter().all(|p| p.gradient.iter().all(|x| x.is_finite())));
        }
    }
}

#[test]
fn every_operator_of_onnx_has_gradients() {
    let mut count = 0;
    let folder = support::data().join("onnx/operators");
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "onnx") {
            continue;
        }
        let network = read(&Source::File(path.clone()), &ReadOptions::default()).expect("a model");
        let problem = problem(&network);
        for id in available() {
            for norm in Norm::ALL {
                let found = gradient(&problem, id, norm).expect("derivatives");
                let bound = upper(&problem, id, norm);
                let close = (found.value - bound).abs() <= 1e-9 * bound;
                assert!(close, "{} {id} {norm}: {} {bound}", path.display(), found.value);
                pulled_back(&network, &found);
                count += 1;
            }
        }
    }
    assert!(count >= 15 * 50, "{count}");
}

#[test]
fn what_has_no_gradient_is_refused() {
    let problem = problem(&hat());
    let refusal = gradient(&problem, "k_sdp", Norm::L2).expect_err("none").to_string();
    assert_eq!(refusal, "k_sdp has no gradient here; k_star, k1, k3, k4, k5 have one");
    assert!(available().all(|id| find(id).is_some()));
}
