//! `lipbound explain`.

use anyhow::bail;

use super::arguments::{Explain, unknown};
use super::{Outcome, output};
use crate::bounds::{Bound, REGISTRY};
use crate::network::Activation;
use crate::report::Style;

/// The width of the text: comfortable to read, and within any terminal.
const WIDTH: usize = 78;

/// Runs the command.
pub fn run(arguments: &Explain) -> anyhow::Result<Outcome> {
    let text = match arguments.topic.as_deref() {
        None => overview(),
        Some("activations") => activations(),
        Some(topic) => {
            let wanted = topic.to_lowercase().replace('*', "_star");
            match REGISTRY
                .iter()
                .find(|bound| bound.id() == wanted || bound.id() == wanted.replace('-', "_"))
            {
                Some(bound) => explanation(*bound),
                None => {
                    let mut known: Vec<&str> = REGISTRY.iter().map(|bound| bound.id()).collect();
                    known.push("activations");
                    bail!("{}", unknown("topic", topic, &known, ""))
                }
            }
        }
    };
    output::print(&rendered(&text, output::style()))?;
    Ok(Outcome::Done)
}

fn overview() -> String {
    let mut text = String::from("# Bounds of the Lipschitz constant L\n\n");
    for bound in REGISTRY {
        let first = bound.documentation().lines().next().unwrap_or_default();
        text.push_str(&format!("- {}: {first}\n", bound.id()));
    }
    text.push_str(
        "\n# How they compare\n\nIn l1 and linf: L <= K <= Ksdp <= K5 <= K4 <= min(K1, K3) <= K*. In every norm: L <= K <= Ksdp <= K1 <= K*, K <= K5 <= K4, K <= K3, K <= K2.\n\n`lipbound explain BOUND` says more about one of them, `lipbound explain activations` lists the activations with their slopes.\n",
    );
    text
}

fn activations() -> String {
    let mut text = String::from("# Activations and their slopes\n\n");
    for activation in Activation::all() {
        let (alpha, beta) = activation.slopes();
        text.push_str(&format!(
            "- {} [{alpha}, {beta}]: {}\n",
            activation.name(),
            activation.describe()
        ));
    }
    text
}

fn explanation(bound: &dyn Bound) -> String {
    format!("# {} ({})\n\n{}\n", bound.name(), bound.id(), bound.documentation())
}

/// Markdown with headings, paragraphs and lists, wrapped for a terminal.
fn rendered(markdown: &str, style: Style) -> String {
    let mut text = String::new();
    let mut paragraph = String::new();
    let flush = |paragraph: &mut String, text: &mut String| {
        if !paragraph.is_empty() {
            let item = paragraph.starts_with("- ");
            let options = textwrap::Options::new(WIDTH)
                .initial_indent("  ")
                .subsequent_indent(if item { "    " } else { "  " });
            text.push_str(&textwrap::fill(paragraph, options));
            text.push('\n');
            paragraph.clear();
        }
    };
    for line in markdown.lines() {
        if let Some(heading) = line.strip_prefix("# ") {
            flush(&mut paragraph, &mut text);
            let bold = anstyle::Style::new().bold();
            match style {
                Style::Plain => text.push_str(heading),
                Style::Coloured => text.push_str(&format!("{bold}{heading}{bold:#}")),
            }
            text.push('\n');
        } else if line.trim().is_empty() {
            flush(&mut paragraph, &mut text);
            if !text.is_empty() && !text.ends_with("\n\n") {
                text.push('\n');
            }
        } else {
            if line.starts_with("- ") {
                flush(&mut paragraph, &mut text);
            }
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(line.trim());
        }
    }
    flush(&mut paragraph, &mut text);
    text
}
