//! Certified radii of inputs, as text or JSON.

use serde::Serialize;
use serde_json::value::RawValue;

use super::number;
use super::table::DIGITS;
use crate::bounds::certify::Certification;
use crate::numeric::Norm;
use crate::numeric::decimal::Number;

/// The name and version of the JSON format.
pub const SCHEMA: &str = "lipbound-certification/1";

/// A radius as it was written, and exactly.
#[derive(Debug, Clone)]
pub struct Radius {
    /// As it was written.
    pub text: String,
    /// Its value, positive.
    pub value: Number,
}

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
    pub wanted: Option<Radius>,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    model: &'a str,
    norm: &'static str,
    radius: Option<Box<RawValue>>,
    certified: Option<usize>,
    inputs: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    index: usize,
    class: Option<usize>,
    runner_up: Option<usize>,
    margin: Option<Box<RawValue>>,
    global_radius: Option<Box<RawValue>>,
    local_radius: Option<Box<RawValue>>,
}

/// The radius as it was written, where JSON has such numbers.
fn json_number(radius: &Radius) -> Option<Box<RawValue>> {
    let written = serde_json::from_str::<Box<RawValue>>(&radius.text).ok();
    written.or_else(|| number::json_upper(radius.value.enclosure.hi))
}

impl Certifications {
    /// The inputs whose class provably does not change up to and at the wanted distance.
    pub fn certified(&self) -> Option<usize> {
        let wanted = self.wanted.as_ref()?;
        // Class and distance are proved for what is nearer than the radius, so the wanted distance has to be smaller.
        let reaches = |c: &&Certification| wanted.value < Number::of(c.local_radius);
        Some(self.inputs.iter().filter(reaches).count())
    }

    /// One JSON document; an unknown class and an infinite radius are `null`.
    pub fn json(&self) -> String {
        let entry = |(index, c): (usize, &Certification)| Entry {
            index,
            class: c.class,
            runner_up: c.runner_up,
            margin: number::json_lower(c.margin),
            global_radius: number::json_lower(c.global_radius),
            local_radius: number::json_lower(c.local_radius),
        };
        let document = Document {
            schema: SCHEMA,
            model: &self.model,
            norm: self.norm.id(),
            radius: self.wanted.as_ref().and_then(json_number),
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
            "{}\nradii in {}, rounded down: the class is kept at every smaller distance\n\n{:>6}{:>7}{:>9}{:>13}{:>14}{:>13}\n",
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
            let count = radii.len();
            text.push_str(&format!(
                "\n{count} {}: the least radius is {}, the median {}\n",
                if count == 1 { "input" } else { "inputs" },
                number(least),
                number(median)
            ));
        }
        if let (Some(wanted), Some(certified)) = (&self.wanted, self.certified()) {
            text.push_str(&format!(
                "{certified} of {} keep their class within {}: proved\n",
                radii.len(),
                wanted.text
            ));
        }
        text
    }
}
