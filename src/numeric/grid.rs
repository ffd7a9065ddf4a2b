//! When floating-point sums of products are exact.
//!
//! If all entries of `A` are integer multiples of `2^a` and all entries of `B` of `2^b`, every
//! partial sum of a dot product is a multiple of `2^(a+b)`; while the sum of the absolute products
//! stays below `2^53 * 2^(a+b)` each of them is a floating-point number, so nothing is ever
//! rounded, in any order of summation. Networks with dyadic or quantised weights (the `x^2`
//! networks of Pintore and Despres, 8-bit weights, pooling by averages over 2x2 windows) are
//! computed without any error this way, and their bounds come out as the numbers of the
//! publications, digit for digit.
#![expect(
    clippy::float_arithmetic,
    reason = "exact (0 x, powers of two), or a margin of 2 absorbs the rounding of what is compared"
)]

use ndarray::ArrayView2;
use rayon::prelude::{ParallelIterator, ParallelSlice};

use super::rounding::{exponent, power_of_two, scale};

/// The numbers other than zero whose bits [`Grid::of`] looks at before it gives up on exact sums.
const PROBED: usize = 64;

/// A grid that contains a set of numbers: all are multiples of `2^step` and at most `max` in
/// absolute value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// The largest `e` such that every number is an integer multiple of `2^e`; `i32::MAX` when all
    /// are zero.
    pub step: i32,
    /// The largest absolute value (`+inf` where a number is not finite).
    pub max: f64,
    /// The smallest absolute value that is not zero; `+inf` when all are.
    pub min: f64,
}

impl Grid {
    /// The grid of the number zero alone.
    pub const ZERO: Grid = Grid { step: i32::MAX, max: 0.0, min: f64::INFINITY };

    /// The grid of the given numbers.
    ///
    /// Where the first of them other than zero already need more bits than exact sums allow, `step` is not looked for
    /// any further: it is `i32::MIN`, which claims nothing.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a f64>) -> Grid {
        let mut values = values.into_iter();
        let mut all = Extremes::NONE;
        values.by_ref().filter(|&&x| x != 0.0).take(PROBED).for_each(|&x| all.include::<true>(x));
        if all.grid().is_fine() {
            values.for_each(|&x| all.include::<false>(x));
            return all.without_step();
        }
        values.for_each(|&x| all.include::<true>(x));
        all.grid()
    }

    /// [`Grid::of`] of numbers that lie next to each other in memory: the same grid, faster.
    pub fn of_slice(values: &[f64]) -> Grid {
        let mut probe = Extremes::NONE;
        let nonzero = values.iter().filter(|&&x| x != 0.0);
        nonzero.take(PROBED).for_each(|&x| probe.include::<true>(x));
        // Maxima and minima do not depend on the order.
        if probe.grid().is_fine() {
            Extremes::of_chunks::<false>(values).without_step()
        } else {
            Extremes::of_chunks::<true>(values).grid()
        }
    }

    /// [`Grid::of`] of the entries of a matrix, the faster way where they lie next to each other.
    pub fn of_matrix(matrix: ArrayView2<'_, f64>) -> Grid {
        match matrix.as_slice_memory_order() {
            Some(slice) => Grid::of_slice(slice),
            None => Grid::of(matrix.iter()),
        }
    }

    /// Whether the numbers need more bits than exact sums allow.
    fn is_fine(self) -> bool {
        self.step != i32::MAX && self.max >= power_of_two(52) * power_of_two(self.step.max(-1074))
    }

    /// The numbers times `2^e`, none of which may be rounded, hence all normal.
    pub fn scaled_by_power(self, e: i32) -> Grid {
        let known = self.step != i32::MIN && self.step != i32::MAX;
        let step = if known { self.step + e } else { self.step };
        Grid { step, max: scale(self.max, e), min: scale(self.min, e) }
    }

    /// Whether dot products of `terms` products of a number of `self` and one of `other` are
    /// computed without any rounding error, in every order of summation, fused or not.
    pub fn exact_products(self, other: Grid, terms: usize) -> bool {
        #[cfg(test)]
        if super::rounding::coarse::sums_are_wrong() {
            return false;
        }
        if self.step == i32::MAX || other.step == i32::MAX {
            return true;
        }
        let Some(step) = self.step.checked_add(other.step) else {
            return false;
        };
        // A multiple of 2^step below 2^53 * 2^step has 53 significant bits at most. 2^52 in place
        // of 2^53 absorbs the rounding of the left side.
        (-1074..=900).contains(&step)
            && terms as f64 * self.max * other.max <= power_of_two(52) * power_of_two(step)
    }

    /// Whether no product of a number of `self` and one of `other` underflows. (Sums never do, and a
    /// fused operation only where the sum is subnormal, hence exact.)
    pub fn never_underflows(self, other: Grid) -> bool {
        // Twice the smallest normal number absorbs the rounding of the left side.
        self.min * other.min >= 2.0 * f64::MIN_POSITIVE
    }
}

fn size_or_inf(x: f64) -> f64 {
    if x == 0.0 { f64::INFINITY } else { x.abs() }
}

/// What a pass over numbers finds.
#[derive(Clone, Copy)]
struct Extremes {
    /// The largest and the smallest nonzero absolute value.
    max: f64,
    min: f64,
    /// The smallest of the powers of two that are the last bits of the numbers.
    last_bit: f64,
    /// 0, or NaN where a number is not finite: 0 times that is NaN.
    sum: f64,
}

impl Extremes {
    const NONE: Extremes =
        Extremes { max: 0.0, min: f64::INFINITY, last_bit: f64::INFINITY, sum: 0.0 };

    /// In independent lanes, without branches, so that the compiler keeps them in vector registers.
    fn of<const LAST_BIT: bool>(values: &[f64]) -> Extremes {
        const LANES: usize = 8;
        let mut lanes = [Extremes::NONE; LANES];
        let (chunks, rest) = values.as_chunks::<LANES>();
        for chunk in chunks {
            (0..LANES).for_each(|k| lanes[k].include::<LAST_BIT>(chunk[k]));
        }
        rest.iter().for_each(|&x| lanes[0].include::<LAST_BIT>(x));
        lanes.into_iter().fold(Extremes::NONE, Extremes::and)
    }

    /// The same with a thread for each part of many numbers.
    fn of_chunks<const LAST_BIT: bool>(values: &[f64]) -> Extremes {
        const CHUNK: usize = 1 << 16;
        if values.len() <= CHUNK {
            return Extremes::of::<LAST_BIT>(values);
        }
        let chunks = values.par_chunks(CHUNK).map(Extremes::of::<LAST_BIT>);
        chunks.reduce(|| Extremes::NONE, Extremes::and)
    }

    #[inline(always)]
    fn include<const LAST_BIT: bool>(&mut self, x: f64) {
        let (size, size_or_inf) = (x.abs(), size_or_inf(x));
        self.max = if size > self.max { size } else { self.max };
        self.min = if size_or_inf < self.min { size_or_inf } else { self.min };
        self.sum += 0.0 * x;
        if LAST_BIT {
            // Without the last bit of the fraction; of a power of two, which has none, the bit is the number.
            let bits = size.to_bits();
            let fraction = bits & ((1 << 52) - 1);
            let before =
                if fraction == 0 { 0.0 } else { f64::from_bits(bits & bits.wrapping_sub(1)) };
            let last_bit = size_or_inf - before;
            self.last_bit = if last_bit < self.last_bit { last_bit } else { self.last_bit };
        }
    }

    fn and(self, other: Extremes) -> Extremes {
        Extremes {
            max: f64::max(self.max, other.max),
            min: f64::min(self.min, other.min),
            last_bit: f64::min(self.last_bit, other.last_bit),
            sum: self.sum + other.sum,
        }
    }

    fn grid(self) -> Grid {
        self.with_step(if self.last_bit.is_finite() { exponent(self.last_bit) } else { i32::MAX })
    }

    /// The grid of numbers of which the last bits were not looked for.
    fn without_step(self) -> Grid {
        self.with_step(i32::MIN)
    }

    fn with_step(self, step: i32) -> Grid {
        if self.sum == 0.0 {
            Grid { step, max: self.max, min: self.min }
        } else {
            Grid { step: i32::MIN, max: f64::INFINITY, min: 0.0 }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_the_lowest_bits() {
        assert_eq!(Grid::of(&[1.0, 0.25, -3.0]), Grid { step: -2, max: 3.0, min: 0.25 });
        assert_eq!(Grid::of(&[0.0]), Grid::ZERO);
        assert_eq!(Grid::of(&[5e-324]).step, -1074);
        assert_eq!(Grid::of(&[0.1]).step, -55); // 0.1 = 3602879701896397 * 2^-55
    }

    #[test]
    fn products_underflow_below_the_smallest_normal_number() {
        // Twice 2^-1022, the smallest normal number, is the limit.
        let power = |e: i32| Grid::of(&[power_of_two(e)]);
        assert!(power(0).never_underflows(power(0)));
        assert!(power(-511).never_underflows(power(-510)));
        assert!(!power(-511).never_underflows(power(-511)));
        assert!(!power(-600).never_underflows(power(-600)));
        assert!(Grid::ZERO.never_underflows(power(-1000)));
    }

    #[test]
    fn slices_have_the_same_grid() {
        let fine: Vec<f64> = (0..200).map(|i| (f64::from(i) - 77.0) / 7.0).collect();
        let coarse: Vec<f64> = (0..200).map(|i| f64::from(i % 9) - 4.0).collect();
        for values in [fine, coarse] {
            for n in [0, 1, 64, 65, 72, 79, 200] {
                assert_eq!(Grid::of_slice(&values[..n]), Grid::of(&values[..n]));
            }
            for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let grid = Grid::of_slice(&[1.0, x, 2.0]);
                assert_eq!((grid.step, grid.max, grid.min), (i32::MIN, f64::INFINITY, 0.0));
            }
            for (i, x) in [(3, f64::NAN), (90, f64::NAN), (199, f64::INFINITY), (100, -1e300)] {
                let mut values = values.clone();
                values[i] = x;
                assert_eq!(Grid::of_slice(&values), Grid::of(&values));
            }
        }
    }

    #[test]
    fn last_bits_of_slices_are_those_of_each_number() {
        // Powers of two, all bits set, subnormal numbers and zeros, of both signs.
        let sizes = [0.0, 1.0, 0.75, 3e-308, f64::MIN_POSITIVE, 7e-320, 5e-324, f64::MAX];
        for a in sizes {
            for b in sizes {
                let values = [a, -b];
                assert_eq!(Grid::of_slice(&values), Grid::of(&values), "{values:?}");
                // From the integers of which the numbers are made.
                let last_bit = |x: f64| {
                    let (exponent, fraction) = (x.to_bits() >> 52, x.to_bits() & ((1 << 52) - 1));
                    let whole = if exponent == 0 { fraction } else { fraction | 1 << 52 };
                    whole.trailing_zeros() as i32 + exponent.max(1) as i32 - 1075
                };
                let nonzero = [a, b].into_iter().filter(|&x| x != 0.0);
                let step = nonzero.map(last_bit).min().unwrap_or(i32::MAX);
                // Numbers that need 53 bits or more are not looked at any further.
                let fine = step != i32::MAX && exponent(a.max(b)) >= step + 52;
                assert_eq!(
                    Grid::of(&values).step,
                    if fine { i32::MIN } else { step },
                    "{values:?}"
                );
            }
        }
    }

    #[test]
    fn scaled_grids_are_those_of_scaled_numbers() {
        for values in [vec![], vec![0.0], vec![1.0, -0.25, 3.0], vec![1.0 / 3.0, 7e100]] {
            for e in [-301, -1, 0, 7, 500] {
                let scaled: Vec<f64> = values.iter().map(|x| x * power_of_two(e)).collect();
                assert_eq!(Grid::of(&values).scaled_by_power(e), Grid::of(&scaled), "{values:?}");
            }
        }
    }

    #[test]
    fn exactness_stops_at_53_bits() {
        let integers = Grid { step: 0, max: 1000.0, min: 1.0 };
        assert!(integers.exact_products(integers, 4_000_000_000));
        assert!(!integers.exact_products(integers, 10_000_000_000));
        let tenth = Grid::of(&[0.1]);
        assert!(!tenth.exact_products(tenth, 1));
        assert!(!Grid::of(&[f64::INFINITY]).exact_products(integers, 1));
    }
}
