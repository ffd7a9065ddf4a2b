//! The results as JSON: stable and versioned (`lipbound-check/1`).

use serde::Serialize;
use serde_json::value::RawValue;

use super::{Limit, Outcome, Verdict};
use crate::report::{Style, number};

/// The name and version of the format.
const SCHEMA: &str = "lipbound-check/1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    passed: bool,
    checks: Vec<Entry<'a>>,
    failed: Vec<Failed<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    model: &'a str,
    norm: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    verdict: &'static str,
    upper: Option<Box<RawValue>>,
    bound: Option<&'static str>,
    lower: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_increase: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline: Option<f64>,
    message: String,
}

#[derive(Serialize)]
struct Failed<'a> {
    model: &'a str,
    error: &'a str,
}

/// One document. Numbers read back exactly, and the decimals are bounds themselves; `max` is the text that the user wrote.
pub fn write(outcomes: &[Outcome], _: Style) -> String {
    let certified = |o: &Outcome| o.as_ref().is_ok_and(|check| check.verdict == Verdict::Certified);
    let mut document = Document {
        schema: SCHEMA,
        passed: outcomes.iter().all(certified),
        checks: Vec::new(),
        failed: Vec::new(),
    };
    for outcome in outcomes {
        match outcome {
            Ok(check) => {
                let (max, max_increase, baseline) = match &check.limit {
                    Limit::Max { text, .. } => (Some(text.as_str()), None, None),
                    Limit::Increase { percent, baseline, .. } => {
                        (None, Some(percent.as_str()), Some(*baseline))
                    }
                };
                document.checks.push(Entry {
                    model: &check.model,
                    norm: check.norm.id(),
                    scope: check.scope.as_deref(),
                    verdict: check.verdict.id(),
                    upper: check.upper.and_then(|(x, _)| number::json_upper(x)),
                    bound: check.upper.map(|(_, id)| id),
                    lower: check.lower.and_then(number::json_lower),
                    max,
                    max_increase,
                    baseline,
                    message: check.sentence(),
                });
            }
            Err(failure) => {
                document.failed.push(Failed { model: &failure.model, error: &failure.error });
            }
        }
    }
    // Only maps with keys that are not strings could fail to serialise; there are none.
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}
