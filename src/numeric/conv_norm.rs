//! Verified upper bounds of the l2 norm of a zero-padded convolution as an operator.
//!
//! The norm of the kernel reshaped to a matrix is *not* a bound of it (a classical mistake): for the
//! 3x3 kernel of ones that is 3, while the operator on n x n with padding 1 has the norm
//! `(1 + 2 cos(pi / (n + 1)))^2`, which tends to 9.
//!
//! **Reduction.** The operator is `P C Q` with coordinate embeddings `P`, `Q` and the convolution `C`
//! on the whole lattice, or on a circle that is long enough not to join the two ends of the input
//! ([`lattice`]), so its norm is at most that of `C`. A Fourier transform turns `C` into the
//! multiplication by the matrices `K(theta) = sum_o K_o e^(i o theta)`; a stride `s` splits the input
//! in `s` phases per axis that count as channels. Hence, with `G = K K*` or `K* K`,
//! - on circles, `||C||^2` is the largest eigenvalue of `G` over the finitely many frequencies
//!   `2 pi k / N` (Sedghi, Gupta & Long, "The Singular Values of Convolutional Layers", ICLR 2019,
//!   theorem 6), and nothing lies between them;
//! - on the lattice it is the supremum over all frequencies, which finitely many of them bound by an
//!   inequality for trigonometric polynomials ([`cells`]).
//!
//! Each largest eigenvalue is verified ([`symbol`]).

pub mod assembled;
mod cells;
pub mod fields;
mod gather;
mod lattice;
mod part;
mod symbol;

use std::sync::Arc;

use ndarray::{Array4, s};

use super::interval::Interval;
use super::rounding::{exponent, max_up, scale, scale_may_round, scale_up, sqrt_up};
use lattice::Lattice;
use symbol::{Point, Symbol};

pub use lattice::ConvAxis;
pub use part::Part;

/// Floating-point operations that may be spent on one convolution: about a minute.
const LARGEST_WORK: f64 = 6e11;

/// The largest numbers of frequencies on a circle, and of cells on the lattice.
const LARGEST_COUNTS: (usize, usize) = (4096, 16384);

/// The largest number of rows of a symbol, and bytes of its coefficients.
const LARGEST_SYMBOL: (usize, usize) = (1536, 1 << 29);

/// The factor of each channel of `size` elements, given those of the elements; `None` where two of a channel
/// differ.
pub fn of_channels(factors: &[f64], size: usize) -> Option<Vec<f64>> {
    let mut channels = factors.chunks(size);
    let same = channels.all(|c| c.iter().all(|f| f.to_bits() == c[0].to_bits()));
    same.then(|| factors.iter().copied().step_by(size).collect())
}

/// The matrix `2^exponent C` of a convolution (a correlation, as in machine learning) or of its
/// transpose, which has the same norm.
#[derive(Debug, Clone)]
pub struct Convolution {
    /// Output channels x input channels of a group x taps of the two axes.
    kernel: Arc<Array4<f64>>,
    groups: usize,
    axes: [ConvAxis; 2],
    exponent: i32,
}

impl Convolution {
    /// The convolution with this kernel (output channels x input channels of a group x taps x taps),
    /// the output channels being in `groups` consecutive groups of equal size. `None` where shapes do
    /// not fit.
    pub fn new(kernel: Array4<f64>, groups: usize, axes: [ConvAxis; 2]) -> Option<Convolution> {
        let (out, _, height, width) = kernel.dim();
        let fits = groups > 0
            && out.is_multiple_of(groups)
            && [height, width] == [axes[0].taps, axes[1].taps]
            && axes.iter().all(ConvAxis::is_valid);
        fits.then(|| Convolution { kernel: Arc::new(kernel), groups, axes, exponent: 0 })
    }

    /// The convolution multiplied by `2^e`.
    pub fn scaled_by_power(&self, e: i32) -> Convolution {
        Convolution { exponent: self.exponent.saturating_add(e), ..self.clone() }
    }

    /// An upper bound of the norm; `+inf` where the kernel is too large for the work that is allowed
    /// or not finite.
    pub fn norm_up(&self) -> f64 {
        self.bound_up(false)
    }

    /// An upper bound of the norm of the convolution on the whole lattice, for inputs of any size.
    pub fn lattice_norm_up(&self) -> f64 {
        self.bound_up(true)
    }

    fn bound_up(&self, whole: bool) -> f64 {
        let largest = self.kernel.iter().fold(0.0, |m, x| max_up(m, x.abs()));
        if largest == 0.0 || largest.is_infinite() {
            return largest;
        }
        let (Some(vertical), Some(horizontal)) =
            (Lattice::new(&self.axes[0], whole), Lattice::new(&self.axes[1], whole))
        else {
            return 0.0; // no window touches the input
        };
        // Entries below 1. What underflows is at most 2^-1075 per entry of the kernel, in norm at most
        // 2^-1075 times their number. The norm is at least the largest entry, hence 1/2, unless taps cancel on
        // a short circle; then `squared` still has room for rounding in it, 1e-16 or so: covered by `next_up`.
        let shift = exponent(largest) + 1;
        let scaled = |x: f64| scale(x, -shift);
        let inexact = self.kernel.iter().any(|&x| scale_may_round(x, -shift));
        let per_group = self.kernel.dim().0 / self.groups;
        let lattices = [vertical, horizontal];
        let mut points = None;
        let mut squared = 0.0;
        for group in 0..self.groups {
            let kernel =
                self.kernel.slice(s![group * per_group..(group + 1) * per_group, .., .., ..]);
            let Some(symbol) = Symbol::new(&kernel.mapv(scaled), &lattices, LARGEST_SYMBOL) else {
                return f64::INFINITY;
            };
            if symbol.crude_up() > squared {
                squared = max_up(squared, symbol_norm_up(&symbol, &lattices, &mut points));
            }
        }
        let norm = sqrt_up(squared);
        let norm = if inexact { norm.next_up() } else { norm };
        scale_up(norm, shift.saturating_add(self.exponent))
    }
}

/// An upper bound of the largest eigenvalue of a symbol over the frequencies of the lattice; `points`
/// keeps the frequencies of a circle for the other groups.
fn symbol_norm_up(
    symbol: &Symbol,
    lattices: &[Lattice; 2],
    points: &mut Option<Vec<Point>>,
) -> f64 {
    #[expect(clippy::float_arithmetic, reason = "an estimate of work")]
    let affordable = (LARGEST_WORK / symbol.cost()) as usize;
    if let [Some(n), Some(m)] = [lattices[0].circle, lattices[1].circle]
        && n.saturating_mul(m) / 2 <= affordable.min(LARGEST_COUNTS.0)
    {
        let points = points.get_or_insert_with(|| circle_points(symbol, n, m));
        return symbol.largest_up(points);
    }
    symbol.largest_up(&cells::partition(symbol, affordable.min(LARGEST_COUNTS.1)))
}

/// The frequencies `2 pi (j/n, k/m)`; one of each pair of opposite ones, whose symbols are conjugate.
fn circle_points(symbol: &Symbol, n: usize, m: usize) -> Vec<Point> {
    let two_pi = Interval::around(std::f64::consts::PI).scale(2.0);
    let angle = |k: usize, n: usize| two_pi * Interval::point(k as f64) / Interval::point(n as f64);
    let opposite = |(j, k): (usize, usize)| ((n - j) % n, (m - k) % m);
    (0..n * m)
        .map(|i| (i / m, i % m))
        .filter(|&pair| pair <= opposite(pair))
        .map(|(j, k)| symbol.point([angle(j, n), angle(k, m)], 1.0))
        .collect()
}

#[cfg(test)]
#[path = "conv_norm/convolution_tests.rs"]
mod tests;
