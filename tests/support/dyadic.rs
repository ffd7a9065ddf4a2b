//! Exact numbers: an integer times a power of two.
//!
//! Weights, slopes and the factors 2^-l of the definitions are such numbers, and so are their sums and
//! products. Rational numbers would do as well, but look for common divisors after every operation.

use std::cmp::Ordering;

use dashu::base::{Abs, BitTest, Signed};
use dashu::integer::IBig;

/// `mantissa * 2^exponent`.
#[derive(Clone, Debug)]
pub struct Dyadic {
    mantissa: IBig,
    exponent: isize,
}

impl Dyadic {
    pub const ZERO: Dyadic = Dyadic { mantissa: IBig::ZERO, exponent: 0 };
    pub const ONE: Dyadic = Dyadic { mantissa: IBig::ONE, exponent: 0 };

    /// The exact value of a finite number.
    pub fn of(x: f64) -> Dyadic {
        assert!(x.is_finite(), "{x} has no exact value");
        let bits = x.to_bits();
        let (field, fraction) = ((bits >> 52 & 0x7ff) as isize, bits & ((1 << 52) - 1));
        let whole = if field == 0 { fraction } else { fraction | 1 << 52 };
        if whole == 0 {
            return Dyadic::ZERO;
        }
        let zeros = whole.trailing_zeros();
        let mantissa = IBig::from(whole >> zeros);
        let mantissa = if x < 0.0 { -mantissa } else { mantissa };
        Dyadic { mantissa, exponent: field.max(1) - 1075 + zeros as isize }
    }

    pub fn is_zero(&self) -> bool {
        self.mantissa.is_zero()
    }

    pub fn is_negative(&self) -> bool {
        Signed::is_negative(&self.mantissa)
    }

    pub fn abs(&self) -> Dyadic {
        Dyadic { mantissa: self.mantissa.clone().abs(), exponent: self.exponent }
    }

    /// The same times `2^shift`.
    pub fn scaled(&self, shift: isize) -> Dyadic {
        Dyadic { mantissa: self.mantissa.clone(), exponent: self.exponent + shift }
    }

    pub fn negated(&self) -> Dyadic {
        Dyadic { mantissa: -&self.mantissa, exponent: self.exponent }
    }

    pub fn times(&self, other: &Dyadic) -> Dyadic {
        if self.is_zero() || other.is_zero() {
            return Dyadic::ZERO;
        }
        Dyadic {
            mantissa: &self.mantissa * &other.mantissa,
            exponent: self.exponent + other.exponent,
        }
    }

    pub fn plus(&self, other: &Dyadic) -> Dyadic {
        if self.is_zero() {
            return other.clone();
        }
        if other.is_zero() {
            return self.clone();
        }
        let exponent = self.exponent.min(other.exponent);
        Dyadic { mantissa: self.integer(exponent) + other.integer(exponent), exponent }
    }

    pub fn minus(&self, other: &Dyadic) -> Dyadic {
        self.plus(&other.negated())
    }

    /// The number divided by `2^exponent`, which must not exceed its own exponent.
    pub fn integer(&self, exponent: isize) -> IBig {
        if self.is_zero() {
            return IBig::ZERO;
        }
        let shift = usize::try_from(self.exponent - exponent).expect("a common exponent");
        &self.mantissa << shift
    }

    /// The exponent of the last bit, of a number that is not 0.
    pub fn last_bit(&self) -> Option<isize> {
        (!self.is_zero()).then_some(self.exponent)
    }

    /// The exponent of the first bit, of a number that is not 0.
    pub fn first_bit(&self) -> Option<isize> {
        (!self.is_zero()).then(|| self.exponent + self.mantissa.bit_len() as isize - 1)
    }

    /// The number divided by `2^exponent`, to the nearest number (0 and infinity included).
    pub fn to_f64(&self, exponent: isize) -> f64 {
        let Some(first) = self.first_bit() else { return 0.0 };
        // 64 leading bits are enough: what is cut off is below the rounding error of what follows.
        let cut = (self.mantissa.bit_len() as isize - 64).max(0);
        let lead = (&self.mantissa >> cut as usize).to_f64().value();
        let shift = self.exponent + cut - exponent;
        match first - exponent {
            1025.. => f64::INFINITY.copysign(lead),
            ..-1100 => 0.0,
            _ => lead * 2f64.powi((shift / 2) as i32) * 2f64.powi((shift - shift / 2) as i32),
        }
    }

    /// `self / other`, about; both are positive.
    pub fn ratio(&self, other: &Dyadic) -> f64 {
        let (Some(a), Some(b)) = (self.first_bit(), other.first_bit()) else {
            return if self.is_zero() { 0.0 } else { f64::INFINITY };
        };
        let quotient = self.to_f64(a) / other.to_f64(b);
        quotient * 2f64.powi((a - b).clamp(-1100, 1100) as i32)
    }

    pub fn max(self, other: Dyadic) -> Dyadic {
        if self < other { other } else { self }
    }
}

impl PartialEq for Dyadic {
    fn eq(&self, other: &Dyadic) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Dyadic {}

impl PartialOrd for Dyadic {
    fn partial_cmp(&self, other: &Dyadic) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Dyadic {
    fn cmp(&self, other: &Dyadic) -> Ordering {
        let difference = self.minus(other);
        if difference.is_zero() {
            Ordering::Equal
        } else if difference.is_negative() {
            Ordering::Less
        } else {
            Ordering::Greater
        }
    }
}
