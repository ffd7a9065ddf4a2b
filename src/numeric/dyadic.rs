//! Exact arithmetic with the numbers that `f64` holds: integers times powers of two.

use std::ops::{Add, Mul, Neg};

use dashu::base::BitTest;
use dashu::integer::IBig;

use super::Interval;
use super::rounding::{scale_down, scale_up};

/// The number `mantissa * 2^exponent`; sums and products are exact.
#[derive(Debug, Clone)]
pub struct Dyadic {
    mantissa: IBig,
    exponent: isize,
}

impl Dyadic {
    /// The number 0.
    pub const ZERO: Dyadic = Dyadic { mantissa: IBig::ZERO, exponent: 0 };

    /// The number `x`; `None` where it is not finite.
    pub fn new(x: f64) -> Option<Dyadic> {
        if x == 0.0 {
            return Some(Dyadic::ZERO);
        }
        if !x.is_finite() {
            return None;
        }
        let bits = x.abs().to_bits();
        let (biased, fraction) = ((bits >> 52) as isize, bits & ((1 << 52) - 1));
        let (mut mantissa, mut exponent) =
            if biased == 0 { (fraction, -1074) } else { (fraction | 1 << 52, biased - 1075) };
        let zeros = mantissa.trailing_zeros();
        mantissa >>= zeros;
        exponent += zeros as isize;
        let mantissa = IBig::from(mantissa);
        Some(Dyadic { mantissa: if x < 0.0 { -mantissa } else { mantissa }, exponent })
    }

    /// The number times `2^e`.
    pub fn shifted(self, e: isize) -> Dyadic {
        Dyadic { exponent: self.exponent + e, ..self }
    }

    /// The integer `n`.
    pub fn from_integer(n: IBig) -> Dyadic {
        Dyadic { mantissa: n, exponent: 0 }
    }

    /// The least interval of `f64` around the number, or one that is a little wider at the ends of their range.
    pub fn enclosure(&self) -> Interval {
        let extra = self.mantissa.bit_len().saturating_sub(53);
        // Towards minus infinity, so that the next integer is above.
        let low = &self.mantissa >> extra;
        let exact = (low.clone() << extra) == self.mantissa;
        let high = if exact { low.clone() } else { &low + IBig::ONE };
        let float = |x: &IBig| x.to_f64().value();
        let exponent = i32::try_from(self.exponent.saturating_add(extra as isize));
        let exponent = exponent.unwrap_or(if self.exponent > 0 { i32::MAX } else { i32::MIN });
        Interval { lo: scale_down(float(&low), exponent), hi: scale_up(float(&high), exponent) }
    }

    /// Whether the number is below 0.
    pub fn is_negative(&self) -> bool {
        self.mantissa < IBig::ZERO
    }

    /// Whether the number is 0.
    pub fn is_zero(&self) -> bool {
        self.mantissa.is_zero()
    }
}

impl Mul for &Dyadic {
    type Output = Dyadic;
    fn mul(self, other: &Dyadic) -> Dyadic {
        Dyadic {
            mantissa: &self.mantissa * &other.mantissa,
            exponent: self.exponent + other.exponent,
        }
    }
}

impl Add for Dyadic {
    type Output = Dyadic;
    fn add(self, other: Dyadic) -> Dyadic {
        if self.is_zero() {
            return other;
        }
        if other.is_zero() {
            return self;
        }
        let (low, high) =
            if self.exponent <= other.exponent { (self, other) } else { (other, self) };
        let shift = high.exponent.abs_diff(low.exponent);
        Dyadic { mantissa: low.mantissa + (high.mantissa << shift), exponent: low.exponent }
    }
}

impl Neg for Dyadic {
    type Output = Dyadic;
    fn neg(self) -> Dyadic {
        Dyadic { mantissa: -self.mantissa, exponent: self.exponent }
    }
}

/// Integers that have the same ratios as the given numbers: all of them times one power of two.
pub fn to_integers(numbers: &[Dyadic]) -> Vec<IBig> {
    let nonzero = || numbers.iter().filter(|x| !x.is_zero());
    let least = nonzero().map(|x| x.exponent).min().unwrap_or(0);
    let scaled = |x: &Dyadic| {
        if x.is_zero() { IBig::ZERO } else { x.mantissa.clone() << x.exponent.abs_diff(least) }
    };
    numbers.iter().map(scaled).collect()
}

/// The bits of the largest absolute value.
pub fn length_in_bits(integers: &[IBig]) -> i32 {
    integers.iter().map(BitTest::bit_len).max().unwrap_or(0) as i32
}

/// The integers divided by 2 to the power of [`length_in_bits`], to a few units in the last place: the
/// largest absolute value is between 1/2 and 1.
#[expect(clippy::float_arithmetic, reason = "a guess: integers verify what comes of it")]
pub fn to_floats(integers: &[IBig]) -> Vec<f64> {
    let bits = length_in_bits(integers) as usize;
    let drop = bits.saturating_sub(1000);
    let float = |x: &IBig| (x.clone() >> drop).to_f64().value();
    let scale = 2f64.powi(-(bits.saturating_sub(drop) as i32));
    integers.iter().map(|x| float(x) * scale).collect()
}

/// A vector `y` with `sum_i y_i a_i = 0` for integer vectors `a_i` of the same length, near the given
/// approximate one; scaled by a positive number. The exact counterpart of a solution that is only known
/// to rounding: those `y_i` that can be chosen freely are taken from the approximation, the others
/// follow (fraction-free elimination: Bareiss, Math. Comp. 22, 1968).
pub fn dependency(vectors: &[&[IBig]], approximate: &[f64]) -> Option<Vec<IBig>> {
    let (count, length) = (vectors.len(), vectors.first()?.len());
    let mut rows: Vec<Vec<IBig>> =
        (0..length).map(|j| vectors.iter().map(|a| a[j].clone()).collect()).collect();
    let mut pivots: Vec<usize> = Vec::new();
    let mut previous = IBig::ONE;
    // Columns with the largest multipliers become pivots last, so that the free ones are those that are
    // surely positive.
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&i, &j| approximate[i].total_cmp(&approximate[j]));
    for &column in &order {
        let rank = pivots.len();
        let Some(found) = (rank..length).find(|&i| !rows[i][column].is_zero()) else { continue };
        rows.swap(rank, found);
        let pivot_row = rows[rank].clone();
        let pivot = pivot_row[column].clone();
        for (i, row) in rows.iter_mut().enumerate() {
            if i == rank {
                continue;
            }
            let factor = row[column].clone();
            for (x, p) in row.iter_mut().zip(&pivot_row) {
                *x = (&pivot * &*x - &factor * p) / &previous;
            }
        }
        previous = pivot;
        pivots.push(column);
        if rank + 1 == length {
            break;
        }
    }
    // Every pivot row now reads previous * y_pivot + sum over the free columns = 0.
    let free: Vec<usize> = (0..count).filter(|j| !pivots.contains(j)).collect();
    if free.is_empty() {
        return None;
    }
    let chosen: Option<Vec<Dyadic>> = free.iter().map(|&j| Dyadic::new(approximate[j])).collect();
    let chosen = to_integers(&chosen?);
    let mut y = vec![IBig::ZERO; count];
    let negative = previous < IBig::ZERO;
    for (rank, &column) in pivots.iter().enumerate() {
        let sum = free.iter().zip(&chosen).fold(IBig::ZERO, |s, (&j, y)| s + &rows[rank][j] * y);
        y[column] = if negative { sum } else { -sum };
    }
    let scale = if negative { -previous } else { previous };
    for (&j, value) in free.iter().zip(chosen) {
        y[j] = value * &scale;
    }
    Some(y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::exact;
    use proptest::prelude::{any, prop_assert, prop_assume, proptest};

    proptest! {
        #[test]
        fn sums_and_products_are_exact(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(a.is_finite() && b.is_finite());
            let value = |x: Dyadic| {
                let two = dashu::rational::RBig::from(2u8);
                let m = dashu::rational::RBig::from(x.mantissa);
                if x.exponent >= 0 { m * two.pow(x.exponent) } else { m / two.pow(-x.exponent) }
            };
            let (x, y) = (Dyadic::new(a).expect("finite"), Dyadic::new(b).expect("finite"));
            let product = &x * &y;
            let Interval { lo, hi } = product.enclosure();
            let inside = |end: f64, below: bool| match end.is_finite() {
                true => (exact(end) <= exact(a) * exact(b)) == below || exact(end) == exact(a) * exact(b),
                false => (end < 0.0) == below,
            };
            prop_assert!(inside(lo, true) && inside(hi, false) && (hi <= lo.next_up()), "{lo} {hi}");
            prop_assert!(value(&x * &y) == exact(a) * exact(b));
            prop_assert!(value(x + y) == exact(a) + exact(b));
        }

        #[test]
        fn dependencies_are_exact(
            n in 1usize..4, entries in proptest::collection::vec(-9i32..10, 20), y in proptest::collection::vec(1u8..9, 5),
        ) {
            // n + 1 vectors in n dimensions are dependent; and the last one is minus a combination of the others.
            let mut vectors: Vec<Vec<IBig>> =
                (0..n).map(|i| (0..n).map(|j| IBig::from(entries[i * n + j])).collect()).collect();
            let last = (0..n).map(|j| {
                vectors.iter().zip(&y).fold(IBig::ZERO, |s, (v, &y)| s - &v[j] * IBig::from(y))
            }).collect();
            vectors.push(last);
            // Nearly the multipliers, so that those of the pivots have to be found.
            let near = |(i, &y): (usize, &u8)| f64::from(y) + 1e-9 * i as f64;
            let mut approximate: Vec<f64> = y[..n].iter().enumerate().map(near).collect();
            approximate.push(1.0);
            let views: Vec<&[IBig]> = vectors.iter().map(Vec::as_slice).collect();
            let found = dependency(&views, &approximate).expect("a dependency");
            for j in 0..n {
                let sum = vectors.iter().zip(&found).fold(IBig::ZERO, |s, (v, y)| s + &v[j] * y);
                prop_assert!(sum.is_zero());
            }
            // Near the one that it was made from: the same signs.
            prop_assert!(found.iter().all(|y| *y >= IBig::ZERO) && found.iter().any(|y| !y.is_zero()));
        }
    }

    #[test]
    fn floats_keep_the_ratios() {
        let numbers = [1e300, -3e-300, 0.0].map(|x| Dyadic::new(x).expect("finite"));
        let floats = to_floats(&to_integers(&numbers));
        assert!((0.5..=1.0).contains(&floats[0]) && floats[2] == 0.0);
        let ratio = to_floats(&to_integers(&[6.0, -1.5].map(|x| Dyadic::new(x).expect("finite"))));
        assert_eq!(ratio[0] / ratio[1], -4.0);
    }

    #[test]
    fn signs_and_zeros() {
        let of = |x: f64| Dyadic::new(x).expect("finite");
        for x in [1.5, -1.5, 5e-324, -5e-324] {
            assert_eq!((of(x).is_negative(), of(x).is_zero()), (x < 0.0, false));
            assert_eq!((-of(x)).is_negative(), x > 0.0);
            assert_eq!(to_integers(&[of(x) + -of(x), of(x)])[0], IBig::ZERO);
            assert!((&of(x) * &Dyadic::ZERO).is_zero() && !(&of(x) * &of(x)).is_negative());
        }
        assert!(Dyadic::ZERO.is_zero() && !Dyadic::ZERO.is_negative());
        assert!(Dyadic::new(f64::NAN).is_none() && Dyadic::new(f64::INFINITY).is_none());
    }
}
