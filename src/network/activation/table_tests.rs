//! The activation table: turning points proved, slopes valid and attained.

use super::table::{
    GELU_CUBIC, SQRT_TWO_OVER_PI, Turning, erf_argument, gelu_argument, sech_squared,
};
use super::{Activation, GeluForm};
use crate::numeric::interval::Interval;
use proptest::prelude::{prop_assert, proptest};

fn samples() -> Vec<Activation> {
    let mut all = Activation::all();
    all.extend([
        Activation::LeakyRelu { negative_slope: -0.5 },
        Activation::LeakyRelu { negative_slope: 3.0 },
        Activation::Prelu { slopes: vec![-1.0, 0.25, 2.0] },
        Activation::Elu { alpha: 2.0 },
        Activation::Elu { alpha: -0.5 },
        Activation::Celu { alpha: 0.25 },
        Activation::Softplus { beta: 3.0 },
        Activation::ErfGelu { multiply: 0.75, divide: 1.0 },
        Activation::ErfGelu { multiply: 1.0, divide: 5.0 },
        Activation::HardSigmoid { alpha: 0.25, beta: 0.5 },
        Activation::HardSigmoid { alpha: -0.25, beta: 0.5 },
        Activation::Clip { min: Some(0.0), max: None },
        Activation::HardTanh { min: 1.0, max: 1.0 },
        Activation::Softshrink { lambda: 0.0 },
    ]);
    all
}

/// Second derivatives up to a positive factor (see `derivative_turnings`).
fn bend(f: &Activation, x: Interval) -> Interval {
    let one = Interval::ONE;
    match f {
        Activation::Silu => {
            let s = x.sigmoid() * (-x).sigmoid();
            s * (Interval::from(2.0) - x * x.scale(0.5).tanh())
        }
        Activation::Gelu { approximate: GeluForm::None } => {
            x.normal_pdf() * (Interval::from(2.0) - x.square())
        }
        Activation::ErfGelu { multiply, divide } => {
            let u = erf_argument(x, *multiply, *divide);
            (-u.square()).exp() * (one - u.square())
        }
        Activation::Gelu { .. } => {
            let (u, y) = (gelu_argument(x), GELU_CUBIC * x.square());
            let inner = one + y.scale(6.0)
                - SQRT_TWO_OVER_PI * x * (one + y.scale(3.0)).square() * u.tanh();
            sech_squared(u) * SQRT_TWO_OVER_PI * inner
        }
        _ => {
            let (t, s) = (x.ln_1p_exp(), x.sigmoid());
            let h = (-x).sigmoid() - t.tanh().scale(2.0) * s;
            sech_squared(t) * s * (Interval::from(2.0) + x * h)
        }
    }
}

/// The place brackets a change of sign of the derivative `d`, and the value of `f` there, by
/// the mean value theorem, lies in the table's.
fn proves(t: &Turning, f: impl Fn(Interval) -> Interval, d: impl Fn(Interval) -> Interval) {
    let (low, high) = (d(t.at.lo.into()), d(t.at.hi.into()));
    assert!(low.hi < 0.0 && high.lo > 0.0 || low.lo > 0.0 && high.hi < 0.0, "{low} {high}");
    let centre = Interval::point(t.at.midpoint());
    let value = f(centre) + d(t.at) * (t.at - centre);
    assert!(t.value.encloses(value), "{} {value}", t.value);
}

#[test]
fn turning_points_are_proved() {
    let forms =
        [GeluForm::None, GeluForm::Tanh].map(|approximate| Activation::Gelu { approximate });
    let erf_gelu = |multiply, divide| Activation::ErfGelu { multiply, divide };
    let others = [
        Activation::Silu,
        Activation::Mish,
        erf_gelu(1.0, f64::from(std::f32::consts::SQRT_2)),
        erf_gelu(f64::from(std::f32::consts::FRAC_1_SQRT_2), 1.0),
        erf_gelu(3.0, 7.0),
    ];
    for f in forms.iter().chain(&others) {
        for mut t in f.derivative_turnings() {
            if let Activation::ErfGelu { .. } = f {
                // Known exactly, or to a rounding.
                t.at = Interval::new(t.at.lo - 1e-9, t.at.hi + 1e-9);
            }
            proves(&t, |x| f.derivative_formula(x), |x| bend(f, x));
        }
        for t in f.value_turnings() {
            proves(&t, |x| f.value_at(x.lo), |x| f.derivative_formula(x));
        }
    }
}

/// The derivative, enclosed on cells that cover the line, stays in the slopes up to the excess
/// of interval arithmetic on a cell.
#[test]
fn slopes_hold_on_the_whole_line() {
    let inf = f64::INFINITY;
    for f in samples() {
        let (lo, hi) = f.slopes();
        let cells = (-40 * 256..40 * 256).map(|i| f64::from(i) / 256.0);
        for c in cells {
            // Not the end points themselves, which may be kinks.
            let d = f.derivative_formula(Interval::new(c.next_up(), (c + 1.0 / 256.0).next_down()));
            assert!(d.lo >= lo - 0.02 && d.hi <= hi + 0.02, "{f:?} at {c}: {d}");
        }
        for tail in [Interval::new(-inf, -40.0), Interval::new(40.0, inf)] {
            let d = f.derivative(tail);
            assert!(lo <= d.lo && d.hi <= hi, "{f:?}: {d}");
        }
    }
}

/// Some enclosed derivative (or limit) comes within 1e-9 of each end of the slopes.
#[test]
fn slopes_are_attained() {
    for f in samples() {
        let (lo, hi) = f.slopes();
        let grid = (-4000..=4000).map(|i| f64::from(i) / 100.0 + 1e-12);
        let turns = f.derivative_turnings();
        let points: Vec<f64> = grid
            .chain(turns.iter().map(|t| t.at.midpoint()))
            .chain([
                std::f64::consts::PI,
                std::f64::consts::FRAC_PI_2,
                -std::f64::consts::FRAC_PI_2,
            ])
            .chain([f64::INFINITY, f64::NEG_INFINITY])
            .collect();
        let near = |end: f64| {
            let step = |x: &f64| [x.next_down(), *x, x.next_up()];
            let mut tried = points.iter().flat_map(step).map(|x| f.derivative_formula(x.into()));
            tried.any(|d| (d.lo - end).abs() < 1e-9 && (d.hi - end).abs() < 1e-9)
        };
        let prelu = matches!(f, Activation::Prelu { .. });
        assert!(prelu || (near(lo) && near(hi)), "{f:?}: {lo} {hi}");
    }
}

#[test]
fn known_slopes() {
    let slopes = |name: &str| Activation::parse(name).map(|f| f.slopes());
    assert_eq!(slopes("relu"), Some((0.0, 1.0)));
    assert_eq!(slopes("sigmoid"), Some((0.0, 0.25)));
    assert_eq!(slopes("tanh"), Some((0.0, 1.0)));
    assert_eq!(slopes("identity"), Some((1.0, 1.0)));
    assert_eq!(slopes("hard_swish"), Some((-0.5, 1.5)));
    assert_eq!(slopes("abs"), Some((-1.0, 1.0)));
    assert_eq!(slopes("elu"), Some((0.0, 1.0)));
    let selu = Activation::Selu.slopes();
    assert!(selu.0 == 0.0 && selu.1 >= 1.758_099_340_847_376_8 && selu.1 < 1.758_099_340_847_379);
    assert_eq!(Activation::Prelu { slopes: vec![0.5, -2.0] }.slopes_of_channel(1), (-2.0, 1.0));
}

#[test]
fn kinks_count_at_the_ends() {
    let (relu, at) =
        (Activation::Relu, |lo, hi| Activation::Relu.derivative(Interval::new(lo, hi)));
    assert_eq!(relu.derivative(Interval::ZERO), Interval::new(0.0, 1.0));
    assert_eq!(at(1.0, 2.0), Interval::ONE);
    assert_eq!(at(0.0, 2.0), Interval::new(0.0, 1.0));
    assert_eq!(at(-2.0, -1.0), Interval::ZERO);
}

proptest! {
    /// Values and difference quotients of points of an interval lie in the enclosures.
    #[test]
    fn enclosures_hold(a in -12f64..12.0, w in 0f64..6.0, s in 0f64..1.0, t in 0f64..1.0) {
        let x = Interval::new(a, a + w);
        let (p, q) = ((a + s * w).min(x.hi), (a + t * w).min(x.hi));
        for f in samples() {
            let (y, d) = (f.value(x), f.derivative(x));
            let (fp, fq) = (f.value(p.into()), f.value(q.into()));
            prop_assert!(y.lo <= fp.hi && fp.lo <= y.hi, "{f:?} {x} {p}");
            let prelu = matches!(f, Activation::Prelu { .. });
            prop_assert!(prelu || fp.width() <= 1e-13, "{f:?} {p}: {fp}");
            prop_assert!(d.intersect(f.derivative(p.into())).is_some());
            if p != q && !prelu {
                let quotient = (fp - fq) / (Interval::from(p) - q.into());
                prop_assert!(d.intersect(quotient).is_some(), "{f:?} {x} {p} {q}: {d} {quotient}");
            }
            let slopes = f.slopes();
            prop_assert!(d.lo >= slopes.0 - 1e-14 && d.hi <= slopes.1 + 1e-14, "{f:?} {d}");
        }
    }
}
