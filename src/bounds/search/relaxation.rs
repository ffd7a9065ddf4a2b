//! Ksdp of the parts of a search.

use std::sync::Arc;

use ndarray::Array2;

use super::expansion::Interval;
use crate::bounds::Stop;
use crate::numeric::Norm;
use crate::numeric::rounding::add_up;
use crate::numeric::sdp::{self, Goal, Objective, Start};

/// Solves the relaxations of the parts of one chain.
#[derive(Debug)]
pub struct Relaxation {
    weights: Vec<Array2<f64>>,
    norm: Norm,
    /// What the radii of merged maps can add.
    perturbation: f64,
    stop: Stop,
}

/// The number of undecided neurons, and of inputs, above which a part is not relaxed.
const LARGEST: usize = 1200;

/// The bound of a part, and where its children start.
pub type Relaxed = (f64, Option<Arc<Start>>);

impl Relaxation {
    /// For the chain with the given maps, in the orientation in which rows are bounded.
    pub fn new(weights: Vec<Array2<f64>>, norm: Norm, perturbation: f64, stop: Stop) -> Relaxation {
        Relaxation { weights, norm, perturbation, stop }
    }

    /// Ksdp of a row (in l2: of the norm) for narrowed slopes, or a larger bound that is at most `known`;
    /// `+inf` where there is none. `start` belongs to the part that this one is a part of.
    pub fn bound(
        &self,
        slopes: &[Vec<Interval>],
        row: usize,
        known: f64,
        start: Option<&Arc<Start>>,
    ) -> Relaxed {
        let undecided = slopes.iter().flatten().filter(|(a, b)| a < b).count();
        if undecided > LARGEST || self.norm != Norm::L2 && self.weights[0].ncols() > LARGEST {
            return (f64::INFINITY, None);
        }
        let objective =
            if self.norm == Norm::L2 { Objective::Spectral } else { Objective::Row(row) };
        let stop = || self.stop.is_set();
        let problem = sdp::Problem::new(self.weights.clone(), slopes.to_vec());
        let solved = problem.and_then(|problem| match start {
            Some(start) => {
                // Whether the part can be done with is all that a search wants to know: a few Newton
                // steps instead of some twenty, for a tenth more parts.
                sdp::bound_from(&problem, objective, start, Goal::Decide(known), &stop)
            }
            None => sdp::bound_until(&problem, objective, known, &stop),
        });
        match solved {
            Ok(bound) => (add_up(bound.upper, self.perturbation), Some(Arc::new(bound.inner))),
            Err(_) => (f64::INFINITY, start.cloned()),
        }
    }
}
