//! The sets of inputs with given activation patterns: polyhedra, known exactly.
//!
//! On a region where all earlier neurons are on one straight piece each, the argument of a neuron is an
//! affine function `a . x + c` of the input. The weights are binary fractions, so `(a, c)` is known
//! exactly up to a positive factor, as integers. A polyhedron is only ever dropped when exact multipliers
//! `y >= 0` show that it has no inner point: `sum y_i a_i = 0` and `sum y_i c_i < 0` (no point at all),
//! or `= 0` with some `a_i != 0` of positive `y_i` (all points lie in a hyperplane `a_i . x + c_i = 0`). The
//! linear programs that find the multipliers are not trusted (Farkas' lemma; Schrijver, "Theory of Linear
//! and Integer Programming", 1986, section 7.3).
#![expect(
    clippy::float_arithmetic,
    reason = "guesses of points, and of multipliers, which integers verify; signs are exact"
)]

use std::sync::Arc;

use dashu::base::BitTest;
use dashu::integer::IBig;

use super::polyhedron;
use crate::network::exact_map::ExactMap;
use crate::network::ranges::Ranges;
use crate::network::{Activation, InputBox};
use crate::network::{LoweredNetwork, Stage};
use crate::numeric::Interval;
use crate::numeric::dyadic::{Dyadic, dependency, length_in_bits, to_floats, to_integers};
use crate::numeric::lp;

/// Networks with more weights are not represented exactly.
const LARGEST: usize = 1 << 22;

/// The half-space `a . x + c >= 0`, exactly and in floating point.
#[derive(Debug)]
pub struct HalfSpace {
    /// `a` and then `c`, up to a common positive factor.
    exact: Vec<IBig>,
    rounded: lp::HalfSpace,
}

impl HalfSpace {
    pub(super) fn new(row: &[Dyadic]) -> HalfSpace {
        let exact = to_integers(row);
        let mut a = to_floats(&exact);
        let c = a.pop().unwrap_or(0.0);
        HalfSpace { exact, rounded: (a, c) }
    }

    /// The other side of the boundary.
    pub fn opposite(&self) -> HalfSpace {
        let negated = self.rounded.0.iter().map(|x| -x).collect();
        HalfSpace {
            exact: self.exact.iter().map(|x| -x).collect(),
            rounded: (negated, -self.rounded.1),
        }
    }

    /// Its memory in bytes.
    pub fn bytes(&self) -> usize {
        let number = |x: &IBig| size_of::<IBig>() + size_of::<f64>() + x.bit_len() / 8;
        size_of::<HalfSpace>() + self.exact.iter().map(number).sum::<usize>()
    }

    /// Whether the half-space is everything or nothing.
    pub fn is_constant(&self) -> bool {
        self.exact[..self.exact.len() - 1].iter().all(IBig::is_zero)
    }

    /// Whether `a . x + c >= 0` at 0.
    pub fn contains_origin(&self) -> bool {
        self.exact[self.exact.len() - 1] >= IBig::ZERO
    }

    /// `a` and `c`, up to a common positive factor.
    pub(super) fn coefficients(&self) -> &[IBig] {
        &self.exact
    }

    /// Whether `a . x + c > 0`, exactly.
    fn is_inside(&self, x: &[f64]) -> bool {
        let (a, c) = self.exact.split_at(self.exact.len() - 1);
        let terms = a
            .iter()
            .zip(x)
            .map(|(a, &x)| Some(&Dyadic::from_integer(a.clone()) * &Dyadic::new(x)?));
        let start = c.first().map(|c| Dyadic::from_integer(c.clone()));
        let sum = terms.fold(start, |sum, term| Some(sum? + term?));
        sum.is_some_and(|sum| !sum.is_negative() && !sum.is_zero())
    }

    /// How far inside `x` is, roughly: relative to the largest coefficient.
    fn depth(&self, x: &[f64]) -> f64 {
        let (a, c) = &self.rounded;
        let size = a.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        (a.iter().zip(x).map(|(a, x)| a * x).sum::<f64>() + c) / size
    }
}

/// A network whose weights and biases are known exactly, but for its last map.
#[derive(Debug)]
pub struct ExactNetwork {
    /// The maps before the stages.
    maps: Vec<Arc<ExactMap>>,
    inputs: usize,
}

impl ExactNetwork {
    /// `None` where a weight or bias is only known to rounding, or there are too many.
    pub fn new(network: &LoweredNetwork) -> Option<ExactNetwork> {
        if network.value_maps().map(|m| m.matrix.stored_entries()).sum::<usize>() > LARGEST {
            return None;
        }
        let maps = (0..network.stages.len()).map(|r| ExactMap::of(&network.affine_map(r)));
        Some(ExactNetwork { maps: maps.collect::<Option<_>>()?, inputs: network.inputs() })
    }

    /// The half-space of the inputs at which the argument of neuron `k` of stage `r` is at least
    /// `threshold`, where all neurons before it that matter are on one piece within `ranges`; `None`
    /// where one is not.
    pub fn above(
        &self,
        network: &LoweredNetwork,
        ranges: &Ranges,
        (r, k): (usize, usize),
        threshold: f64,
    ) -> Option<HalfSpace> {
        self.half_space(network, ranges, (r, k), threshold, &mut None)
    }

    /// A neuron before neuron `k` of stage `r` that matters to it and is not on one piece, which is why there
    /// is no half-space.
    pub fn undecided(
        &self,
        network: &LoweredNetwork,
        ranges: &Ranges,
        neuron: (usize, usize),
    ) -> Option<(usize, usize)> {
        let mut missing = None;
        self.half_space(network, ranges, neuron, 0.0, &mut missing);
        missing
    }

    /// As [`ExactNetwork::above`]; `missing` gets the neuron for which there is no piece.
    fn half_space(
        &self,
        network: &LoweredNetwork,
        ranges: &Ranges,
        neuron: (usize, usize),
        threshold: f64,
        missing: &mut Option<(usize, usize)>,
    ) -> Option<HalfSpace> {
        Some(HalfSpace::new(&self.argument(network, ranges, neuron, threshold, missing)?))
    }

    /// The argument of a neuron less `threshold`, as an affine function of the input: its gradient, then its constant.
    fn argument(
        &self,
        network: &LoweredNetwork,
        ranges: &Ranges,
        (r, k): (usize, usize),
        threshold: f64,
        missing: &mut Option<(usize, usize)>,
    ) -> Option<Vec<Dyadic>> {
        let mut constant = self.maps[r].bias[k].clone() + -Dyadic::new(threshold)?;
        let mut row = spread(&self.maps[r].rows[k], self.width(r));
        for q in (0..r).rev() {
            let Stage::Componentwise(_) = &network.stages[q] else { return None };
            let activations = network.stages[q].activations()?;
            let mut next = vec![Dyadic::ZERO; self.width(q)];
            for (j, x) in row.iter().enumerate().filter(|(_, x)| !x.is_zero()) {
                let Some((slope, intercept)) = activations[j].piece(ranges.arguments[q][j]) else {
                    // On no piece in particular, but it may be constant: a neuron without weights, say.
                    let mut within = None;
                    let argument = self.argument(network, ranges, (q, j), 0.0, &mut within);
                    let value = argument.and_then(|a| constant_value(activations[j], &a));
                    let Some(value) = value else {
                        *missing = within.or(Some((q, j)));
                        return None;
                    };
                    constant = constant + x * &value;
                    continue;
                };
                if intercept.lo != intercept.hi {
                    return None;
                }
                constant = constant + x * &Dyadic::new(intercept.lo)?;
                let x = x * &Dyadic::new(slope)?;
                if x.is_zero() {
                    continue;
                }
                constant = constant + &x * &self.maps[q].bias[j];
                for (i, w) in &self.maps[q].rows[j] {
                    let sum = std::mem::replace(&mut next[*i], Dyadic::ZERO);
                    next[*i] = sum + &x * w;
                }
            }
            row = next;
        }
        row.push(constant);
        Some(row)
    }

    /// The number of columns of map `r`.
    fn width(&self, r: usize) -> usize {
        r.checked_sub(1).map_or(self.inputs, |q| self.maps[q].rows.len())
    }
}

/// The value of an activation whose argument, an affine function, is a constant; `None` where it is none, or the value is
/// only known to rounding.
fn constant_value(activation: &Activation, argument: &[Dyadic]) -> Option<Dyadic> {
    let (constant, gradient) = argument.split_last()?;
    if gradient.iter().any(|x| !x.is_zero()) {
        return None;
    }
    let exact = |x: Interval| (x.lo == x.hi).then(|| Dyadic::new(x.lo)).flatten();
    let near = constant.enclosure();
    if near.lo == near.hi && activation.is_piecewise_linear() {
        return exact(activation.value(near));
    }
    let (slope, intercept) = activation.piece(near)?;
    Some(&Dyadic::new(slope)? * constant + exact(intercept)?)
}

fn spread(row: &[(usize, Dyadic)], width: usize) -> Vec<Dyadic> {
    let mut out = vec![Dyadic::ZERO; width];
    row.iter().for_each(|(j, x)| out[*j] = x.clone());
    out
}

/// What is known about the inner points of a polyhedron.
#[derive(Debug)]
pub enum Interior {
    /// There are none: proved.
    Empty,
    /// This seems to be one.
    Point(Vec<f64>),
    /// Neither.
    Unknown,
}

/// Looks for an inner point of a polyhedron, the intersection of half-spaces and a box; `hint` may be
/// one.
pub fn interior(
    half_spaces: &[Arc<HalfSpace>],
    input: Option<&InputBox>,
    dimension: usize,
    hint: Option<&[f64]>,
) -> Interior {
    if let Some(x) = hint {
        let inside = half_spaces.iter().all(|h| h.is_constant() || h.depth(x) > 1e-7);
        if inside && input.is_none_or(|b| b.depth(x) >= 0.0) {
            return Interior::Point(x.to_vec());
        }
    }
    if half_spaces.iter().any(|h| h.is_constant() && h.exact.iter().any(|c| *c < IBig::ZERO)) {
        return Interior::Empty;
    }
    let cut: Vec<&HalfSpace> =
        half_spaces.iter().map(|h| h.as_ref()).filter(|h| !h.is_constant()).collect();
    let rounded: Vec<lp::HalfSpace> = cut.iter().map(|h| h.rounded.clone()).collect();
    let whole = vec![Interval::ENTIRE; dimension];
    let sides = input.map_or(whole.as_slice(), InputBox::sides);
    let Some(found) = lp::deepest_point(sides, &rounded) else { return Interior::Unknown };
    if found.depth <= 1e-6 {
        let y = &found.multipliers;
        let proved = match input {
            None => proves_empty(&cut, y),
            Some(input) => proves_empty_in(input, &cut, y) || with_faces(input, &cut, y),
        };
        if proved
            || polyhedron::has_interior(&cut, input.map(InputBox::sides), dimension) == Some(false)
        {
            return Interior::Empty;
        }
    }
    if found.depth > 0.0 { Interior::Point(found.point) } else { Interior::Unknown }
}

/// Whether a polyhedron, the intersection of half-spaces and a box, is proved to have inner points; `hint` may be one.
/// A point of the box that is inside all half-spaces has inner points of the box near it.
pub fn has_interior(
    half_spaces: &[Arc<HalfSpace>],
    input: Option<&InputBox>,
    dimension: usize,
    hint: Option<&[f64]>,
) -> bool {
    let cut: Vec<&HalfSpace> =
        half_spaces.iter().map(|h| h.as_ref()).filter(|h| !h.is_constant()).collect();
    let is_point =
        |x: &[f64]| input.is_none_or(|b| b.contains(x)) && cut.iter().all(|h| h.is_inside(x));
    cut.is_empty()
        || hint.is_some_and(is_point)
        || match input.map(InputBox::points) {
            // What was rounded outwards does not count.
            Some(None) => false,
            Some(points) => polyhedron::has_interior(&cut, points, dimension) == Some(true),
            None => polyhedron::has_interior(&cut, None, dimension) == Some(true),
        }
}

/// Inputs up to which multipliers of the faces of a box are looked for as well.
const FEW_FACES: usize = 32;

/// Whether the multipliers as they are show that there is no inner point in a box: the largest value of
/// `sum y_i (a_i . x + c_i)` in it is negative, or 0, which it is at most on a face of it or where all
/// `a_i . x + c_i` with a multiplier are 0.
fn proves_empty_in(input: &InputBox, cut: &[&HalfSpace], y: &[f64]) -> bool {
    let n = input.dimension();
    let mut sums = vec![Dyadic::ZERO; n + 1];
    let mut any = false;
    for (h, &y) in cut.iter().zip(y).filter(|(_, y)| **y > 0.0) {
        let Some(y) = Dyadic::new(y) else { return false };
        any = true;
        // All half-spaces on the scale of their rounded coefficients.
        let y = y.shifted(-(length_in_bits(&h.exact) as isize));
        for (sum, a) in sums.iter_mut().zip(&h.exact) {
            *sum = std::mem::replace(sum, Dyadic::ZERO) + &Dyadic::from_integer(a.clone()) * &y;
        }
    }
    let mut largest = sums.pop().unwrap_or(Dyadic::ZERO);
    for (sum, side) in sums.iter().zip(input.sides()) {
        let end = if sum.is_negative() { side.lo } else { side.hi };
        let Some(end) = Dyadic::new(end) else { return false };
        largest = largest + sum * &end;
    }
    any && (largest.is_negative() || largest.is_zero())
}

/// Whether exact multipliers of half-spaces and faces show that there is no inner point.
fn with_faces(input: &InputBox, cut: &[&HalfSpace], y: &[f64]) -> bool {
    if input.dimension() > FEW_FACES {
        return false;
    }
    let faces = box_faces(input);
    let mut all = cut.to_vec();
    let mut multipliers = y.to_vec();
    for face in &faces {
        // What is left of sum y a along the face's normal, which points inwards.
        let (normal, _) = &face.rounded;
        let along = |(h, y): (&&HalfSpace, &f64)| {
            y * h.rounded.0.iter().zip(normal).map(|(a, n)| a * n).sum::<f64>()
        };
        let rest: f64 = cut.iter().zip(y).map(along).sum();
        let length: f64 = normal.iter().map(|n| n * n).sum();
        if rest < -1e-12 {
            all.push(face);
            multipliers.push(-rest / length);
        }
    }
    proves_empty(&all, &multipliers)
}

/// The half-spaces whose intersection is the box; constant inputs have none.
fn box_faces(input: &InputBox) -> Vec<HalfSpace> {
    let mut faces = Vec::new();
    for (j, side) in input.sides().iter().enumerate().filter(|(j, _)| !input.is_constant(*j)) {
        for (sign, end) in [(1.0, -side.lo), (-1.0, side.hi)] {
            let mut row = vec![Dyadic::ZERO; input.dimension() + 1];
            if let (Some(one), Some(c)) = (Dyadic::new(sign), Dyadic::new(end)) {
                row[j] = one;
                row[input.dimension()] = c;
                faces.push(HalfSpace::new(&row));
            }
        }
    }
    faces
}

/// Whether multipliers near the given ones prove that there is no inner point.
fn proves_empty(half_spaces: &[&HalfSpace], approximate: &[f64]) -> bool {
    let largest = approximate.iter().fold(0.0f64, |m, y| m.max(*y));
    let support: Vec<usize> =
        (0..approximate.len()).filter(|&i| approximate[i] > 1e-14 * largest).collect();
    let gradient = |i: &usize| {
        let exact = &half_spaces[*i].exact;
        &exact[..exact.len() - 1]
    };
    let gradients: Vec<&[IBig]> = support.iter().map(gradient).collect();
    // The multipliers of the linear program refer to the rounded coefficients, which are the exact ones
    // divided by powers of two that differ from one half-space to the next.
    let powers: Vec<i32> = support.iter().map(|&i| length_in_bits(&half_spaces[i].exact)).collect();
    let least = powers.iter().copied().min().unwrap_or(0);
    let scaled = |(&i, &power): (&usize, &i32)| approximate[i] * 2f64.powi(least - power);
    let near: Vec<f64> = support.iter().zip(&powers).map(scaled).collect();
    let Some(y) = dependency(&gradients, &near) else { return false };
    if y.iter().any(|y| *y < IBig::ZERO) || y.iter().all(IBig::is_zero) {
        return false;
    }
    let constant = |i: usize| &half_spaces[i].exact[half_spaces[i].exact.len() - 1];
    let total = support.iter().zip(&y).fold(IBig::ZERO, |sum, (&i, y)| sum + constant(i) * y);
    let moves = |(a, y): (&&[IBig], &IBig)| !y.is_zero() && a.iter().any(|x| !x.is_zero());
    total < IBig::ZERO || total.is_zero() && gradients.iter().zip(&y).any(moves)
}

#[cfg(test)]
#[path = "halfspace_tests.rs"]
mod tests;
