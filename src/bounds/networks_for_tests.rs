//! Small networks of the unit tests.
#![allow(clippy::expect_used)] // a failed construction should stop the test

use std::sync::Arc;

use ndarray::{Array1, Array2};

use super::{Options, Problem};
use crate::network::layers::dense::Dense;
use crate::network::{Activation, Layer, Network};

/// Dense layers with these weights (outputs x inputs) and no biases, with ReLUs between them.
pub fn relu_problem(weights: impl IntoIterator<Item = Array2<f64>>) -> Problem {
    let mut weights = weights.into_iter().peekable();
    let inputs = weights.peek().expect("a map").ncols();
    let mut layers: Vec<Arc<dyn Layer>> = Vec::new();
    for weight in weights {
        if !layers.is_empty() {
            layers.push(Arc::new(Activation::Relu));
        }
        let bias = Array1::zeros(weight.nrows());
        layers.push(Arc::new(Dense::new(weight, bias).expect("shapes")));
    }
    let network = Network::sequential("relu", vec![inputs], layers).expect("shapes");
    Problem::new(network.lower().expect("dense layers"), Options::default())
}
