//! The versions of an operator: which operands, results and attributes it has since which opset.
//!
//! What is not known of a version is an error, because it could change the result.

use super::operators::Call;
use super::table::{CHECKED, Operator};

/// Any number of operands or results.
pub const MANY: usize = usize::MAX;

/// Versions of an operator that have the same operands, results and attributes.
pub struct Version {
    /// The opsets that brought them.
    since: &'static [i64],
    /// The least number of operands.
    least: usize,
    /// The largest number of operands.
    most: usize,
    /// The largest number of results.
    results: usize,
    /// The names of the attributes, `!` behind those that must be given.
    attributes: &'static str,
}

/// The versions since the given opsets, with the least and largest number of operands, the largest number
/// of results and the attributes.
pub const fn v(
    since: &'static [i64],
    least: usize,
    most: usize,
    results: usize,
    attributes: &'static str,
) -> Version {
    Version { since, least, most, results, attributes }
}

/// Checks that an operation has the operands, results and attributes of its version, and no others.
///
/// # Errors
/// The first that it has not, or should not have.
pub fn check(operator: &Operator, call: &Call<'_, '_>) -> Result<(), String> {
    let opset = call.opset;
    let Some((version, since)) = version(operator, opset) else {
        let first = operator.versions.iter().flat_map(|v| v.since).min();
        return Err(format!(
            "exists since version {} of the operators, but the model is of version {opset} (opset)",
            first.copied().unwrap_or(CHECKED)
        ));
    };
    let given = call.inputs.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    let named = call.node.outputs.iter().filter(|name| !name.is_empty()).count();
    let fail = |what: &str, found: usize, least: usize, most: usize| {
        let expected = match (least, most) {
            (least, MANY) => format!("at least {least}"),
            (least, most) if least == most => most.to_string(),
            _ => format!("{least} to {most}"),
        };
        Err(format!(
            "found {found} {what}, expected {expected} in version {since} of this operator, which the model uses (opset {opset}); export the model again"
        ))
    };
    if given < version.least || given > version.most {
        return fail("operand(s)", given, version.least, version.most);
    }
    if named < 1 || call.node.outputs.len() > version.results {
        return fail("result(s)", call.node.outputs.len(), 1, version.results);
    }
    let known = || version.attributes.split_whitespace().map(|name| name.trim_end_matches('!'));
    if let Some(name) = call.attributes.names().find(|name| !known().any(|n| n == *name)) {
        return Err(format!(
            "the attribute {name} does not exist in version {since} of this operator, which the model uses (opset {opset})"
        ));
    }
    let needed = version.attributes.split_whitespace().filter_map(|name| name.strip_suffix('!'));
    match needed.into_iter().find(|name| !call.attributes.has(name)) {
        Some(name) => Err(format!("its attribute {name} is missing; the file is damaged")),
        None => Ok(()),
    }
}

/// The version that is in force, and since when.
fn version(operator: &Operator, opset: i64) -> Option<(&'static Version, i64)> {
    let all = operator.versions.iter().flat_map(|v| v.since.iter().map(move |&since| (v, since)));
    all.filter(|(_, since)| *since <= opset).max_by_key(|(_, since)| *since)
}
