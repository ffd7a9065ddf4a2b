//! Ksdp: the semidefinite relaxation of K.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::k5;
use super::lengths::{lengths_up, sum_of_absolute_values_up};
use super::perturbation::radius_up;
use super::side_by_side::side_by_side;
use super::{Bound, Certificate, Cost, Problem, Refusal, documented_bound, memory};
use crate::network::Slopes;
use crate::network::fingerprint::Fingerprint;
use crate::numeric::Norm;
use crate::numeric::rounding::{add_up, max_up};
use crate::numeric::sdp::{self, Multipliers, Objective};

documented_bound! { KSdp, "\
The semidefinite (Shor) relaxation of K: LipSDP in l2, its counterparts in l1 and linf.

# Definition
The least value of the Lagrangian dual of max ||W_l D_l ... D_1 W_0|| with one multiplier per neuron for
(d - alpha p)(beta p - d) >= 0, where d is the neuron's output and p its input: in l2 over all outputs
at once, in linf one problem per output row, in l1 one per input column of the transposed network; the
largest of them.

# Source
M. Fazlyab et al., \"Efficient and accurate estimation of Lipschitz constants for deep neural networks\",
NeurIPS 2019 (LipSDP-Neuron, l2); Z. Wang et al., \"A quantitative geometric approach to neural-network
smoothness\", NeurIPS 2022 (GeoLIP, linf).

# Holds for
l1, l2, linf; networks without max-pooling whose maps fit into dense matrices.

# Order
K <= Ksdp <= K1 in every norm, Ksdp <= K5 in l1 and linf.

# Cost
A barrier method: some tens of Newton steps. One takes (N + m)^3/3 operations for the Newton system of N
neurons and, in l1 and linf, m inputs (outputs in l1), and N (4 sum w_r^2 + 8 sum w_r w_{r+1}) for all
else, as layers of width w_r are coupled with their neighbours only. With one problem per row, those are
skipped whose K5 or Kl2 is below the largest bound found, and the others end below it. In the default set
where that is estimated at 5 seconds or less (on two cores). From an hour on a closed-form member of the same
family is used and said aloud.

# Rounding
The solver is not trusted. Its multipliers are checked by a verified factorisation: the matrix of the
dual is enclosed entry by entry and shown positive semidefinite with all rounding errors bounded.
Multipliers of slope intervals of a relative half width far below 1e-4 (a smooth activation on a small
box) are too large for that; those of wider intervals are taken then, by 1e-4, 1e-3 or 1e-2 of the centre. That
costs about as much of the bound, which in l2 can then be above K1.
--certificate writes the multipliers, `lipbound verify` checks them again without the solver.
" }

/// Beyond this estimate of the time, in seconds, the multipliers come from a closed form.
const LONGEST: f64 = 3600.0;

/// Rows that are solved side by side, after the first one, which is alone because the others stop at
/// its bound; fixed, so that the result does not depend on the threads.
const WAVE: usize = 4;

/// The evidence for a bound: enough to check it without the solver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// The bound without the powers of two of the maps, rounding of merged maps not included.
    pub mantissa: f64,
    /// One problem in l2 (`row` is absent); in l1 and linf those rows whose K5 and Kl2 are larger than the bound.
    pub problems: Vec<ProofOfRow>,
}

/// The multipliers of one problem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProofOfRow {
    /// The output (linf) or input (l1).
    pub row: Option<usize>,
    /// The point of the dual problem.
    pub multipliers: Multipliers,
}

impl Bound for KSdp {
    fn id(&self) -> &'static str {
        "k_sdp"
    }

    fn name(&self) -> &'static str {
        "Ksdp"
    }

    fn documentation(&self) -> &'static str {
        DOCUMENTATION
    }

    fn cost(&self, problem: &Problem, norm: Norm) -> Cost {
        let chain = problem.chain();
        if chain.has_pool() {
            return Cost::Refused(Refusal(
                "Ksdp is for componentwise activations, and this network has a max-pooling; K5 handles it".to_owned(),
            ));
        }
        let entries: usize = chain.maps().iter().map(|m| m.rows() * m.columns()).sum();
        let size = chain.neurons() + chain.inputs().min(chain.outputs());
        if entries.saturating_add(size.saturating_mul(size)) > 1 << 28 {
            return Cost::Refused(Refusal(format!(
                "Ksdp needs dense matrices of {} neurons and {entries} weights, too many here; K5 and K1 do not",
                chain.neurons()
            )));
        }
        if seconds(problem, norm) <= 5.0 { Cost::Cheap } else { Cost::Expensive }
    }

    #[expect(clippy::float_arithmetic, reason = "an estimate of memory")]
    fn memory(&self, problem: &Problem, norm: Norm) -> f64 {
        // Copies of the weights with their errors, and the rows that are solved side by side.
        let chain = problem.chain();
        let (inputs, outputs) = (chain.inputs(), chain.outputs());
        let weights: f64 =
            chain.maps().iter().map(|m| 8.0 * m.rows() as f64 * m.columns() as f64).sum();
        let (rows, others) = match norm {
            Norm::L2 => (1, 0),
            Norm::Linf => (outputs, inputs),
            Norm::L1 => (inputs, outputs),
        };
        let neurons: usize = chain.slopes().iter().map(Slopes::inputs).sum();
        let side_by_side = rows.min(WAVE).min(rayon::current_num_threads()).max(1) as f64;
        let head = if norm == Norm::L2 { outputs.min(inputs) } else { 1 };
        let closed = seconds(problem, norm) > LONGEST;
        let each = memory::relaxation(neurons + head, others, !closed);
        let products = if norm == Norm::L2 {
            0.0
        } else {
            memory::products(problem) + memory::of_lanes(memory::product_norm_l2(chain.maps()))
        };
        (3.0 + side_by_side) * weights + side_by_side * each + products
    }

    fn heeds_stop(&self) -> bool {
        true
    }

    fn compute(&self, problem: &Problem, norm: Norm) -> Result<Certificate, Refusal> {
        if let Cost::Refused(refusal) = self.cost(problem, norm) {
            return Err(refusal);
        }
        let task = Task::new(problem, norm)?;
        let solution = match norm {
            Norm::L2 => task.spectral()?,
            Norm::L1 | Norm::Linf => task.rows()?,
        };
        let upper = problem.scaled_up(add_up(solution.proof.mantissa, task.perturbation));
        let mut certificate = Certificate::upper_bound(self.id(), norm, upper);
        certificate.note = solution.note;
        certificate.proof = Some(Arc::new(solution.proof));
        Ok(certificate)
    }
}

/// A rough time in seconds, from measurements on two cores: 60 Newton steps at 50 billion operations a second. Of many
/// rows some take as long as the first one, two at a time; most are skipped or end after a few steps.
#[expect(clippy::float_arithmetic, reason = "an estimate of time")]
fn seconds(problem: &Problem, norm: Norm) -> f64 {
    let chain = problem.chain();
    let (inputs, outputs) = (chain.inputs(), chain.outputs());
    let (rows, others) = match norm {
        Norm::L2 => (1, 0),
        Norm::Linf => (outputs, inputs),
        Norm::L1 => (inputs, outputs),
    };
    let widths: Vec<f64> = chain.slopes().iter().map(|s| s.inputs() as f64).collect();
    let neurons: f64 = widths.iter().sum();
    let squares: f64 = widths.iter().map(|w| w * w).sum();
    let neighbours: f64 = widths.windows(2).map(|w| w[0] * w[1]).sum();
    let step =
        (neurons + others as f64).powi(3) / 3.0 + neurons * (4.0 * squares + 8.0 * neighbours);
    let alike = 0.5 * rows.saturating_sub(1).min(15) as f64;
    let others = 0.05 * rows.saturating_sub(16) as f64;
    (60.0 / 50e9 * step + 0.001) * (1.0 + alike + others)
}

/// Checks a proof without the solver.
///
/// # Errors
/// Which part of it does not prove the bound that it claims.
pub fn verify(problem: &Problem, norm: Norm, proof: &Proof) -> Result<f64, Refusal> {
    let task = Task::new(problem, norm)?;
    let failed = |what: String| Refusal(format!("the certificate does not hold: {what}"));
    let check = |objective: Objective, multipliers: &Multipliers, what: String| match sdp::certify(
        &task.chain,
        objective,
        multipliers,
    ) {
        Some(bound) if bound <= proof.mantissa => Ok(()),
        Some(bound) => Err(failed(format!("{what} proves {bound}, not {}", proof.mantissa))),
        None => Err(failed(format!("the multipliers of {what} prove nothing"))),
    };
    if norm == Norm::L2 {
        let [ProofOfRow { row: None, multipliers }] = proof.problems.as_slice() else {
            return Err(failed("in l2 there is one problem, of no row".to_owned()));
        };
        check(Objective::Spectral, multipliers, "the problem".to_owned())?;
    } else {
        for (row, &known) in task.row_bounds()?.iter().enumerate() {
            if known <= proof.mantissa {
                continue;
            }
            let given = proof.problems.iter().find(|p| p.row == Some(row));
            let Some(given) = given else {
                return Err(failed(format!("row {row} is missing, and its K5 and Kl2 are larger")));
            };
            check(Objective::Row(row), &given.multipliers, format!("row {row}"))?;
        }
    }
    Ok(problem.scaled_up(add_up(proof.mantissa, task.perturbation)))
}

/// A problem in the orientation in which rows are bounded.
struct Task<'a> {
    problem: &'a Problem,
    norm: Norm,
    chain: sdp::Problem,
    /// What the radii of merged maps can add to the norm.
    perturbation: f64,
    /// Whether the multipliers come from a closed form.
    closed: bool,
}

struct Solution {
    proof: Proof,
    note: Option<String>,
}

impl<'a> Task<'a> {
    fn new(problem: &'a Problem, norm: Norm) -> Result<Task<'a>, Refusal> {
        let chain = problem.chain();
        let weights = chain.maps().iter().map(|map| map.matrix.to_dense()).collect();
        let slopes = chain.slopes().iter().map(Slopes::intervals).collect();
        let built =
            sdp::Problem::new(weights, slopes).map_err(|error| Refusal(error.to_string()))?;
        let chain = if norm == Norm::L1 { built.transposed() } else { built };
        let perturbation = radius_up(problem.chain(), norm);
        let closed = seconds(problem, norm) > LONGEST;
        Ok(Task { problem, norm, chain, perturbation, closed })
    }

    fn stopped(&self) -> bool {
        self.problem.options().stop.is_set()
    }

    fn solve(&self, objective: Objective, enough: f64) -> Result<sdp::SdpBound, Refusal> {
        let solved = if self.closed {
            sdp::fast_bound(&self.chain, objective)
        } else {
            sdp::bound_until(&self.chain, objective, enough, &|| self.stopped())
        };
        solved.map_err(|error| Refusal(error.to_string()))
    }

    fn note(&self) -> Option<String> {
        if self.closed {
            #[expect(clippy::float_arithmetic, reason = "a number for a message")]
            let hours = seconds(self.problem, self.norm) / 3600.0;
            return Some(format!(
                "Ksdp: closed-form multipliers, as the best ones would take about {hours:.0} h"
            ));
        }
        self.stopped().then(|| "Ksdp: stopped before it had converged".to_owned())
    }

    fn spectral(&self) -> Result<Solution, Refusal> {
        let solved = self.solve(Objective::Spectral, 0.0)?;
        let problems = vec![ProofOfRow { row: None, multipliers: solved.multipliers }];
        Ok(Solution { proof: Proof { mantissa: solved.upper, problems }, note: self.note() })
    }

    /// The smaller one of K5 and, with K1, Kl2 of each row, without the powers of two.
    fn row_bounds(&self) -> Result<Vec<f64>, Refusal> {
        let oriented = self.problem.oriented(self.norm);
        let start = oriented.start(self.norm);
        let block = k5::apply_up(oriented.chain, oriented.products()?, start);
        let count = self.chain.weights()[0].ncols();
        let lengths = lengths_up(self.problem, self.norm)?.into_iter();
        let k_l2 = lengths.map(|length| sum_of_absolute_values_up(count, length));
        Ok(block.iter().zip(k_l2).map(|(k5, k_l2)| k5.min(k_l2)).collect())
    }

    /// The largest bound over all rows, those first of which the most is known to be possible; a row of which that is
    /// below the largest bound so far is done with.
    fn rows(&self) -> Result<Solution, Refusal> {
        let known = self.row_bounds()?;
        let mut order: Vec<usize> = (0..known.len()).collect();
        order.sort_by(|&i, &j| known[j].total_cmp(&known[i]).then(i.cmp(&j)));
        let (mut best, mut problems, mut given_up) = (0.0, Vec::new(), 0);
        let (first, others) = order.split_at(order.len().min(1));
        let mut done = 0;
        for wave in std::iter::once(first).chain(others.chunks(WAVE)) {
            self.problem.options().progress.say(|| {
                let so_far = self.problem.scaled_up(best);
                format!("Ksdp {}: {done} of {} rows, {so_far:.6} so far", self.norm, known.len())
            });
            done += wave.len();
            let open: Vec<usize> = wave.iter().copied().filter(|&i| known[i] > best).collect();
            if self.stopped() && !problems.is_empty() {
                // What is left keeps what is known of it.
                best = open.iter().map(|&i| known[i]).fold(best, max_up);
                given_up += open.len();
                continue;
            }
            let solved = side_by_side(&open, |&i| self.solve(Objective::Row(i), best));
            for (&row, bound) in open.iter().zip(solved) {
                match bound {
                    Ok(bound) if bound.upper < known[row] => {
                        best = max_up(best, bound.upper);
                        problems
                            .push(ProofOfRow { row: Some(row), multipliers: bound.multipliers });
                    }
                    _ => {
                        best = max_up(best, known[row]);
                        given_up += 1;
                    }
                }
            }
        }
        let mut note = self.note();
        if given_up > 0 && note.is_none() {
            note =
                Some(format!("Ksdp: {given_up} of {} rows are bounded by K5 or Kl2", known.len()));
        }
        problems.sort_by_key(|p| p.row);
        Ok(Solution { proof: Proof { mantissa: best, problems }, note })
    }
}

/// A certificate as a file holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFile {
    /// `lipbound-certificate/2`.
    pub schema: String,
    /// The model as it was named.
    pub model: String,
    /// One entry for each norm.
    pub certificates: Vec<CertificateEntry>,
}

/// The certificate of one norm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateEntry {
    /// `l1`, `l2` or `linf`.
    pub norm: String,
    /// The fingerprint of what is bounded: the layers, the box, the inputs and outputs, and the norm.
    pub subject: String,
    /// The bound that is claimed.
    pub upper: f64,
    /// The evidence.
    pub proof: Proof,
}

/// The name and version of the certificate format.
pub const CERTIFICATE_SCHEMA: &str = "lipbound-certificate/2";

impl CertificateEntry {
    /// The entry for a certificate of this bound, of a network with this fingerprint; `None` for any other bound.
    pub fn of(certificate: &Certificate, network: Fingerprint) -> Option<CertificateEntry> {
        let proof = certificate.proof.as_ref()?;
        Some(CertificateEntry {
            norm: certificate.norm.id().to_owned(),
            subject: network.with_text(certificate.norm.id()).to_string(),
            upper: certificate.upper,
            proof: Proof::clone(proof),
        })
    }

    /// Checks that the entry is of the network with this fingerprint, and proves the bound that it claims.
    ///
    /// # Errors
    /// What does not hold.
    pub fn verify(&self, problem: &Problem, network: Fingerprint) -> Result<f64, Refusal> {
        let norm = Norm::ALL.into_iter().find(|norm| norm.id() == self.norm);
        let norm = norm.ok_or_else(|| Refusal(format!("unknown norm {}", self.norm)))?;
        let subject = network.with_text(norm.id()).to_string();
        if self.subject != subject {
            return Err(Refusal(format!(
                "the certificate is of something else (fingerprint {}, here {subject}): another model, box, part or norm; give --box, --inputs, --outputs and --pooling as they were given to compute",
                self.subject
            )));
        }
        let proved = verify(problem, norm, &self.proof)?;
        if proved <= self.upper {
            Ok(proved)
        } else {
            Err(Refusal(format!("the certificate proves {proved} in {norm}, not {}", self.upper)))
        }
    }
}

#[cfg(test)]
#[path = "k_sdp_tests.rs"]
mod tests;
