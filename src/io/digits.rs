//! Numbers in text. A number stands for the 64-bit floating-point number that is nearest to it, as in Python and
//! numpy, whether it is written as an integer or with decimals. Where it has more digits than that number keeps,
//! the reader says so.

/// What is to be said of numbers in text that lose digits; `None` where none does.
pub(super) fn note<'a>(numbers: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut lost = numbers.filter(|number| !keeps_its_digits(number));
    let first = lost.next()?;
    let shown: String = first.chars().take(40).collect();
    let dots = if shown.len() < first.len() { "..." } else { "" };
    let count = match lost.count() {
        0 => "1 number has".to_owned(),
        more => format!("{} numbers have", more + 1),
    };
    Some(format!(
        "{count} more digits than 64-bit floating point keeps ({shown}{dots}); the nearest such number is taken"
    ))
}

/// Whether the 64-bit number that is nearest, written with as many digits, has the same digits.
fn keeps_its_digits(number: &str) -> bool {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_start_matches('0').trim_end_matches('0');
    let Ok(value) = number.parse::<f64>() else { return true };
    if digits.is_empty() {
        return true;
    }
    // Decimals of 15 digits survive where neighbours are as near as normal numbers are (IEEE 754).
    if digits.len() <= 15 && value.abs() >= f64::MIN_POSITIVE {
        return true;
    }
    // No 64-bit number has more than 767 digits.
    if digits.len() > 767 {
        return false;
    }
    let written = format!("{:.*e}", digits.len() - 1, value.abs());
    let kept = written.split('e').next().unwrap_or_default();
    kept.bytes().filter(u8::is_ascii_digit).eq(digits.bytes())
}

/// The numbers in a JSON text.
pub(super) fn in_json(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit())?;
            rest = &rest[start..];
            if let Some(string) = rest.strip_prefix('"') {
                rest = after_string(string);
                continue;
            }
            let is_part = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            let (number, after) = rest.split_at(end);
            rest = after;
            return Some(number);
        }
    })
}

/// What follows a string whose first quote has been read.
fn after_string(text: &str) -> &str {
    let mut escaped = false;
    for (i, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return &text[i + 1..],
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::{in_json, keeps_its_digits, note};

    #[test]
    fn digits_that_are_lost_are_found() {
        for kept in [
            "0",
            "0.1",
            "-1.5e-7",
            "123456789012345",
            "9007199254740992",
            "36893488147419103232",
            "0.30000000000000004",
            // 0.1 in full, and with as many digits as numpy.savetxt writes.
            "0.1000000000000000055511151231257827021181583404541015625",
            "1.000000000000000056e-01",
            "5e-324",
            "1e308",
        ] {
            assert!(keeps_its_digits(kept), "{kept}");
        }
        for lost in [
            "9007199254740993",
            "0.1000000000000000000",
            "0.10000000000000000001",
            "1.0000000000000000000000001",
            "1e-400",
            "4.8e-324",
        ] {
            let expected = lost == "0.1000000000000000000";
            assert_eq!(keeps_its_digits(lost), expected, "{lost}");
        }
        assert!(!keeps_its_digits(&format!("0.{}", "1".repeat(1000))));
    }

    #[test]
    fn numbers_are_told_from_text() {
        let text = r#"{"a\"1": [1, -2.5e-3], "b2": {"c": 9007199254740993}}"#;
        let found: Vec<&str> = in_json(text).collect();
        assert_eq!(found, ["1", "-2.5e-3", "9007199254740993"]);
        let note = note(in_json(text)).expect("one loses a digit");
        assert!(note.starts_with("1 number has more digits"), "{note}");
        assert_eq!(in_json("\"unfinished 1").count(), 0);
    }
}
