//! Thresholds that are checked, and one file per format in which the results are written.

mod github;
mod json;
mod junit;
mod markdown;
mod text;

use super::{NormReport, Style, number, table::DIGITS};
use crate::bounds::find;
use crate::numeric::Norm;
use crate::numeric::decimal::Decimal;

/// What the bound of a model is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Limit {
    /// A number, as the user wrote it.
    Max {
        /// The text.
        text: String,
        /// Its exact value.
        value: Decimal,
    },
    /// A percentage above the bound of an earlier report.
    Increase {
        /// The percentage, as the user wrote it.
        percent: String,
        /// The earlier bound.
        baseline: f64,
        /// The exact value of the limit.
        value: Decimal,
    },
}

/// What is proved of a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The upper bound is not above the limit: it holds.
    Certified,
    /// The lower bound is above the limit: it does not hold.
    Refuted,
    /// The limit is between the bounds.
    Undecided,
}

/// One threshold, checked.
#[derive(Debug, Clone)]
pub struct Check {
    /// The model, as the user named it.
    pub model: String,
    /// The norm.
    pub norm: Norm,
    /// The threshold.
    pub limit: Limit,
    /// The least upper bound that holds, and the bound's id.
    pub upper: Option<(f64, &'static str)>,
    /// A proved lower bound of L, where it was needed.
    pub lower: Option<f64>,
    /// What is proved.
    pub verdict: Verdict,
    /// The inputs and outputs that it is for, in words; `None` for all of them.
    pub scope: Option<String>,
    /// What would help.
    pub hint: Option<String>,
}

/// A model that could not be checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The model, as the user named it.
    pub model: String,
    /// Why.
    pub error: String,
}

/// The result for one threshold.
pub type Outcome = Result<Check, Failure>;

/// A format of the results. A new one is one file here and one line in [`FORMATS`].
pub struct Format {
    /// The name on the command line.
    pub name: &'static str,
    /// What it is for, in a few words.
    pub about: &'static str,
    /// Writes the results.
    pub write: fn(&[Outcome], Style) -> String,
}

/// All formats, the default first.
pub const FORMATS: &[Format] = &[
    Format { name: "text", about: "for reading", write: text::write },
    Format { name: "github", about: "annotations of GitHub Actions", write: github::write },
    Format { name: "junit", about: "JUnit XML, for CI servers", write: junit::write },
    Format { name: "markdown", about: "a table, for a job summary", write: markdown::write },
    Format { name: "json", about: "for programs; see docs/json.md", write: json::write },
];

impl Verdict {
    /// The name in all formats.
    pub fn id(self) -> &'static str {
        match self {
            Verdict::Certified => "certified",
            Verdict::Refuted => "refuted",
            Verdict::Undecided => "undecided",
        }
    }
}

impl Limit {
    /// The exact value.
    pub fn value(&self) -> &Decimal {
        match self {
            Limit::Max { value, .. } | Limit::Increase { value, .. } => value,
        }
    }

    /// The limit for reading, rounded up.
    fn shown(&self) -> String {
        self.rounded(number::upper)
    }

    fn rounded(&self, number: fn(f64, usize) -> String) -> String {
        match self {
            Limit::Max { text, .. } => text.clone(),
            Limit::Increase { percent, baseline, .. } => {
                format!("{percent} above {}", number(*baseline, DIGITS))
            }
        }
    }
}

impl Check {
    /// Compares the bounds of a report with a limit, as real numbers: nothing is rounded.
    pub fn new(model: &str, report: &NormReport, limit: Limit) -> Check {
        let upper = report.best().map(|best| (best.upper, best.id));
        let value = limit.value();
        let holds = upper.and_then(|(x, _)| Decimal::of(x)).is_some_and(|x| x <= *value);
        let fails = report.lower.and_then(Decimal::of).is_some_and(|x| x > *value);
        let verdict = match (holds, fails) {
            (true, _) => Verdict::Certified,
            (false, true) => Verdict::Refuted,
            (false, false) => Verdict::Undecided,
        };
        let hint = (verdict == Verdict::Undecided && !report.refused.is_empty())
            .then(|| "--bounds all may decide it".to_owned());
        let (model, norm, lower) = (model.to_owned(), report.norm, report.lower);
        Check { model, norm, limit, upper, lower, verdict, scope: None, hint }
    }

    /// What was found, in a sentence.
    pub fn sentence(&self) -> String {
        // What is within the limit is within a larger one, what is above it above a smaller one.
        let limit = match self.verdict {
            Verdict::Refuted => self.limit.rounded(number::lower),
            Verdict::Certified | Verdict::Undecided => self.limit.shown(),
        };
        let name = |id| find(id).map_or(id, |bound| bound.name());
        let upper = match self.upper {
            Some((x, id)) if x.is_finite() => Some(format!("{} ({})", self.digits(x), name(id))),
            _ => None,
        };
        let lower = self.lower.map(|x| number::lower(x, DIGITS));
        let mut text = match (self.verdict, upper, lower) {
            (Verdict::Certified, upper, _) => {
                format!("L is at most {}, within {limit}", upper.unwrap_or_default())
            }
            (Verdict::Refuted, _, lower) => {
                format!("L is at least {}, more than {limit}", lower.unwrap_or_default())
            }
            (Verdict::Undecided, Some(upper), Some(lower)) => {
                format!("L is between {lower} and {upper}, not known to be within {limit}")
            }
            (Verdict::Undecided, Some(upper), None) => {
                format!("L is at most {upper}, not known to be within {limit}")
            }
            (Verdict::Undecided, None, _) => {
                format!(
                    "no finite upper bound was found, so nothing shows that L is within {limit}"
                )
            }
        };
        if let Some(scope) = &self.scope {
            text.push_str(&format!(" ({scope})"));
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("; {hint}"));
        }
        text
    }

    /// An upper bound with few digits, unless they make it look as if it were above the limit.
    fn digits(&self, x: f64) -> String {
        let misleads = |text: &String| {
            let shown = text.parse::<Decimal>();
            self.verdict == Verdict::Certified && shown.is_ok_and(|x| x > *self.limit.value())
        };
        // With all its digits it is not above the limit.
        let mut texts = (DIGITS..=17).map(|digits| number::upper(x, digits));
        texts.find(|text| !misleads(text)).unwrap_or_else(|| number::upper(x, number::ALL_DIGITS))
    }
}

/// How many were certified, refuted, undecided, and failed.
fn counts(outcomes: &[Outcome]) -> [usize; 4] {
    let verdict = |wanted| {
        outcomes.iter().filter(|o| o.as_ref().is_ok_and(|check| check.verdict == wanted)).count()
    };
    [
        verdict(Verdict::Certified),
        verdict(Verdict::Refuted),
        verdict(Verdict::Undecided),
        outcomes.iter().filter(|outcome| outcome.is_err()).count(),
    ]
}

/// The counts in words.
fn summary(outcomes: &[Outcome]) -> String {
    let names = ["certified", "refuted", "undecided", "failed"];
    let shown = counts(outcomes).into_iter().zip(names).filter(|(count, _)| *count > 0);
    let parts: Vec<String> = shown.map(|(count, name)| format!("{count} {name}")).collect();
    if parts.is_empty() { "nothing was checked".to_owned() } else { parts.join(", ") }
}

/// The models in the order of their first result, each with its results.
fn by_model(outcomes: &[Outcome]) -> Vec<(&str, Vec<&Outcome>)> {
    let mut models: Vec<(&str, Vec<&Outcome>)> = Vec::new();
    for outcome in outcomes {
        let model = match outcome {
            Ok(check) => &check.model,
            Err(failure) => &failure.model,
        };
        match models.iter_mut().find(|(known, _)| known == model) {
            Some((_, results)) => results.push(outcome),
            None => models.push((model, vec![outcome])),
        }
    }
    models
}

#[cfg(test)]
mod tests {
    use super::{Check, Limit, Outcome, Verdict, github, junit};
    use crate::bounds::Certificate;
    use crate::numeric::Norm;
    use crate::report::{NormReport, Style};

    fn check(lower: f64, upper: f64, max: &str) -> Check {
        let bounds = vec![Certificate::upper_bound("k5", Norm::Linf, upper)];
        let report =
            NormReport { norm: Norm::Linf, lower: Some(lower), bounds, refused: Vec::new() };
        let value = max.parse().expect("a number");
        Check::new("a<b>,c: 100%", &report, Limit::Max { text: max.to_owned(), value })
    }

    #[test]
    fn thresholds_are_compared_as_real_numbers() {
        let verdict = |lower, upper, max| check(lower, upper, max).verdict;
        assert_eq!(verdict(0.0, 0.375, "0.375"), Verdict::Certified);
        // The f64 nearest to 0.1 is above 0.1, so it does not certify 0.1; as a lower bound it refutes it.
        assert_eq!(verdict(0.0, 0.1, "0.1"), Verdict::Undecided);
        assert_eq!(verdict(0.1, 0.2, "0.1"), Verdict::Refuted);
        // The f64 nearest to 0.3 is below 0.3.
        assert_eq!(verdict(0.0, 0.3, "0.3"), Verdict::Certified);
        assert_eq!(verdict(0.3, 0.4, "0.3"), Verdict::Undecided);
        assert_eq!(verdict(1.0, f64::INFINITY, "1e300"), Verdict::Undecided);
        assert_eq!(verdict(1.0, f64::NAN, "1e300"), Verdict::Undecided);
        assert_eq!(verdict(0.0, 1.0, "0.99999999999999999999"), Verdict::Undecided);
        assert_eq!(verdict(1.0, 1.0, "0.99999999999999999999"), Verdict::Refuted);
    }

    #[test]
    fn sentences_do_not_contradict_themselves() {
        let sentence = |lower, upper, max| check(lower, upper, max).sentence();
        assert_eq!(sentence(0.0, 2.0, "3"), "L is at most 2 (K5), within 3");
        assert_eq!(
            // As f64 it is 2.99999999100000002...
            sentence(0.0, 2.999_999_991, "2.999999995"),
            "L is at most 2.999999992 (K5), within 2.999999995"
        );
        assert!(sentence(0.0, f64::INFINITY, "3").contains("no finite upper bound"));
        // 10% above 50.09991 is 55.109901; above 50.1, which is that number rounded up, it is 55.11.
        let percent = || "10%".to_owned();
        let limit = Limit::Increase {
            percent: percent(),
            baseline: 50.09991,
            value: "55.109901".parse().expect("a number"),
        };
        let of = |lower: f64, upper: f64| {
            let bounds = vec![Certificate::upper_bound("k5", Norm::L2, upper)];
            let report =
                NormReport { norm: Norm::L2, lower: Some(lower), bounds, refused: Vec::new() };
            Check::new("a", &report, limit.clone()).sentence()
        };
        assert_eq!(of(55.10995, 60.0), "L is at least 55.1099, more than 10% above 50.0999");
        assert_eq!(of(0.0, 55.10985), "L is at most 55.1099 (K5), within 10% above 50.1");
    }

    #[test]
    fn special_characters_are_escaped() {
        let outcomes: [Outcome; 1] = [Ok(check(0.0, 2.0, "1"))];
        let github = github::write(&outcomes, Style::Plain);
        assert!(github.contains("file=a<b>%2Cc%3A 100%25,"), "{github}");
        let junit = junit::write(&outcomes, Style::Plain);
        assert!(junit.contains("a&lt;b&gt;,c: 100%"), "{junit}");
    }
}
