//! Decimal numbers, exactly: what a user writes is compared without any rounding, and where an `f64` is needed
//! it is enclosed.

use std::cmp::Ordering;
use std::str::FromStr;

use super::Interval;

/// The largest number of digits, and the largest exponent, that a text may have.
const LIMIT: usize = 1000;

/// A nonnegative number `0.d1 d2 d3 ... * 10^exponent`, exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal {
    /// Without zeros at the beginning and the end; empty for zero.
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    /// The exact value of a finite number; `None` where it is negative or not finite.
    pub fn of(x: f64) -> Option<Decimal> {
        if !x.is_finite() || x < 0.0 {
            return None;
        }
        // An f64 has at most 767 significant digits, so none is lost.
        parse(&format!("{:.800e}", x.abs())).ok()
    }

    /// `self * (100 + percent) / 100`.
    pub fn increased_by(&self, percent: &Decimal) -> Decimal {
        let hundred = Decimal { digits: vec![1], exponent: 3 };
        let mut product = self.times(&hundred.plus(percent));
        product.exponent -= 2;
        product.normalised()
    }

    /// The nearest number, for showing only.
    pub fn approximately(&self) -> f64 {
        let digits: String = self.digits.iter().map(|&d| char::from(b'0' + d)).collect();
        format!("0.{digits}0e{}", self.exponent).parse().unwrap_or(f64::NAN)
    }

    fn plus(&self, other: &Decimal) -> Decimal {
        let top = self.exponent.max(other.exponent) + 1;
        let last = |x: &Decimal| x.exponent - x.digits.len() as i64;
        let bottom = last(self).min(last(other));
        // Place p holds the digit of 10^(top - 1 - p).
        let mut digits = vec![0; (top - bottom) as usize];
        for number in [self, other] {
            for (i, digit) in number.digits.iter().enumerate() {
                digits[(top - number.exponent) as usize + i] += digit;
            }
        }
        carry(&mut digits);
        Decimal { digits, exponent: top }.normalised()
    }

    fn times(&self, other: &Decimal) -> Decimal {
        let mut sums = vec![0u32; self.digits.len() + other.digits.len()];
        for (i, a) in self.digits.iter().enumerate() {
            for (j, b) in other.digits.iter().enumerate() {
                // At most 1000 + 767 products of at most 81 meet in one place.
                sums[i + j + 1] += u32::from(*a) * u32::from(*b);
            }
        }
        carry(&mut sums);
        let digits = sums.iter().map(|&digit| digit as u8).collect();
        Decimal { digits, exponent: self.exponent + other.exponent }.normalised()
    }

    fn normalised(mut self) -> Decimal {
        let zeros = self.digits.iter().take_while(|&&d| d == 0).count();
        self.digits.drain(..zeros);
        self.exponent -= zeros as i64;
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        if self.digits.is_empty() {
            self.exponent = 0;
        }
        self
    }
}

/// Moves what is above 9 to the place before; the first place has room for it.
fn carry<T: Copy + TryFrom<u32> + Into<u32>>(places: &mut [T]) {
    let mut carried = 0u32;
    for place in places.iter_mut().rev() {
        let sum: u32 = (*place).into() + carried;
        carried = sum / 10;
        if let Ok(digit) = T::try_from(sum % 10) {
            *place = digit;
        }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Decimal) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            // Without zeros at the ends, the order of the digits is that of the fractions.
            (false, false) => {
                self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits))
            }
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A number of any sign that a user wrote, or that a file holds: exactly, and as `f64`.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    /// The nearest `f64`.
    pub nearest: f64,
    /// The least interval of `f64` around it: a point where it is one, else two neighbours, of which one may be
    /// infinite.
    pub enclosure: Interval,
    /// Its absolute value, where it is no `f64`.
    size: Option<Decimal>,
}

/// Digits with which most numbers can be told from a decimal that is near.
const QUICK: usize = 25;

impl Number {
    /// An `f64`, exactly.
    pub fn of(x: f64) -> Number {
        Number { nearest: x, enclosure: Interval { lo: x, hi: x }, size: None }
    }
}

impl PartialOrd for Number {
    /// The order of the real numbers.
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        let (a, b) = (self.enclosure, other.enclosure);
        // Intervals are between neighbours, which are no ends for numbers inside.
        let order = a.lo.partial_cmp(&b.lo)?.then(a.hi.partial_cmp(&b.hi)?);
        let (Some(x), Some(y), true) = (&self.size, &other.size, order.is_eq()) else {
            return Some(order);
        };
        Some(if a.hi <= 0.0 { y.cmp(x) } else { x.cmp(y) })
    }
}

impl FromStr for Number {
    type Err = String;

    fn from_str(text: &str) -> Result<Number, String> {
        let expected =
            || format!("found {text:?}, expected a finite number such as 0.25, -3 or 1e-3");
        let number = text.trim();
        let (negative, size) = match number.strip_prefix('-') {
            Some(size) if !size.starts_with('+') => (true, size),
            _ => (false, number),
        };
        let decimal: Decimal = size.parse().map_err(|_| expected())?;
        // To nearest, so the decimal lies between the result and one of its neighbours.
        let nearest: f64 = size.parse().map_err(|_| expected())?;
        // Rounding keeps the order, so digits that differ show it; all of them are only needed where they agree.
        let quick = parse(&format!("{nearest:.*e}", QUICK - 1)).ok();
        let quick = quick.filter(|x| decimal.digits.len() <= QUICK && *x != decimal);
        let order = quick.or_else(|| Decimal::of(nearest)).map(|x| x.cmp(&decimal));
        let enclosure = match order {
            Some(Ordering::Equal) => Interval::point(nearest),
            Some(Ordering::Less) => Interval { lo: nearest, hi: nearest.next_up() },
            Some(Ordering::Greater) => Interval { lo: nearest.next_down(), hi: nearest },
            None => Interval { lo: f64::MAX, hi: f64::INFINITY },
        };
        let size = (order != Some(Ordering::Equal)).then_some(decimal);
        if negative {
            #[expect(clippy::float_arithmetic, reason = "exact: a change of sign")]
            return Ok(Number { nearest: -nearest, enclosure: -enclosure, size });
        }
        Ok(Number { nearest, enclosure, size })
    }
}

impl FromStr for Decimal {
    type Err = String;

    fn from_str(text: &str) -> Result<Decimal, String> {
        if text.len() > LIMIT {
            return Err(format!("found {} characters, expected at most {LIMIT}", text.len()));
        }
        parse(text)
    }
}

fn parse(text: &str) -> Result<Decimal, String> {
    let expected =
        || format!("found {text:?}, expected a number such as 50, 0.25 or 1e3, not below 0");
    let number = text.trim().strip_prefix('+').unwrap_or(text.trim());
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().map_err(|_| expected())?),
        None => (number, 0),
    };
    if exponent.unsigned_abs() > LIMIT as u64 {
        return Err(format!("found the exponent {exponent}, expected at most {LIMIT}"));
    }
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: Vec<u8> = whole.bytes().chain(part.bytes()).collect();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(expected());
    }
    let digits = digits.iter().map(|digit| digit - b'0').collect();
    Ok(Decimal { digits, exponent: exponent + whole.len() as i64 }.normalised())
}

#[cfg(test)]
mod tests {
    use super::{Decimal, Number};
    use proptest::prelude::{any, prop_assert, prop_assert_eq, prop_assume, proptest};

    use crate::numeric::Interval;

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("a number")
    }

    #[test]
    fn numbers_are_read_exactly() {
        assert_eq!(decimal("50"), decimal("+5.0e1"));
        assert_eq!(decimal("0.000"), decimal("0e9"));
        assert_eq!(decimal(".5"), decimal("5e-1"));
        assert!(decimal("0") < decimal("1e-300") && decimal("9.99") < decimal("10"));
        // 0.1 as f64 is above one tenth, 0.3 below three tenths; both would be equal after rounding.
        assert!(Decimal::of(0.1).expect("finite") > decimal("0.1"));
        assert!(Decimal::of(0.3).expect("finite") < decimal("0.3"));
        assert_eq!(Decimal::of(0.375), Some(decimal("0.375")));
        assert_eq!(Decimal::of(f64::INFINITY), None);
        for wrong in ["", "-1", "nan", "inf", "1e", "1e5000", "1,5", "0x10", ".", "1 0", "é"] {
            assert!(wrong.parse::<Decimal>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn decimals_are_enclosed_by_neighbours() {
        let of = |text: &str| text.parse().map(|x: Number| (x.enclosure.lo, x.enclosure.hi));
        assert_eq!(of("0.25"), Ok((0.25, 0.25)));
        assert_eq!(of("-3e0"), Ok((-3.0, -3.0)));
        // 0.3 as f64 is below three tenths, 0.1 above one tenth.
        assert_eq!(of("0.3"), Ok((0.3, 0.3f64.next_up())));
        assert_eq!(of("-0.3"), Ok(((-0.3f64).next_down(), -0.3)));
        assert_eq!(of("0.1"), Ok((0.1f64.next_down(), 0.1)));
        assert_eq!(of("1e-400"), Ok((0.0, f64::from_bits(1))));
        assert_eq!(of("-1e400"), Ok((f64::NEG_INFINITY, f64::MIN)));
        for wrong in ["", "nan", "inf", "--1", "-+1", "1,5", "0x10"] {
            assert!(wrong.parse::<Number>().is_err(), "{wrong}");
        }
        let number = |text: &str| text.parse::<Number>().expect("a number");
        assert_eq!(number("0.30"), number("3e-1"));
        // Between the same neighbours, and still different.
        assert_ne!(number("0.30000000000000000001"), number("0.3"));
        assert_eq!(number("-0.5"), Number::of(-0.5));
        for ascending in [
            ["0.3", "0.30000000000000000001"],
            ["-0.3", "0.1"],
            ["-0.31", "-0.3"],
            ["-0.1", "-0.09"],
            ["0.25", "0.3"],
        ] {
            let [a, b] = ascending.map(number);
            assert!(a < b, "{ascending:?}");
            assert!(b > a, "{ascending:?}");
        }
        assert!(number("0.3") > Number::of(0.3) && number("0.3") < Number::of(0.3f64.next_up()));
        assert!(number("1e400") < Number::of(f64::INFINITY));
    }

    #[test]
    fn percentages_are_exact() {
        let increased = |x: &str, percent: &str| decimal(x).increased_by(&decimal(percent));
        assert_eq!(increased("50", "10"), decimal("55"));
        assert_eq!(increased("50", "0"), decimal("50"));
        assert_eq!(increased("0", "10"), decimal("0"));
        assert_eq!(increased("99.9", "0.1"), decimal("99.9999"));
        assert_eq!(increased("1e-20", "1e20"), decimal("1.00000000000000000100e-2"));
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_numbers(x in 0.0..f64::MAX, y in 0.0..f64::MAX) {
            let (a, b) = (Decimal::of(x).expect("finite"), Decimal::of(y).expect("finite"));
            prop_assert_eq!(a.cmp(&b), x.total_cmp(&y));
            prop_assert_eq!(a.approximately(), x);
        }

        #[test]
        fn an_enclosure_is_as_narrow_as_possible(x in any::<f64>(), digits in 1usize..30) {
            prop_assume!(x.is_finite());
            let text = format!("{x:.digits$e}");
            let number: Number = text.parse().expect("a number");
            let Interval { lo, hi } = number.enclosure;
            prop_assert!(lo == hi || lo.next_up() == hi);
            prop_assert!(number.nearest == lo || number.nearest == hi);
            let decimal: Decimal = text.trim_start_matches('-').parse().expect("a number");
            let [small, large] = [lo.abs().min(hi.abs()), lo.abs().max(hi.abs())].map(Decimal::of);
            prop_assert!(small.expect("finite") <= decimal);
            prop_assert!(large.is_none_or(|large| decimal <= large));
        }

        #[test]
        fn percentages_agree_with_integers(x in 0u64..1_000_000_000, p in 0u64..1_000_000) {
            let exact = decimal(&x.to_string()).increased_by(&decimal(&p.to_string()));
            prop_assert_eq!(exact, decimal(&format!("{}e-2", x * (100 + p))));
        }

        #[test]
        fn any_text_is_a_number_or_an_error(text in "[0-9.eE+-]{0,12}") {
            if let Ok(number) = text.parse::<Decimal>() {
                let value: f64 = text.parse().expect("also an f64");
                let close = (number.approximately() - value).abs() <= value.abs() * 1e-15;
                prop_assert!(close || number.approximately() == value);
            }
        }
    }
}
