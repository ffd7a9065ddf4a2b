//! Comma-separated values: one row per model, norm and bound.

use super::comparison::{Change, Comparison};
use super::{Report, Style, Symbols, number};
use crate::numeric::Norm;

/// The reports as CSV (RFC 4180) with a header. Numbers read back exactly, and the decimals are bounds themselves;
/// what is not known, or not finite, is an empty cell. `lower` is the proved lower bound of L in that norm, `assumed`
/// what all numbers rest on.
pub fn write(reports: &[Report], _: Style) -> String {
    let mut text = String::from("model,norm,bound,lower,upper,guarantee,best,assumed\n");
    for report in reports {
        for norm in &report.norms {
            let best = norm.best();
            for certificate in &norm.bounds {
                let is_best = best.is_some_and(|b| std::ptr::eq(b, certificate));
                let row = [
                    quoted(&report.model),
                    norm.norm.id().to_owned(),
                    certificate.id.to_owned(),
                    lower(norm.lower),
                    upper(certificate.upper),
                    certificate.guarantee.id().to_owned(),
                    if is_best { "true" } else { "false" }.to_owned(),
                    quoted(&report.assumed.join("; ")),
                ];
                text.push_str(&row.join(","));
                text.push('\n');
            }
        }
    }
    text
}

/// A comparison as CSV: the same columns, then those that compare with the baseline. The norms of
/// layers are rows with the layer's name. A model that failed is a row with its error.
pub fn compare(comparison: &Comparison, _: Style, _: Symbols) -> String {
    let mut text = String::from(
        "model,norm,bound,layer,lower,upper,guarantee,best,ratio,change,error,assumed\n",
    );
    let mut push = |row: [String; 12]| {
        text.push_str(&row.join(","));
        text.push('\n');
    };
    for block in &comparison.blocks {
        for &model in &block.order {
            bounds(comparison, model, block.norm, &mut push);
        }
    }
    for block in &comparison.blocks {
        for &model in &block.order {
            layers(comparison, model, block.norm, &mut push);
        }
    }
    for (name, error) in comparison.failures() {
        let mut row: [String; 12] = Default::default();
        row[0] = quoted(name);
        row[10] = quoted(error);
        push(row);
    }
    text
}

fn bounds(comparison: &Comparison, model: usize, norm: Norm, push: &mut impl FnMut([String; 12])) {
    let Some(report) = comparison.report(model, norm) else { return };
    let best = report.best();
    for certificate in &report.bounds {
        let is_best = best.is_some_and(|b| std::ptr::eq(b, certificate));
        let change = comparison.change(model, norm).filter(|_| is_best);
        let ratio = comparison.bound_ratio(model, norm, certificate.id);
        push([
            quoted(&comparison.models[model].name),
            norm.id().to_owned(),
            certificate.id.to_owned(),
            String::new(),
            lower(report.lower),
            upper(certificate.upper),
            certificate.guarantee.id().to_owned(),
            is_best.to_string(),
            ratio_text(ratio.filter(|_| certificate.is_upper_bound())),
            change.map_or("", Change::id).to_owned(),
            String::new(),
            assumed(comparison, model),
        ]);
    }
}

fn layers(comparison: &Comparison, model: usize, norm: Norm, push: &mut impl FnMut([String; 12])) {
    for (index, layer) in comparison.layers(model).unwrap_or_default().iter().enumerate() {
        let mut row: [String; 12] = Default::default();
        row[0] = quoted(&comparison.models[model].name);
        row[1] = norm.id().to_owned();
        row[3] = quoted(&layer.name);
        row[5] = layer.norm(norm).map_or(String::new(), upper);
        row[6] = "upper_bound".to_owned();
        row[8] = ratio_text(comparison.layer_ratio(model, index, norm));
        row[11] = assumed(comparison, model);
        push(row);
    }
}

/// What is assumed of a model.
fn assumed(comparison: &Comparison, model: usize) -> String {
    let report = comparison.models[model].outcome.as_ref().ok();
    report.map_or(String::new(), |report| quoted(&report.assumed.join("; ")))
}

/// An upper bound that reads back exactly; nothing where it is not finite.
fn upper(x: f64) -> String {
    number::upper_to_read_back(x).unwrap_or_default()
}

/// A lower bound that reads back exactly; nothing where it is not known or not finite.
fn lower(x: Option<f64>) -> String {
    x.and_then(number::lower_to_read_back).unwrap_or_default()
}

/// A ratio that reads back exactly; nothing where it is not known or not finite.
fn ratio_text(x: Option<f64>) -> String {
    x.filter(|x| x.is_finite()).map_or(String::new(), |x| format!("{x:?}"))
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
