//! Certified Lipschitz bounds of neural networks.
//!
//! `lipbound` reads a trained network and computes bounds of its Lipschitz constant in the l1, l2 and
//! l-infinity norms. A number called an upper bound is one: the rounding of every floating-point
//! operation is accounted for.
//!
//! The way of the data, and the only direction in which modules use each other (from the right to the
//! left): [`numeric`] -> [`network`] -> [`io`] and [`bounds`] -> [`analysis`] -> [`report`] -> [`cli`].
//!
//! ```
//! use lipbound::analysis::{Question, Selection, analyse};
//! use lipbound::bounds::{Options, Problem};
//! use lipbound::network::{layers::dense::Dense, Activation, Network};
//! use lipbound::numeric::Norm;
//! use ndarray::{arr1, arr2};
//! use std::sync::Arc;
//!
//! // x^2 on [0, 1], interpolated at 0, 1/2 and 1.
//! let network = Network::sequential("hat", vec![1], vec![
//!     Arc::new(Dense::new(arr2(&[[2.0], [-2.0], [1.0]]), arr1(&[-1.0, 1.0, 0.0]))?),
//!     Arc::new(Activation::Relu),
//!     Arc::new(Dense::new(arr2(&[[0.25, 0.25, 1.0]]), arr1(&[-0.25]))?),
//! ])?;
//! let problem = Arc::new(Problem::new(network.lower()?, Options::default()));
//! let question =
//!     Question { norms: vec![Norm::Linf], selection: Selection::Default, with_lower: true };
//! let answer = analyse(&problem, &question);
//! // The slope is 1 on [-1/2, 1/2] and 3/2 behind it.
//! assert_eq!(answer.norms[0].best().map(|best| best.upper), Some(1.5));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod analysis;
pub mod bounds;
pub mod cli;
pub mod io;
pub mod network;
pub mod numeric;
pub mod report;

// A campaign of tests/ as a unit test; its files name the crate as integration tests do.
#[cfg(test)]
extern crate self as lipbound;
#[cfg(test)]
#[path = "../tests/campaign/coarse.rs"]
mod coarse_campaign;
