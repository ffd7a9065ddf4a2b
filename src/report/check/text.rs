//! The results for reading.

use super::{Outcome, Verdict, by_model, summary};
use crate::report::Style;
use crate::report::table::{BEST, BOLD, styled};

/// The width of the text.
const WIDTH: usize = 80;

const RED: anstyle::Style =
    anstyle::Style::new().bold().fg_color(Some(anstyle::Color::Ansi(anstyle::AnsiColor::Red)));
const YELLOW: anstyle::Style =
    anstyle::Style::new().bold().fg_color(Some(anstyle::Color::Ansi(anstyle::AnsiColor::Yellow)));

/// A paragraph for each model, and the counts.
pub fn write(outcomes: &[Outcome], style: Style) -> String {
    let mut text = String::new();
    for (model, results) in by_model(outcomes) {
        text.push_str(&format!("{}\n", styled(model, BOLD, style)));
        for result in results {
            text.push_str(&one(result, style));
        }
    }
    format!("{text}\n{}\n", styled(&summary(outcomes), BOLD, style))
}

fn one(result: &Outcome, style: Style) -> String {
    let (norm, word, with, sentence) = match result {
        Ok(check) => {
            let with = match check.verdict {
                Verdict::Certified => BEST,
                Verdict::Refuted => RED,
                Verdict::Undecided => YELLOW,
            };
            (check.norm.id(), check.verdict.id(), with, check.sentence())
        }
        Err(failure) => ("", "failed", RED, failure.error.clone()),
    };
    let first = format!("  {norm:<4}  {word:<9}  ");
    let indent = " ".repeat(first.len());
    let options = textwrap::Options::new(WIDTH).initial_indent(&first).subsequent_indent(&indent);
    let wrapped = textwrap::fill(&sentence, options);
    format!("{}\n", wrapped.replacen(word, &styled(word, with, style), 1))
}
