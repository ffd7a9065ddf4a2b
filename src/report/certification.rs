//! Certified radii of inputs, as text or JSON.

use serde::Serialize;

use super::number;
use super::table::DIGITS;
use crate::bounds::certify::Certification;
use crate::numeric::Norm;

/// The name and version of the JSON format.
pub const SCHEMA: &str = "lipbound-certification/1";

/// What was certified of one model.
#[derive(Debug, Clone)]
pub struct Certifications {
    /// The model's name, as the user gave it.
    pub model: String,
    /// The norm in which radii are measured.
    pub norm: Norm,
    /// One entry for each input.
    pub inputs: Vec<Certification>,
    /// A radius that every input is asked to reach.
    pub wanted: Option<f64>,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    model: &'a str,
    norm: &'static str,
    radius: Option<f64>,
    certified: Option<usize>,
    inputs: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    index: usize,
    class: Option<usize>,
    runner_up: Option<usize>,
    margin: f64,
    global_radius: Option<f64>,
    local_radius: Option<f64>,
}

impl Certifications {
    /// The inputs whose class provably does not change within the wanted radius.
    pub fn certified(&self) -> Option<usize> {
        let reaches = |r: f64| self.inputs.iter().filter(|c| c.local_radius >= r).count();
        self.wanted.map(reaches)
    }

    /// One JSON document; an unknown class and an infinite radius are `null`.
    pub fn json(&self) -> String {
        let finite = |x: f64| x.is_finite().then_some(x);
        let entry = |(index, c): (usize, &Certification)| Entry {
            index,
            class: c.class,
            runner_up: c.runner_up,
            margin: c.margin,
            global_radius: finite(c.global_radius),
            local_radius: finite(c.local_radius),
        };
        let document = Document {
            schema: SCHEMA,
            model: &self.model,
            norm: self.norm.id(),
            radius: self.wanted,
            certified: self.certified(),
            inputs: self.inputs.iter().enumerate().map(entry).collect(),
        };
        // Only maps with keys that are not strings could fail to serialise; there are none.
        let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
        text.push('\n');
        text
    }

    /// A row for each input, and a summary.
    pub fn table(&self) -> String {
        let mut text = format!(
            "{}\nradii in {}, rounded down\n\n{:>6}{:>7}{:>9}{:>13}{:>14}{:>13}\n",
            self.model, self.norm, "input", "class", "against", "margin", "everywhere", "nearby"
        );
        let number = |x: f64| number::lower(x, DIGITS);
        let index = |i: Option<usize>| i.map_or("?".to_owned(), |i| i.to_string());
        for (i, c) in self.inputs.iter().enumerate() {
            text.push_str(&format!(
                "{i:>6}{:>7}{:>9}{:>13}{:>14}{:>13}\n",
                index(c.class),
                index(c.runner_up),
                number(c.margin),
                number(c.global_radius),
                number(c.local_radius)
            ));
        }
        let mut radii: Vec<f64> = self.inputs.iter().map(|c| c.local_radius).collect();
        radii.sort_by(f64::total_cmp);
        if let (Some(&least), Some(&median)) = (radii.first(), radii.get(radii.len() / 2)) {
            text.push_str(&format!(
                "\n{} inputs: the least radius is {}, the median {}\n",
                radii.len(),
                number(least),
                number(median)
            ));
        }
        if let (Some(wanted), Some(certified)) = (self.wanted, self.certified()) {
            text.push_str(&format!(
                "{certified} of {} keep their class within {wanted}: proved\n",
                radii.len()
            ));
        }
        text
    }
}
