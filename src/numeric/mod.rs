//! Rigorous floating-point arithmetic: rounding, matrix products, norms.
//!
//! Everything here works in `f64` with the processor's rounding to nearest. A function whose name
//! ends in `_up` returns a number that is not below the exact value, one ending in `_down` a number
//! that is not above it. An overflow gives `+inf` (a valid upper bound), never NaN.

// A bound must not be too small because of rounding: every operation on floating-point numbers is one of
// `numeric::rounding`, or says at its place why it may be rounded to nearest. Tests may calculate freely.
#![cfg_attr(not(test), warn(clippy::float_arithmetic))]

pub mod conv_norm;
pub mod decimal;
pub mod decompose;
pub mod dyadic;
pub mod grid;
pub mod interval;
pub mod lp;
pub mod matrix;
pub mod product;
pub mod rounded_sum;
pub mod rounding;
pub mod sdp;
pub mod sparse;
pub mod spectral;

pub use grid::Grid;
pub use interval::Interval;

pub use matrix::Matrix;
pub use sparse::Csr;

/// The three operator norms in which Lipschitz constants are bounded.
///
/// `||A||_1` is the largest column sum of `|A|`, `||A||_inf` the largest row sum, `||A||_2` the
/// largest singular value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Norm {
    /// The norm induced by the sum of absolute values.
    L1,
    /// The norm induced by the Euclidean length.
    L2,
    /// The norm induced by the largest absolute value.
    Linf,
}

impl Norm {
    /// The three norms, in the order in which they are reported.
    pub const ALL: [Norm; 3] = [Norm::L1, Norm::L2, Norm::Linf];

    /// The name used on the command line and in reports: `l1`, `l2` or `linf`.
    pub fn id(self) -> &'static str {
        match self {
            Norm::L1 => "l1",
            Norm::L2 => "l2",
            Norm::Linf => "linf",
        }
    }
}

impl std::fmt::Display for Norm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.id())
    }
}

/// A finite number as the rational that it is.
#[cfg(test)]
#[allow(clippy::expect_used)] // tests fail by panicking
pub(crate) fn exact(x: f64) -> dashu::rational::RBig {
    dashu::rational::RBig::try_from(x).expect("a finite number is a rational")
}
