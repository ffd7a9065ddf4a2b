//! Sets of inputs: boxes.

use super::lowering::LoweredNetwork;
use super::ranges::{Propagation, Ranges};
use std::sync::Arc;

use super::exact_map::ExactMap;
use super::{Chain, Stage};
use crate::numeric::rounding::sub_down;
use crate::numeric::{Interval, Matrix};

/// The inputs `x` with `lo_j <= x_j <= hi_j`; all ends are finite. An input with `lo_j = hi_j` is held
/// constant.
///
/// Ends that are no floating-point numbers are rounded outwards, so that what holds on the box that is kept holds
/// on the one that was meant. Points at which something is shown to happen are taken from its floating-point
/// numbers: see [`InputBox::contains`].
#[derive(Debug, Clone, PartialEq)]
pub struct InputBox {
    sides: Vec<Interval>,
    /// Whether an input is held constant, at a number in its side.
    held: Vec<bool>,
    /// The sides with their ends rounded inwards; `None` where one of them has no floating-point number.
    points: Option<Vec<Interval>>,
}

impl InputBox {
    /// The box with the given lower and upper ends.
    ///
    /// # Errors
    /// The first input whose ends are not finite or in the wrong order, or all of which are constant.
    pub fn new(ends: &[(f64, f64)]) -> Result<InputBox, String> {
        let points: Vec<(Interval, Interval)> = ends
            .iter()
            .map(|&(lo, hi)| (Interval { lo, hi: lo }, Interval { lo: hi, hi }))
            .collect();
        InputBox::between(&points, |_| false)
    }

    /// The box whose lower and upper ends are only known to lie in intervals. An input is held constant where they
    /// are the same point, or where `held` says that they are the same number.
    ///
    /// # Errors
    /// As [`InputBox::new`].
    pub fn between(
        ends: &[(Interval, Interval)],
        held: impl Fn(usize) -> bool,
    ) -> Result<InputBox, String> {
        for (j, (lo, hi)) in ends.iter().enumerate() {
            let finite = [lo.lo, lo.hi, hi.lo, hi.hi].iter().all(|x| x.is_finite());
            if !finite || lo.lo > hi.lo || lo.hi > hi.hi {
                return Err(format!(
                    "input {j} has the ends {} and {}, expected two finite numbers in order",
                    lo.lo, hi.hi
                ));
            }
        }
        let is_held = |(j, (lo, hi)): (usize, &(Interval, Interval))| lo.lo == hi.hi || held(j);
        let held: Vec<bool> = ends.iter().enumerate().map(is_held).collect();
        if held.iter().all(|&held| held) {
            return Err("the box is a single point, expected an input that can move".to_owned());
        }
        let outwards = |(lo, hi): &(Interval, Interval)| Interval { lo: lo.lo, hi: hi.hi };
        let inwards = |(lo, hi): &(Interval, Interval)| {
            (lo.hi <= hi.lo).then_some(Interval { lo: lo.hi, hi: hi.lo })
        };
        // Where a constant lies exactly makes no difference to the points of the others.
        let points = ends
            .iter()
            .zip(&held)
            .map(|(ends, &held)| if held { Some(outwards(ends)) } else { inwards(ends) });
        let points = points.collect();
        Ok(InputBox { sides: ends.iter().map(outwards).collect(), held, points })
    }

    /// The inputs within `radius` of `center`, input by input; ends that are not floating-point numbers
    /// are moved outwards.
    ///
    /// # Errors
    /// A radius that is not a positive finite number, or a centre that is not finite.
    pub fn around(center: &[f64], radius: f64) -> Result<InputBox, String> {
        let points: Vec<Interval> = center.iter().map(|&c| Interval { lo: c, hi: c }).collect();
        InputBox::around_enclosed(&points, Interval { lo: radius, hi: radius })
    }

    /// The same where centre and radius are only known to lie in intervals.
    ///
    /// # Errors
    /// As [`InputBox::around`].
    pub fn around_enclosed(center: &[Interval], radius: Interval) -> Result<InputBox, String> {
        if !(radius.hi > 0.0 && radius.lo >= 0.0 && radius.hi.is_finite()) {
            return Err(format!("the radius is {}, expected a positive finite number", radius.hi));
        }
        let ends = |&c: &Interval| (c - radius, c + radius);
        InputBox::between(&center.iter().map(ends).collect::<Vec<_>>(), |_| false)
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
        self.held[input]
    }

    /// The interval of each input with its ends rounded inwards, so that all of it was meant; `None` where no
    /// floating-point number lies in one.
    pub fn points(&self) -> Option<&[Interval]> {
        self.points.as_deref()
    }

    /// Whether the point lies in the box that was meant.
    pub fn contains(&self, x: &[f64]) -> bool {
        let inside =
            |points: &Vec<Interval>| points.iter().zip(x).all(|(side, &x)| side.contains(x));
        self.points.as_ref().is_some_and(inside)
    }

    /// The nearest point of the box that was meant, where it has floating-point numbers.
    pub fn nearest(&self, x: &mut [f64]) {
        let sides = self.points.as_ref().unwrap_or(&self.sides);
        sides.iter().zip(x).for_each(|(side, x)| *x = x.clamp(side.lo, side.hi));
    }

    /// A number between the ends of a side; `None` where there is none.
    pub fn middle(&self, input: usize) -> Option<f64> {
        let Interval { lo, hi } = self.sides[input];
        if self.held[input] {
            return None;
        }
        Some(self.sides[input].midpoint()).filter(|&middle| lo < middle && middle < hi)
    }

    /// The two halves along an input, which share a face; `None` where the middle is an end.
    pub fn halves(&self, input: usize) -> Option<[InputBox; 2]> {
        let Interval { lo, hi } = self.sides[input];
        let middle = self.middle(input)?;
        let with = |part: Interval| {
            let mut half = self.clone();
            half.sides[input] = part;
            half.points = half.points.and_then(|mut points| {
                points[input] = points[input].intersect(part)?;
                Some(points)
            });
            half
        };
        Some([with(Interval { lo, hi: middle }), with(Interval { lo: middle, hi })])
    }

    /// Half the width of a side, rounded to nearest.
    #[expect(
        clippy::float_arithmetic,
        reason = "to nearest, as it says: for the order of a search"
    )]
    pub fn radius(&self, input: usize) -> f64 {
        if self.held[input] {
            return 0.0;
        }
        0.5 * self.sides[input].hi - 0.5 * self.sides[input].lo
    }

    /// A lower bound of the distance of `x` from the faces of the box in the maximum norm; negative
    /// outside. Constant inputs have no faces.
    pub fn depth(&self, x: &[f64]) -> f64 {
        let free = self.sides.iter().zip(x).zip(&self.held).filter(|(_, held)| !**held);
        free.map(|((side, &x), _)| sub_down(x, side.lo).min(sub_down(side.hi, x)))
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

    /// A network on a box with the slopes of all inputs; those that the box holds constant still are. `None` where it is
    /// not on a box.
    pub fn everywhere(&self) -> Option<LoweredNetwork> {
        self.input.as_ref()?;
        let slopes = self.stages.iter().map(Stage::slopes).collect();
        let chain = Chain::new(self.chain.maps().to_vec(), slopes);
        Some(LoweredNetwork { chain, input: None, ..self.clone() })
    }

    /// The same, where all inputs may move.
    fn narrowed(&self, input: &InputBox) -> LoweredNetwork {
        let limits = Ranges::unlimited(self);
        // The box has points, so a result that there are none cannot occur; ranges without limits hold
        // all the same.
        let ranges = Propagation::new(self).ranges(input, &limits).unwrap_or(limits);
        let (mut maps, mut biases) = (self.chain.maps().to_vec(), self.biases.clone());
        let mut exact = self.exact.clone();
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
            let constant = |j: usize| input.is_constant(j).then(|| input.sides()[j]);
            let whole = ExactMap::of(&self.affine_map(0));
            exact[0] = whole.and_then(|map| map.with_constants(constant)).map(Arc::new);
            let first = &mut maps[0];
            (first.matrix, first.radius) = (free(&first.matrix), first.radius.as_ref().map(free));
        }
        LoweredNetwork {
            chain: Chain::new(maps, ranges.slopes(self)),
            biases,
            exact,
            stages: self.stages.clone(),
            input: Some(input.clone()),
            moved: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::decimal::Number;
    use crate::numeric::exact;

    #[test]
    fn boxes_are_checked() {
        assert!(InputBox::new(&[(0.0, 1.0), (2.0, 1.0)]).is_err());
        assert!(InputBox::new(&[(0.0, f64::INFINITY)]).is_err());
        assert!(InputBox::new(&[(1.0, 1.0)]).is_err());
        assert!(InputBox::around(&[0.5], -0.1).is_err());
    }

    #[test]
    fn decimal_ends_are_rounded_outwards_and_points_inwards() {
        let of = |text: &str| text.parse::<Number>().expect("a decimal").enclosure;
        let b = InputBox::between(&[(of("0"), of("0.3")), (of("0.3"), of("1"))], |_| false)
            .expect("a box");
        // 0.3 as f64 is below three tenths.
        assert_eq!((b.sides()[0].lo, b.sides()[0].hi), (0.0, 0.3f64.next_up()));
        assert!(b.contains(&[0.3, 0.5]) && !b.contains(&[0.3f64.next_up(), 0.5]));
        assert!(!b.contains(&[0.3, 0.3]));
        // Between two neighbours there is no point to look at.
        let empty = InputBox::between(
            &[(of("0.30000000000000000001"), of("0.30000000000000000002"))],
            |_| false,
        );
        assert!(empty.expect("a box").points().is_none());
    }

    #[test]
    fn a_box_contains_what_it_is_made_of() {
        // 0.1 + 0.2 rounds up and 0.1 - 0.2 is inexact: both ends must lie outside.
        let b = InputBox::around(&[0.1, 0.0], 0.2).expect("a box");
        assert!(exact(b.sides()[0].hi) >= exact(0.1) + exact(0.2));
        assert!(exact(b.sides()[0].lo) <= exact(0.1) - exact(0.2));
        // What was meant lies between; neither end of the first input is a floating-point number.
        let points = b.points().expect("points")[0];
        assert!(
            exact(points.hi) <= exact(0.1) + exact(0.2) && points.hi.next_up() == b.sides()[0].hi
        );
        assert!(!b.contains(&[b.sides()[0].hi, 0.0]) && b.contains(&[points.hi, 0.0]));
        let [left, right] = b.halves(1).expect("halves");
        assert_eq!((left.sides()[1].hi, right.sides()[1].lo), (0.0, 0.0));
        assert!(b.contains(&[0.1, 0.2]) && !left.contains(&[0.1, 0.1]));
    }
}
