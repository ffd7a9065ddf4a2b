//! Sets of inputs: boxes.

use super::Chain;
use super::lowering::LoweredNetwork;
use super::ranges::{Propagation, Ranges};
use crate::numeric::rounding::{add_up, sub_down};
use crate::numeric::{Interval, Matrix};

/// The inputs `x` with `lo_j <= x_j <= hi_j`; all ends are finite. An input with `lo_j = hi_j` is held
/// constant.
#[derive(Debug, Clone, PartialEq)]
pub struct InputBox {
    sides: Vec<Interval>,
}

impl InputBox {
    /// The box with the given lower and upper ends.
    ///
    /// # Errors
    /// The first input whose ends are not finite or in the wrong order, or all of which are constant.
    pub fn new(ends: &[(f64, f64)]) -> Result<InputBox, String> {
        for (j, &(lo, hi)) in ends.iter().enumerate() {
            if !lo.is_finite() || !hi.is_finite() || lo > hi {
                return Err(format!(
                    "input {j} has the ends {lo} and {hi}, expected two finite numbers in order"
                ));
            }
        }
        if ends.iter().all(|(lo, hi)| lo == hi) {
            return Err("the box is a single point, expected an input that can move".to_owned());
        }
        Ok(InputBox { sides: ends.iter().map(|&(lo, hi)| Interval { lo, hi }).collect() })
    }

    /// The inputs within `radius` of `center`, input by input; ends that are not floating-point numbers
    /// are moved outwards.
    ///
    /// # Errors
    /// A radius that is not a positive finite number, or a centre that is not finite.
    pub fn around(center: &[f64], radius: f64) -> Result<InputBox, String> {
        if !(radius > 0.0 && radius.is_finite()) {
            return Err(format!("the radius is {radius}, expected a positive finite number"));
        }
        let ends = |&c: &f64| (sub_down(c, radius), add_up(c, radius));
        InputBox::new(&center.iter().map(ends).collect::<Vec<_>>())
    }

    /// The interval of each input.
    pub fn sides(&self) -> &[Interval] {
        &self.sides
    }

    /// The number of inputs.
    pub fn dimension(&self) -> usize {
        self.sides.len()
    }

    /// Whether the input is held constant.
    pub fn is_constant(&self, input: usize) -> bool {
        self.sides[input].lo == self.sides[input].hi
    }

    /// Whether the point lies in the box.
    pub fn contains(&self, x: &[f64]) -> bool {
        self.sides.iter().zip(x).all(|(side, &x)| side.contains(x))
    }

    /// The nearest point of the box.
    pub fn nearest(&self, x: &mut [f64]) {
        self.sides.iter().zip(x).for_each(|(side, x)| *x = x.clamp(side.lo, side.hi));
    }

    /// A number between the ends of a side; `None` where there is none.
    pub fn middle(&self, input: usize) -> Option<f64> {
        let Interval { lo, hi } = self.sides[input];
        Some(self.sides[input].midpoint()).filter(|&middle| lo < middle && middle < hi)
    }

    /// The two halves along an input, which share a face; `None` where the middle is an end.
    pub fn halves(&self, input: usize) -> Option<[InputBox; 2]> {
        let Interval { lo, hi } = self.sides[input];
        let middle = self.middle(input)?;
        let with = |lo: f64, hi: f64| {
            let mut half = self.clone();
            half.sides[input] = Interval { lo, hi };
            half
        };
        Some([with(lo, middle), with(middle, hi)])
    }

    /// Half the width of a side, rounded to nearest.
    #[expect(
        clippy::float_arithmetic,
        reason = "to nearest, as it says: for the order of a search"
    )]
    pub fn radius(&self, input: usize) -> f64 {
        0.5 * self.sides[input].hi - 0.5 * self.sides[input].lo
    }

    /// A lower bound of the distance of `x` from the faces of the box in the maximum norm; negative
    /// outside. Constant inputs have no faces.
    pub fn depth(&self, x: &[f64]) -> f64 {
        let free = self.sides.iter().zip(x).filter(|(side, _)| side.lo < side.hi);
        free.map(|(side, &x)| sub_down(x, side.lo).min(sub_down(side.hi, x)))
            .fold(f64::INFINITY, f64::min)
    }
}

impl LoweredNetwork {
    /// The network on a box of inputs: every slope interval and pooling window is narrowed to what is
    /// possible there, and inputs that are held constant become part of the biases.
    ///
    /// # Errors
    /// A box of another dimension.
    pub fn on_box(&self, input: &InputBox) -> Result<LoweredNetwork, String> {
        if input.dimension() != self.inputs() {
            return Err(format!(
                "the box has {} inputs, but the model has {}",
                input.dimension(),
                self.inputs()
            ));
        }
        self.through_all_inputs(|network| Ok(network.narrowed(input)))
    }

    /// The same, where all inputs may move.
    fn narrowed(&self, input: &InputBox) -> LoweredNetwork {
        let limits = Ranges::unlimited(self);
        // The box has points, so a result that there are none cannot occur; ranges without limits hold
        // all the same.
        let ranges = Propagation::new(self).ranges(input, &limits).unwrap_or(limits);
        let (mut maps, mut biases) = (self.chain.maps().to_vec(), self.biases.clone());
        if (0..input.dimension()).any(|j| input.is_constant(j)) {
            let fixed = |(j, side): (usize, &Interval)| {
                if input.is_constant(j) { *side } else { Interval::ZERO }
            };
            biases[0] =
                self.affine(0, &input.sides().iter().enumerate().map(fixed).collect::<Vec<_>>());
            let free = |m: &Matrix| {
                let keep = |j: usize, x: f64| if input.is_constant(j) { 0.0 } else { x };
                m.transposed().map(keep).transposed()
            };
            let first = &mut maps[0];
            (first.matrix, first.radius) = (free(&first.matrix), first.radius.as_ref().map(free));
        }
        LoweredNetwork {
            chain: Chain::new(maps, ranges.slopes(self)),
            biases,
            stages: self.stages.clone(),
            input: Some(input.clone()),
            moved: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::exact;

    #[test]
    fn boxes_are_checked() {
        assert!(InputBox::new(&[(0.0, 1.0), (2.0, 1.0)]).is_err());
        assert!(InputBox::new(&[(0.0, f64::INFINITY)]).is_err());
        assert!(InputBox::new(&[(1.0, 1.0)]).is_err());
        assert!(InputBox::around(&[0.5], -0.1).is_err());
    }

    #[test]
    fn a_box_contains_what_it_is_made_of() {
        // 0.1 + 0.2 rounds up and 0.1 - 0.2 is inexact: both ends must lie outside.
        let b = InputBox::around(&[0.1, 0.0], 0.2).expect("a box");
        assert!(exact(b.sides()[0].hi) >= exact(0.1) + exact(0.2));
        assert!(exact(b.sides()[0].lo) <= exact(0.1) - exact(0.2));
        let [left, right] = b.halves(1).expect("halves");
        assert_eq!((left.sides()[1].hi, right.sides()[1].lo), (0.0, 0.0));
        assert!(b.contains(&[0.1, 0.2]) && !left.contains(&[0.1, 0.1]));
    }
}
