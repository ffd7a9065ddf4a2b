//! Decimal numbers that are rounded in the safe direction.

/// `x` with the given number of significant digits, rounded up: read back as `f64` it is not below
/// `x`. Infinity is `inf`.
pub fn upper(x: f64, digits: usize) -> String {
    rounded(x, digits, true)
}

/// `x` with the given number of significant digits, rounded down: read back it is not above `x`.
pub fn lower(x: f64, digits: usize) -> String {
    rounded(x, digits, false)
}

fn rounded(x: f64, digits: usize, up: bool) -> String {
    if !x.is_finite() {
        return if x > 0.0 { "inf".to_owned() } else { format!("{x}") };
    }
    if x == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{:.*e}", digits.max(1) - 1, x);
    let value: f64 = scientific.parse().unwrap_or(x);
    let wrong = if up { value < x } else { value > x };
    let text =
        if wrong { stepped(&scientific, (up && x > 0.0) || (!up && x < 0.0)) } else { scientific };
    plain(&text)
}

/// The decimal number with its last digit moved by one, away from zero or towards it.
fn stepped(scientific: &str, away: bool) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let negative = mantissa.starts_with('-');
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let count = digits.len();
    let mut number: u64 = digits.parse().unwrap_or(0);
    let mut exponent: i32 = exponent.parse().unwrap_or(0);
    number = if away { number + 1 } else { number.saturating_sub(1) };
    let mut digits = format!("{number:0count$}");
    if digits.len() > count {
        digits.pop();
        exponent += 1;
    }
    let (head, tail) = digits.split_at(1);
    let sign = if negative { "-" } else { "" };
    let point = if tail.is_empty() { "" } else { "." };
    format!("{sign}{head}{point}{tail}e{exponent}")
}

/// A number in scientific notation written out where that is short, without trailing zeros.
fn plain(scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |s: &str| -> String {
        if s.contains('.') {
            s.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            s.to_owned()
        }
    };
    if !(-5..7).contains(&exponent) {
        return format!("{}e{exponent}", trim(mantissa));
    }
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let point = 1 + exponent;
    let text = if point <= 0 {
        format!("0.{}{digits}", "0".repeat(-point as usize))
    } else if point as usize >= digits.len() {
        format!("{digits}{}", "0".repeat(point as usize - digits.len()))
    } else {
        let (whole, part) = digits.split_at(point as usize);
        format!("{whole}.{part}")
    };
    format!("{sign}{}", trim(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, prop_assume, proptest};

    #[test]
    fn numbers_are_short_and_safe() {
        assert_eq!(upper(1.75, 6), "1.75");
        assert_eq!(upper(1.000_000_1, 6), "1.00001");
        assert_eq!(lower(1.999_999_9, 6), "1.99999");
        assert_eq!(upper(9.999_999, 4), "10");
        assert_eq!(upper(8050.15162, 6), "8050.16");
        assert_eq!(upper(7.708_779_444e9, 6), "7.70878e9");
        assert_eq!(lower(0.000_123_456_78, 4), "0.0001234");
        assert_eq!(upper(f64::INFINITY, 6), "inf");
        assert_eq!(upper(0.0, 6), "0");
        assert_eq!(upper(123_456.0, 3), "124000");
    }

    proptest! {
        #[test]
        fn the_direction_is_kept(x in any::<f64>(), digits in 1usize..12) {
            prop_assume!(x.is_finite());
            let up: f64 = upper(x, digits).parse().expect("a number");
            let down: f64 = lower(x, digits).parse().expect("a number");
            prop_assert!(up >= x && down <= x);
            if x.abs() > 1e-300 && digits > 1 && up.is_finite() && down.is_finite() {
                prop_assert!((up - down).abs() <= 2.0 * x.abs() * 10f64.powi(1 - digits as i32));
            }
        }
    }
}
