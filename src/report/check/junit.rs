//! JUnit XML: a suite for each model, a test case for each threshold.

use super::{Outcome, Verdict, by_model, counts};
use crate::report::Style;

/// The results as an XML document. Thresholds that are not certified are failures, models that could not
/// be checked are errors.
pub fn write(outcomes: &[Outcome], _: Style) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    text.push_str(&format!("<testsuites name=\"lipbound\" {}>\n", attributes(outcomes)));
    for (model, results) in by_model(outcomes) {
        let results: Vec<Outcome> = results.into_iter().cloned().collect();
        let name = escaped(model);
        text.push_str(&format!("  <testsuite name=\"{name}\" {}>\n", attributes(&results)));
        for result in &results {
            text.push_str(&case(&name, result));
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn attributes(outcomes: &[Outcome]) -> String {
    let [_, refuted, undecided, failed] = counts(outcomes);
    format!("tests=\"{}\" failures=\"{}\" errors=\"{failed}\"", outcomes.len(), refuted + undecided)
}

fn case(model: &str, result: &Outcome) -> String {
    let (name, child) = match result {
        Ok(check) => {
            let name = escaped(&format!("{} at most {}", check.norm, check.limit.shown()));
            let sentence = escaped(&check.sentence());
            let child = if check.verdict == Verdict::Certified {
                format!("<system-out>{sentence}</system-out>")
            } else {
                format!("<failure type=\"{}\" message=\"{sentence}\"/>", check.verdict.id())
            };
            (name, child)
        }
        Err(failure) => {
            let message = escaped(&failure.error);
            ("reading".to_owned(), format!("<error type=\"error\" message=\"{message}\"/>"))
        }
    };
    format!(
        "    <testcase classname=\"{model}\" name=\"{name}\">\n      {child}\n    </testcase>\n"
    )
}

/// Text for XML 1.0, in which some characters cannot be written at all.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\r' => escaped.push_str("&#13;"),
            '\t' => escaped.push_str("&#9;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
