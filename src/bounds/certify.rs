//! How far an input can be moved before a classifier may change its answer.
//!
//! With `c` the class of the largest output at `x`, the class stays `c` while `f_c - f_j > 0` for all other
//! `j`. If `L_j` is a Lipschitz constant of `f_c - f_j` on the points within `R` of `x`, that holds for all
//! points nearer than `min(R, min_j (f_c(x) - f_j(x)) / L_j)` (Tsuzuku, Sato and Sugiyama, "Lipschitz-margin
//! training", NeurIPS 2018, with differences of outputs instead of the whole network). Everywhere, `L_j` is a
//! bound of this program; nearby, K5 of the slopes that are possible within `R` in every input, with the best
//! `R`. Balls of all three norms lie in that box.

use std::collections::HashMap;

use super::search::check_size;
use super::search::expansion::Layers;
use super::{Cost, Options, Problem, Refusal, find};
use crate::network::{InputBox, LoweredNetwork, Slopes};
use crate::numeric::rounding::{div_down, scale_up, sub_down};
use crate::numeric::{Interval, Norm};

/// What is proved about one input.
#[derive(Debug, Clone, PartialEq)]
pub struct Certification {
    /// The class with the largest output; `None` where rounding leaves that open.
    pub class: Option<usize>,
    /// The class whose output is nearest.
    pub runner_up: Option<usize>,
    /// A lower bound of the least difference from the outputs of the other classes.
    pub margin: f64,
    /// A radius: the class cannot change at any smaller distance, by bounds that hold everywhere.
    pub global_radius: f64,
    /// The same by bounds that hold nearby; at least `global_radius`.
    pub local_radius: f64,
}

/// Certifies inputs of one network; what does not depend on them is computed once.
#[derive(Debug)]
pub struct Certifier {
    network: LoweredNetwork,
    norm: Norm,
    bounds: Vec<&'static str>,
    options: Options,
    /// Lipschitz constants of differences of outputs, by pairs in order.
    constants: HashMap<(usize, usize), f64>,
}

/// Radii that are tried for the local bounds.
const TRIALS: usize = 12;

impl Certifier {
    /// For a network with at least two outputs; `bounds` are the ids of the bounds of which the least counts
    /// everywhere, empty for those that take seconds at most.
    ///
    /// # Errors
    /// A network that is not a classifier, or too large.
    pub fn new(
        network: LoweredNetwork,
        norm: Norm,
        bounds: Vec<&'static str>,
        options: Options,
    ) -> Result<Certifier, Refusal> {
        if network.chain.outputs() < 2 {
            return Err(Refusal(
                "a class needs at least two outputs to choose from, and this model has one"
                    .to_owned(),
            ));
        }
        // The same function, in a form in which its slopes can be narrowed.
        let network =
            if network.chain.has_pool() { network.with_explicit_pools() } else { network };
        check_size(&network.chain)?;
        Ok(Certifier { network, norm, bounds, options, constants: HashMap::new() })
    }

    /// Certifies one input, of as many numbers as the network has inputs, each of which is only known to lie in an
    /// interval; what is proved holds wherever it lies.
    ///
    /// # Errors
    /// Why a bound that was asked for cannot be computed.
    pub fn certify(&mut self, x: &[Interval]) -> Result<Certification, Refusal> {
        let outputs = self.network.outputs_at(x);
        let top = (0..outputs.len())
            .max_by(|&i, &j| outputs[i].lo.total_cmp(&outputs[j].lo).then(j.cmp(&i)))
            .unwrap_or(0);
        let others: Vec<usize> = (0..outputs.len()).filter(|&j| j != top).collect();
        let margins: Vec<f64> =
            others.iter().map(|&j| sub_down(outputs[top].lo, outputs[j].hi)).collect();
        let nearest = (0..others.len()).min_by(|&a, &b| margins[a].total_cmp(&margins[b]));
        let margin = nearest.map_or(0.0, |k| margins[k]);
        let mut result = Certification {
            class: None,
            runner_up: nearest.map(|k| others[k]),
            margin: margin.max(0.0),
            global_radius: 0.0,
            local_radius: 0.0,
        };
        if margin <= 0.0 {
            return Ok(result);
        }
        result.class = Some(top);
        let mut radius = f64::INFINITY;
        for (&j, &margin) in others.iter().zip(&margins) {
            radius = radius.min(safe_radius(margin, self.constant(top, j)?));
        }
        result.global_radius = radius;
        result.local_radius = self.local_radius(x, top, &others, &margins, radius);
        Ok(result)
    }

    /// A Lipschitz constant of `f_i - f_j` everywhere.
    fn constant(&mut self, i: usize, j: usize) -> Result<f64, Refusal> {
        let pair = (i.min(j), i.max(j));
        if let Some(&known) = self.constants.get(&pair) {
            return Ok(known);
        }
        self.options.progress.say(|| format!("bounding output {} - output {}", pair.0, pair.1));
        let problem = Problem::new(self.network.differences(&[pair]), self.options.clone());
        let mut least = f64::INFINITY;
        if self.bounds.is_empty() {
            for id in ["k1", "k3", "k5", "k_sdp", "k_l2"] {
                let bound = find(id).filter(|b| b.cost(&problem, self.norm) == Cost::Cheap);
                if let Some(Ok(certificate)) = bound.map(|b| super::compute(b, &problem, self.norm))
                {
                    least = least.min(certificate.upper);
                }
            }
        }
        for &id in &self.bounds {
            let bound = find(id).ok_or_else(|| Refusal(format!("there is no bound {id}")))?;
            least = least.min(super::compute(bound, &problem, self.norm)?.upper);
        }
        self.constants.insert(pair, least);
        Ok(least)
    }

    /// The largest `min(R, margin / L(R))` that is found, which is certified for every `R`. `L` grows with
    /// `R`, so the best `R` lies between any such value and the `margin / L` that belongs to it.
    #[expect(
        clippy::float_arithmetic,
        reason = "decides which radii are tried; each is certified on its own"
    )]
    fn local_radius(
        &self,
        x: &[Interval],
        top: usize,
        others: &[usize],
        margins: &[f64],
        start: f64,
    ) -> f64 {
        let pairs: Vec<(usize, usize)> = others.iter().map(|&j| (top, j)).collect();
        let differences = self.network.differences(&pairs);
        let layers = Layers::new(&differences.chain);
        let within = |radius: f64| -> f64 {
            let ball = InputBox::around_enclosed(x, Interval::point(radius));
            let local = ball.and_then(|b| differences.on_box(&b));
            let Ok(local) = local else { return 0.0 };
            let slopes: Vec<_> = local.chain.slopes().iter().map(Slopes::intervals).collect();
            let exponent = differences.chain.exponent();
            let constants = layers.row_lengths(&slopes, self.norm);
            let each = constants.iter().zip(margins);
            each.map(|(&l, &margin)| safe_radius(margin, scale_up(l, exponent)))
                .fold(f64::INFINITY, f64::min)
        };
        let mut best = start;
        let (mut low, mut high) = (start, within(start));
        for _ in 0..TRIALS {
            if !(high > low * 1.01 && low > 0.0) {
                break;
            }
            let radius = if high.is_finite() { (low * high).sqrt() } else { 2.0 * low };
            let reach = within(radius);
            best = best.max(reach.min(radius));
            if reach >= radius {
                (low, high) = (radius, high.min(reach));
            } else {
                (low, high) = (low.max(reach), radius);
            }
        }
        best
    }
}

/// `margin / constant`, rounded down; infinite where nothing moves.
fn safe_radius(margin: f64, constant: f64) -> f64 {
    if constant == 0.0 { f64::INFINITY } else { div_down(margin, constant).max(0.0) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ndarray::{arr1, arr2};

    use super::*;
    use crate::network::layers::dense::Dense;
    use crate::network::{Activation, Layer, Network};
    use crate::numeric::exact;
    use crate::numeric::rounding::power_of_two;

    fn certified(layers: Vec<Arc<dyn Layer>>, norm: Norm, x: &[f64]) -> Certification {
        let network = Network::sequential("classes", vec![x.len()], layers).expect("shapes");
        let lowered = network.lower().expect("dense layers");
        let certifier = Certifier::new(lowered, norm, vec!["k5"], Options::default());
        let x: Vec<Interval> = x.iter().map(|&x| Interval::point(x)).collect();
        certifier.expect("two outputs").certify(&x).expect("K5 is computed")
    }

    #[test]
    fn a_quotient_is_rounded_down() {
        // f_0 - f_1 = 1 + 5 x, so the class of x = 0 changes at a distance of exactly 1/5; the nearest number is above.
        let layer = Dense::new(arr2(&[[5.0], [0.0]]), arr1(&[1.0, 0.0])).expect("shapes");
        let found = certified(vec![Arc::new(layer)], Norm::Linf, &[0.0]);
        assert_eq!((found.class, found.runner_up, found.margin), (Some(0), Some(1), 1.0));
        for radius in [found.global_radius, found.local_radius] {
            assert!(exact(radius) * exact(5.0) <= exact(1.0), "{radius} is beyond 1/5");
            assert!(radius >= 0.1999, "{radius} is far below 1/5");
        }
    }

    #[test]
    fn a_margin_is_rounded_down() {
        // f_0 - f_1 = 1 - 2^-60 + x, of which the margin rounds to 1.
        let tiny = power_of_two(-60);
        let layer = Dense::new(arr2(&[[1.0], [0.0]]), arr1(&[1.0, tiny])).expect("shapes");
        let found = certified(vec![Arc::new(layer)], Norm::L1, &[0.0]);
        let truth = exact(1.0) - exact(tiny);
        for number in [found.margin, found.global_radius, found.local_radius] {
            assert!(exact(number) <= truth, "{number} is beyond 1 - 2^-60");
            assert!(number >= 1.0 - 1e-9, "{number} is far below 1");
        }
    }

    #[test]
    fn nearby_the_slopes_beyond_do_not_count() {
        // f_0 - f_1 = 1 - 100 max(|x| - 1, 0): constant up to 1, and the class changes at 1.01.
        let hidden = Dense::new(arr2(&[[1.0], [-1.0]]), arr1(&[-1.0, -1.0])).expect("shapes");
        let outputs =
            Dense::new(arr2(&[[0.0, 0.0], [100.0, 100.0]]), arr1(&[1.0, 0.0])).expect("shapes");
        let layers: Vec<Arc<dyn Layer>> =
            vec![Arc::new(hidden), Arc::new(Activation::Relu), Arc::new(outputs)];
        let found = certified(layers, Norm::L2, &[0.0]);
        // K5 adds the slopes of both sides at half: 100 everywhere.
        assert!((0.0099..=0.01).contains(&found.global_radius), "{}", found.global_radius);
        // The search stops within a hundredth.
        assert!((0.98..=1.01).contains(&found.local_radius), "{}", found.local_radius);
    }
}
