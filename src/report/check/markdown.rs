//! The results as a Markdown table.

use super::{Outcome, Verdict, summary};
use crate::report::Style;

/// A row for each threshold, and the counts above.
pub fn write(outcomes: &[Outcome], _: Style) -> String {
    let mut text = format!("### Lipschitz bounds: {}\n\n", summary(outcomes));
    text.push_str("| | model | norm | limit | found |\n| --- | --- | --- | --- | --- |\n");
    for outcome in outcomes {
        let row = match outcome {
            Ok(check) => [
                match check.verdict {
                    Verdict::Certified => "✅ certified".to_owned(),
                    Verdict::Refuted => "❌ **refuted**".to_owned(),
                    Verdict::Undecided => "❔ **undecided**".to_owned(),
                },
                escaped(&check.model),
                check.norm.id().to_owned(),
                escaped(&check.limit.shown()),
                escaped(&check.sentence()),
            ],
            Err(failure) => [
                "❌ **failed**".to_owned(),
                escaped(&failure.model),
                String::new(),
                String::new(),
                escaped(&failure.error),
            ],
        };
        text.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    text
}

/// Text for a cell.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}
