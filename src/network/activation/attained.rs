//! Slopes that surely occur: the counterpart of enclosures, which contain all that may occur.

use super::Activation;
use crate::numeric::Interval;

/// The width of an enclosure up to which a turning point of the derivative is no jump of it.
const CONTINUOUS: f64 = 1e-14;

/// Multiples of pi / 2 on either side of 0 at which slopes of the periodic functions are looked at.
const QUARTERS: i32 = 8;

impl Activation {
    /// Enclosures of a small slope and of a large one that occur where the argument goes from a number in `from` to one
    /// in `to`; limits at infinite arguments count. As a rule they enclose the ends of the slope interval of that
    /// range.
    pub fn attained_slopes(&self, from: Interval, to: Interval) -> [Interval; 2] {
        if let Activation::Prelu { slopes } = self {
            let leaky = slopes.iter().map(|&a| Activation::LeakyRelu { negative_slope: a });
            let ends = leaky.map(|f| f.attained_slopes(from, to));
            return ends
                .reduce(|[a, b], [c, d]| [least(a, c), largest(b, d)])
                .unwrap_or([Interval::ENTIRE; 2]);
        }
        let mut ends = [self.derivative(from), self.derivative(to)];
        ends = [least(ends[0], ends[1]), largest(ends[0], ends[1])];
        let mut occurs = |slope: Interval| ends = [least(ends[0], slope), largest(ends[1], slope)];
        // All of these arguments occur.
        let between = |x: Interval| from.hi <= x.lo && x.hi <= to.lo;
        let mut points = Vec::new();
        for turning in self.derivative_turnings() {
            let at = turning.at;
            if turning.value.width() > CONTINUOUS {
                points.extend([at.lo.next_down(), at.hi.next_up()]);
            } else if between(at) {
                occurs(turning.value);
            }
        }
        if matches!(self, Activation::Sin | Activation::Cos) {
            #[expect(clippy::float_arithmetic, reason = "any points will do")]
            let places = (-QUARTERS..=QUARTERS).map(|k| f64::from(k) * std::f64::consts::FRAC_PI_2);
            points.extend(places);
        }
        for p in points.into_iter().map(|p| Interval { lo: p, hi: p }).filter(|&p| between(p)) {
            occurs(self.derivative(p));
        }
        ends
    }
}

/// Of two slopes the one that is surely not above the other, as far as that is known.
fn least(a: Interval, b: Interval) -> Interval {
    if b.hi < a.hi { b } else { a }
}

/// Of two slopes the one that is surely not below the other, as far as that is known.
fn largest(a: Interval, b: Interval) -> Interval {
    if b.lo > a.lo { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::activation::GeluForm;

    fn point(x: f64) -> Interval {
        Interval { lo: x, hi: x }
    }

    #[test]
    fn slopes_that_occur_are_the_ends_of_those_that_may() {
        for activation in Activation::all() {
            for (from, to) in
                [(f64::NEG_INFINITY, f64::INFINITY), (-1.0, 2.0), (0.7, 0.700_000_000_000_000_1)]
            {
                let [small, large] = activation.attained_slopes(point(from), point(to));
                let outer = activation.derivative(Interval { lo: from, hi: to });
                assert!(outer.lo <= small.hi && large.lo <= outer.hi, "{activation:?} {from} {to}");
                // A few units in the last place, and 1e-15 for turning points.
                let near = |a: f64, b: f64| (a - b).abs() <= 1e-13 * (1.0 + a.abs());
                let close = near(small.hi, outer.lo) && near(large.lo, outer.hi);
                assert!(close, "{activation:?} {from} {to}: {small:?} {large:?} {outer:?}");
            }
        }
    }

    #[test]
    fn they_are_not_beyond_the_exact_ends() {
        // sigmoid'(6) and the largest slope of GELU, 1/2 + erf(1) / 2 + exp(-1) / sqrt(pi), from mpmath.
        let at = |text: &str| text.parse::<crate::numeric::decimal::Number>().expect("a number");
        let [_, found] =
            Activation::Sigmoid.attained_slopes(point(6.0), point(6.000_000_000_000_001));
        let exact = at("0.002466509291360047818289042420880871");
        assert!(found.lo <= exact.enclosure.lo && exact.nearest * (1.0 - 1e-14) <= found.lo);
        let gelu = Activation::Gelu { approximate: GeluForm::None };
        let [_, found] = gelu.attained_slopes(point(f64::NEG_INFINITY), point(f64::INFINITY));
        let exact = at("1.12890414518515478634074444226197331");
        assert!(found.lo <= exact.enclosure.lo && exact.nearest * (1.0 - 1e-14) <= found.lo);
        let relu = Activation::Relu.attained_slopes(point(f64::NEG_INFINITY), point(f64::INFINITY));
        assert_eq!(relu, [Interval::ZERO, Interval::ONE]);
    }
}
