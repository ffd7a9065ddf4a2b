//! Comma-separated values: one row per model, norm and bound.

use super::{Report, Style};

/// The reports as CSV (RFC 4180) with a header. Numbers read back exactly; what is not known, or not
/// finite, is an empty cell. `lower` is the proved lower bound of L in that norm.
pub fn write(reports: &[Report], _: Style) -> String {
    let mut text = String::from("model,norm,bound,lower,upper,guarantee,best\n");
    let number =
        |x: Option<f64>| x.filter(|x| x.is_finite()).map_or(String::new(), |x| format!("{x:?}"));
    for report in reports {
        for norm in &report.norms {
            let best = norm.best();
            for certificate in &norm.bounds {
                let is_best = best.is_some_and(|b| std::ptr::eq(b, certificate));
                let row = [
                    quoted(&report.model),
                    norm.norm.id().to_owned(),
                    certificate.id.to_owned(),
                    number(norm.lower),
                    number(Some(certificate.upper)),
                    certificate.guarantee.id().to_owned(),
                    if is_best { "true" } else { "false" }.to_owned(),
                ];
                text.push_str(&row.join(","));
                text.push('\n');
            }
        }
    }
    text
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
