//! Annotations of GitHub Actions: workflow commands in the job's log.

use super::{Outcome, Verdict, summary};
use crate::report::Style;

/// An error for each threshold that is not certified, a plain line for the others.
pub fn write(outcomes: &[Outcome], _: Style) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        match outcome {
            Ok(check) if check.verdict == Verdict::Certified => {
                let line = format!("{}: {}: {}", check.model, check.norm, check.sentence());
                // A name must not begin a workflow command.
                text.push_str(&format!("certified {}\n", line.replace(['\r', '\n'], " ")));
            }
            Ok(check) => {
                let title = format!("Lipschitz bound {} ({})", check.verdict.id(), check.norm);
                text.push_str(&annotation(&check.model, &title, &check.sentence()));
            }
            Err(failure) => {
                text.push_str(&annotation(&failure.model, "Model not checked", &failure.error));
            }
        }
    }
    format!("{text}{}\n", summary(outcomes))
}

fn annotation(file: &str, title: &str, message: &str) -> String {
    format!("::error file={},title={}::{}\n", property(file), property(title), data(message))
}

/// Text after the second `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
