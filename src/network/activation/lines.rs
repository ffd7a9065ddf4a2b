//! Straight lines below and above an activation on an interval.
//!
//! For a given slope `s` the intercepts are the ends of the range of `g(x) = f(x) - s x`. A piecewise
//! linear function has its extrema at ends and kinks; a smooth one is enclosed piece by piece with the
//! mean value theorem, `g(x) = g(m) + (f'(xi) - s) (x - m)`.

use super::Activation;
use crate::numeric::Interval;
use crate::numeric::rounding::{max_up, mul_down, sub_up};

/// `low.0 x + low.1 <= f(x) <= high.0 x + high.1` for all `x` of an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lines {
    /// Slope and intercept of the line below.
    pub low: (f64, f64),
    /// Slope and intercept of the line above.
    pub high: (f64, f64),
}

/// Into how many pieces an interval is cut for a smooth function.
const PIECES: usize = 16;

impl Activation {
    /// Lines below and above the function on `x`: the chord or a tangent, whichever is nearer to the
    /// function in the middle of the interval. On an unbounded interval, lines of slope 0 (whose
    /// intercepts may be infinite).
    pub fn lines(&self, x: Interval) -> Lines {
        if *self == Activation::Identity {
            return Lines { low: (1.0, 0.0), high: (1.0, 0.0) };
        }
        if *self == Activation::Relu {
            return relu_lines(x);
        }
        if !x.lo.is_finite() || !x.hi.is_finite() {
            let values = self.value(x);
            return Lines { low: (0.0, values.lo), high: (0.0, values.hi) };
        }
        let pieces = self.pieces(x);
        let middle = x.midpoint();
        #[expect(clippy::float_arithmetic, reason = "any slope will do: intercepts are enclosed")]
        let chord = if x.width() > 0.0 {
            (self.eval(x.hi) - self.eval(x.lo)) / (x.hi - x.lo)
        } else {
            self.slope_at(x.lo)
        };
        let slopes = [chord, self.slope_at(x.lo), self.slope_at(middle), self.slope_at(x.hi)];
        let lines = slopes.iter().filter(|s| s.is_finite()).map(|&s| (s, intercepts(&pieces, s)));
        let mut best: Option<Lines> = None;
        for (s, range) in lines.chain([(0.0, self.value(x))]) {
            let line = Lines { low: (s, range.lo), high: (s, range.hi) };
            let best = best.get_or_insert(line);
            #[expect(clippy::float_arithmetic, reason = "chooses one of two lines that both hold")]
            let at = |l: (f64, f64)| l.0 * middle + l.1;
            if at(line.low) > at(best.low) {
                best.low = line.low;
            }
            if at(line.high) < at(best.high) {
                best.high = line.high;
            }
        }
        best.unwrap_or(Lines { low: (0.0, f64::NEG_INFINITY), high: (0.0, f64::INFINITY) })
    }

    /// Points with enclosures of the values, and the pieces around them with those of the slopes; a
    /// piece without a width is a point at which the function was evaluated exactly enough.
    fn pieces(&self, x: Interval) -> Vec<Piece> {
        let point = |p: f64| Piece {
            at: p,
            value: self.value(Interval::point(p)),
            slopes: Interval::ZERO,
            below: 0.0,
            above: 0.0,
        };
        if self.is_piecewise_linear() && self.kinks().iter().all(|k| k.lo == k.hi) {
            let kinks = self.kinks().into_iter().map(|k| k.lo).filter(|&k| x.contains(k));
            return [x.lo, x.hi].into_iter().chain(kinks).map(point).collect();
        }
        // Rounding, overflow of the width and the limits keep the order of the nodes: the pieces cover x.
        #[expect(clippy::float_arithmetic, reason = "any nodes in this order will do")]
        let node = |i: usize| match i {
            0 => x.lo,
            PIECES => x.hi,
            _ => (x.lo + i as f64 * ((x.hi - x.lo) / PIECES as f64)).clamp(x.lo, x.hi),
        };
        (0..PIECES)
            .map(|i| {
                let part = Interval::new(node(i), node(i + 1));
                let at = part.midpoint();
                Piece {
                    at,
                    value: self.value(Interval::point(at)),
                    slopes: self.derivative(part),
                    below: sub_up(at, part.lo),
                    above: sub_up(part.hi, at),
                }
            })
            .collect()
    }
}

/// A part `[at - below, at + above]` of an interval.
struct Piece {
    at: f64,
    value: Interval,
    slopes: Interval,
    below: f64,
    above: f64,
}

/// An enclosure of `f(x) - s x` over all pieces.
fn intercepts(pieces: &[Piece], s: f64) -> Interval {
    let range = |p: &Piece| {
        let centre = p.value - Interval::point(p.at).scale(s);
        let slopes = p.slopes - Interval::point(s);
        #[expect(clippy::float_arithmetic, reason = "exact: a change of sign")]
        let offset = Interval::new(-p.below, p.above);
        if p.below == 0.0 && p.above == 0.0 { centre } else { centre + slopes * offset }
    };
    pieces.iter().map(range).reduce(Interval::hull).unwrap_or(Interval::ENTIRE)
}

/// The ReLU is convex: it lies below its chord, and above every line through 0 of slope 0 or 1.
fn relu_lines(x: Interval) -> Lines {
    if x.lo >= 0.0 {
        return Lines { low: (1.0, 0.0), high: (1.0, 0.0) };
    }
    if x.hi <= 0.0 {
        return Lines { low: (0.0, 0.0), high: (0.0, 0.0) };
    }
    if x.lo == f64::NEG_INFINITY || x.hi == f64::INFINITY {
        // max(z, 0) <= z - lo, which is finite where lo is.
        let high = if x.lo == f64::NEG_INFINITY { (0.0, x.hi) } else { (1.0, sub_up(0.0, x.lo)) };
        return Lines { low: (0.0, 0.0), high };
    }
    #[expect(clippy::float_arithmetic, reason = "any slope will do: the intercept is rounded up")]
    let slope = x.hi / (x.hi - x.lo);
    // At both ends the chord must not be below the function.
    let at_ends = [sub_up(0.0, mul_down(slope, x.lo)), sub_up(x.hi, mul_down(slope, x.hi))];
    let intercept = max_up(at_ends[0], at_ends[1]);
    #[expect(clippy::float_arithmetic, reason = "chooses one of two lines that both hold")]
    let low = if x.hi > -x.lo { 1.0 } else { 0.0 };
    debug_assert!(intercept >= 0.0);
    Lines { low: (low, 0.0), high: (slope, intercept) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    proptest! {
        #[test]
        fn lines_enclose_the_function(lo in -6.0f64..6.0, width in 0.0f64..8.0, t in 0.0f64..1.0) {
            let x = Interval::new(lo, lo + width);
            let p = (lo + t * width).clamp(x.lo, x.hi);
            for activation in Activation::all() {
                let lines = activation.lines(x);
                // The lines at p, and the value there, in interval arithmetic: they must not cross.
                let line = |l: (f64, f64)| Interval::point(p).scale(l.0) + Interval::point(l.1);
                let value = activation.value(Interval::point(p));
                prop_assert!(line(lines.low).lo <= value.hi, "{activation:?} {x} {p} {lines:?}");
                prop_assert!(line(lines.high).hi >= value.lo, "{activation:?} {x} {p} {lines:?}");
            }
        }
    }

    #[test]
    fn lines_are_tight() {
        // The chord of the ReLU on [-1, 3] is 3/4 (x + 1).
        let lines = Activation::Relu.lines(Interval::new(-1.0, 3.0));
        assert_eq!((lines.low, lines.high), ((1.0, 0.0), (0.75, 0.75)));
        // tanh on [1, 2] is concave: at the middle, the chord is below by 0.0430 and the tangent touches.
        let lines = Activation::Tanh.lines(Interval::new(1.0, 2.0));
        let at = |l: (f64, f64)| l.0 * 1.5 + l.1;
        // The mean value form of 16 pieces is off by at most (1/16 / 2) times the variation of the slope.
        assert!(at(lines.high) - 1.5f64.tanh() < 0.002, "{lines:?}");
        assert!(1.5f64.tanh() - at(lines.low) < 0.043 + 0.011, "{lines:?}");
        // Three pieces: the hard tanh on [-3, 1] is 1 at the end and -1 up to -1: slope 1/2 above.
        let hard = Activation::HardTanh { min: -1.0, max: 1.0 };
        let lines = hard.lines(Interval::new(-3.0, 1.0));
        assert_eq!(lines.high, (0.5, 0.5));
    }
}
