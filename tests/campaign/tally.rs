//! What a campaign counts, and the table that it prints.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// The results of some networks.
#[derive(Default)]
pub struct Tally {
    pub networks: usize,
    pub extreme: usize,
    /// Numbers that were compared with an exact one.
    pub comparisons: usize,
    /// Bounds that the program refuses to compute.
    pub refused: BTreeMap<&'static str, usize>,
    /// Upper bounds of +inf.
    pub infinite: usize,
    /// Exact values that are 0 or outside the normal numbers, which no relative distance describes.
    pub incomparable: usize,
    /// Relative excess over the definition, by bound and whether scales are extreme.
    pub excess: BTreeMap<(&'static str, bool), Vec<f64>>,
    /// Relative distance from K of bounds whose definition has no exact value here.
    pub over_k: BTreeMap<(&'static str, bool), Vec<f64>>,
    /// What is wrong in a word, and in full.
    pub violations: Vec<(String, String)>,
}

impl Tally {
    pub fn joined(mut self, other: Tally) -> Tally {
        self.networks += other.networks;
        self.extreme += other.extreme;
        self.comparisons += other.comparisons;
        self.infinite += other.infinite;
        self.incomparable += other.incomparable;
        for (id, count) in other.refused {
            *self.refused.entry(id).or_default() += count;
        }
        for (mine, theirs) in [(&mut self.excess, other.excess), (&mut self.over_k, other.over_k)] {
            for (key, values) in theirs {
                mine.entry(key).or_default().extend(values);
            }
        }
        self.violations.extend(other.violations);
        self
    }

    pub fn report(&self, time: Duration) -> String {
        let mut text = format!(
            "{} networks ({} with extreme scales), {} comparisons, {} violations, {:.0} s\n\
             {} upper bounds of +inf, {} exact values that are 0 or not normal numbers, refused: {:?}\n",
            self.networks,
            self.extreme,
            self.comparisons,
            self.violations.len(),
            time.as_secs_f64(),
            self.infinite,
            self.incomparable,
            self.refused,
        );
        for (title, distances) in [
            ("Relative excess over the exact value of the same definition", &self.excess),
            ("Relative distance from K", &self.over_k),
        ] {
            let _ = write!(
                text,
                "\n{title}:\n\n| bound | scales | values | median | 90% | 99% | max |\n| --- | --- | ---: | ---: | ---: | ---: | ---: |\n"
            );
            for (&(id, extreme), values) in distances {
                text.push_str(&row(id, extreme, values));
            }
        }
        text
    }

    /// The first violations.
    pub fn complaint(&self) -> String {
        let count = self.violations.len();
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for (kind, _) in &self.violations {
            *kinds.entry(kind).or_default() += 1;
        }
        let first: Vec<&str> = self.violations.iter().take(5).map(|(_, text)| &**text).collect();
        format!("{count} violations: {kinds:#?}\n{}", first.join("\n\n"))
    }
}

fn row(id: &str, extreme: bool, values: &[f64]) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
    let scales = if extreme { "extreme" } else { "plain" };
    let mut text = format!("| {id} | {scales} | {} |", sorted.len());
    for share in [0.5, 0.9, 0.99, 1.0] {
        let _ = write!(text, " {:.1e} |", at(share));
    }
    text.push('\n');
    text
}
