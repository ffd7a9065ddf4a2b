//! What is to be checked: thresholds from the command line or from `lipbound.toml`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::arguments::{Reading, parse_activation, parse_selection, unknown};
use crate::analysis::Selection;
use crate::network::Activation;
use crate::numeric::Norm;
use crate::numeric::decimal::Decimal;

/// The file that is looked for in the working directory.
pub const FILE: &str = "lipbound.toml";

/// A number with the text that the user wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    /// As it was written.
    pub text: String,
    /// Its exact value.
    pub value: Decimal,
}

/// The thresholds of some models, in the order of [`Norm::ALL`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Thresholds {
    /// The largest number that a bound may have.
    pub max: [Option<Number>; 3],
    /// The percentage by which a bound may be above the earlier one.
    pub increase: [Option<Number>; 3],
    /// The bounds of which the least counts.
    pub bounds: Option<Selection>,
    /// What a file that holds only weights leaves open.
    pub stated: Option<Stated>,
}

/// What the user says of a network whose file holds only weights.
#[derive(Debug, Clone, PartialEq)]
pub enum Stated {
    /// It is a chain with this between its layers.
    Activation(Activation),
    /// It is the network of this file.
    Arch(PathBuf),
}

/// All that is to be checked.
#[derive(Debug, Default)]
pub struct Policy {
    /// For every model, where nothing more particular is said.
    pub general: Thresholds,
    /// For the models of a path or pattern.
    pub particular: Vec<(PathBuf, Thresholds)>,
    /// The folder of the file, to which its paths are relative.
    folder: PathBuf,
    /// The report to which percentages refer.
    pub against: Option<PathBuf>,
}

/// Reads the number of `--max`.
pub fn parse_max(text: &str) -> Result<Number, String> {
    Ok(Number { text: text.trim().to_owned(), value: text.parse()? })
}

/// Reads the percentage of `--max-increase`.
pub fn parse_percent(text: &str) -> Result<Number, String> {
    let number = text.trim().strip_suffix('%').ok_or_else(|| {
        format!("found {text:?}, expected a percentage such as 10% (with the percent sign)")
    })?;
    Ok(Number { text: text.trim().to_owned(), value: number.parse()? })
}

impl Policy {
    /// The thresholds for a model: those of its path, then those of patterns, the longest first, then
    /// the general ones.
    pub fn of(&self, model: &str) -> Thresholds {
        let path = std::path::absolute(model).unwrap_or_else(|_| PathBuf::from(model));
        let fits = |pattern: &Path| {
            pattern == path
                || self.pattern(pattern).is_some_and(|pattern| pattern.matches_path(&path))
        };
        let mut found: Vec<_> = self.particular.iter().filter(|(p, _)| fits(p)).collect();
        found
            .sort_by_key(|(pattern, _)| (*pattern != path, usize::MAX - pattern.as_os_str().len()));
        let mut thresholds = Thresholds::default();
        for more in found.into_iter().map(|(_, more)| more).chain([&self.general]) {
            for i in 0..Norm::ALL.len() {
                fill(&mut thresholds.max[i], &more.max[i]);
                fill(&mut thresholds.increase[i], &more.increase[i]);
            }
            fill(&mut thresholds.bounds, &more.bounds);
            fill(&mut thresholds.stated, &more.stated);
        }
        thresholds
    }

    /// The pattern in which only what the file says is special, not the names of its folders.
    fn pattern(&self, path: &Path) -> Option<glob::Pattern> {
        let written = path.strip_prefix(&self.folder).ok()?;
        let folder = glob::Pattern::escape(&self.folder.join("").to_string_lossy());
        glob::Pattern::new(&format!("{folder}{}", written.to_string_lossy())).ok()
    }

    /// Reads a file of thresholds. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// What is wrong with the file, and where.
    pub fn read(path: &Path) -> anyhow::Result<Policy> {
        let shown = path.display().to_string();
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{shown}: cannot be read"))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        policy(&text, folder).map_err(|error| {
            let line = text[..error.at.min(text.len())].matches('\n').count() + 1;
            anyhow::anyhow!("{shown}: line {line}: {}", error.message)
        })
    }
}

fn fill<T: Clone>(slot: &mut Option<T>, more: &Option<T>) {
    if slot.is_none() {
        slot.clone_from(more);
    }
}

/// A mistake in the file: where, and what.
struct Mistake {
    at: usize,
    message: String,
}

type Key<'a> = Spanned<DeString<'a>>;
type Value<'a> = Spanned<DeValue<'a>>;

fn mistake<T>(value: &Spanned<T>, message: impl Into<String>) -> Mistake {
    Mistake { at: value.span().start, message: message.into() }
}

fn policy(text: &str, folder: &Path) -> Result<Policy, Mistake> {
    let table = DeTable::parse(text).map_err(|error| Mistake {
        at: error.span().map_or(0, |span| span.start),
        message: format!("not TOML: {}", error.message()),
    })?;
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut policy = Policy { folder: absolute(here), ..Policy::default() };
    for (key, value) in table.get_ref() {
        match &*key.get_ref().clone() {
            "against" => policy.against = Some(folder.join(string(value, "the path of a report")?)),
            "model" => {
                for (pattern, value) in entries(value, "a table for each model")? {
                    let path = absolute(&folder.join(&**pattern.get_ref()));
                    let mut thresholds = Thresholds::default();
                    for (key, value) in entries(value, "a table of thresholds")? {
                        if !thresholds.set(key, value, folder)? {
                            return Err(unknown_key(key, &KEYS));
                        }
                    }
                    policy.particular.push((path, thresholds));
                }
            }
            _ => {
                if !policy.general.set(key, value, folder)? {
                    return Err(unknown_key(key, &[&KEYS[..], &["model", "against"]].concat()));
                }
            }
        }
    }
    Ok(policy)
}

/// The keys of [`Thresholds`].
const KEYS: [&str; 5] = ["max", "max-increase", "bounds", "activation", "arch"];

impl Thresholds {
    /// How the models are read: as the command line says, and where it says nothing, as the file does.
    pub fn reading(&self, reading: &Reading) -> Reading {
        let mut reading = reading.clone();
        if reading.activation.is_none() && reading.arch.is_none() {
            match &self.stated {
                Some(Stated::Activation(activation)) => {
                    reading.activation = Some(activation.clone())
                }
                Some(Stated::Arch(path)) => reading.arch = Some(path.clone()),
                None => {}
            }
        }
        reading
    }

    /// Sets what a key says; `false` where it is none of these. Paths are relative to `folder`.
    fn set(&mut self, key: &Key<'_>, value: &Value<'_>, folder: &Path) -> Result<bool, Mistake> {
        match &*key.get_ref().clone() {
            "activation" | "arch" if self.stated.is_some() => {
                return Err(mistake(key, "found activation and arch, expected one of the two"));
            }
            "activation" => {
                let text = string(value, "the name of an activation such as \"relu\"")?;
                let activation = parse_activation(text).map_err(|e| mistake(value, e))?;
                self.stated = Some(Stated::Activation(activation));
            }
            "arch" => {
                let path = folder.join(string(value, "the path of an architecture file")?);
                self.stated = Some(Stated::Arch(path));
            }
            "bounds" => {
                let text = string(value, "best, all, or a list such as \"k5,k_sdp\"")?;
                let bounds = parse_selection(text).map_err(|e| mistake(value, e))?;
                self.bounds = Some(bounds);
            }
            "max" => {
                for (norm, value) in entries(value, "a number for each norm, as in max.linf = 50")?
                {
                    let text = number(value)?;
                    let number = parse_max(text).map_err(|e| mistake(value, e))?;
                    self.max[index(norm)?] = Some(number);
                }
            }
            "max-increase" => match value.get_ref() {
                DeValue::String(text) => {
                    let number = parse_percent(text).map_err(|e| mistake(value, e))?;
                    self.increase = [Some(number.clone()), Some(number.clone()), Some(number)];
                }
                _ => {
                    let expected = "\"10%\", or a percentage for each norm";
                    for (norm, value) in entries(value, expected)? {
                        let text = string(value, "a percentage such as \"10%\"")?;
                        let number = parse_percent(text).map_err(|e| mistake(value, e))?;
                        self.increase[index(norm)?] = Some(number);
                    }
                }
            },
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn index(norm: &Key<'_>) -> Result<usize, Mistake> {
    let known: Vec<&str> = Norm::ALL.iter().map(|norm| norm.id()).collect();
    let name: &str = norm.get_ref();
    known
        .iter()
        .position(|known| *known == name)
        .ok_or_else(|| mistake(norm, unknown("norm", name, &known, "")))
}

fn unknown_key(key: &Key<'_>, known: &[&str]) -> Mistake {
    mistake(key, unknown("key", key.get_ref(), known, ""))
}

fn entries<'a>(value: &'a Value<'a>, expected: &str) -> Result<&'a DeTable<'a>, Mistake> {
    value.get_ref().as_table().ok_or_else(|| wrong_type(value, expected))
}

fn string<'a>(value: &'a Value<'a>, expected: &str) -> Result<&'a str, Mistake> {
    value.get_ref().as_str().ok_or_else(|| wrong_type(value, expected))
}

/// The text of a number, so that nothing is rounded.
fn number<'a>(value: &'a Value<'a>) -> Result<&'a str, Mistake> {
    match value.get_ref() {
        DeValue::Integer(integer) if integer.radix() == 10 => Ok(integer.as_str()),
        DeValue::Float(float) => Ok(float.as_str()),
        DeValue::String(text) => Ok(text),
        _ => Err(wrong_type(value, "a decimal number")),
    }
}

fn wrong_type(value: &Value<'_>, expected: &str) -> Mistake {
    let found = value.get_ref().type_str();
    mistake(value, format!("found a value of type {found}, expected {expected}"))
}

/// The thresholds of the command line, or those of the file.
///
/// # Errors
/// A file that cannot be used; no thresholds at all.
pub fn policy_of(
    norms: &[Norm],
    max: Option<&Number>,
    increase: Option<&Number>,
    config: Option<&Path>,
) -> anyhow::Result<Policy> {
    if max.is_none() && increase.is_none() {
        return match config {
            Some(path) => Policy::read(path),
            None if Path::new(FILE).exists() => Policy::read(Path::new(FILE)),
            None => bail!(
                "no threshold to check: give --norm and --max, or --max-increase and --against, or write them into {FILE} (docs/ci.md)"
            ),
        };
    }
    let mut policy = Policy::default();
    for (i, norm) in Norm::ALL.iter().enumerate() {
        if norms.contains(norm) {
            policy.general.max[i] = max.cloned();
            policy.general.increase[i] = increase.cloned();
        }
    }
    Ok(policy)
}

#[cfg(test)]
mod tests {
    use super::{Activation, Policy, Stated, policy};
    use std::path::Path;

    fn read(text: &str) -> Policy {
        policy(text, Path::new("")).unwrap_or_else(|error| panic!("{}", error.message))
    }

    #[test]
    fn the_more_particular_threshold_counts() {
        let policy = read(
            "max.l2 = 20\nmax.linf = 1_000.50\nmax-increase = '5%'\nactivation = 'tanh'\n\
             [model.'nets/*.npz'.max]\nl2 = 15\n[model.'nets/small*.npz'.max]\nl2 = 12\n\
             [model.'nets/small1.npz']\nmax.l2 = '10'\nbounds = 'k5'\narch = 'a.json'\n",
        );
        let l2 = |model: &str| policy.of(model).max[1].clone().map(|number| number.text);
        assert_eq!(l2("other.npz").as_deref(), Some("20"));
        assert_eq!(l2("nets/a.npz").as_deref(), Some("15"));
        assert_eq!(l2("./nets/small2.npz").as_deref(), Some("12"));
        assert_eq!(l2("nets/small1.npz").as_deref(), Some("10"));
        let one = policy.of("nets/small1.npz");
        assert_eq!(one.max[2].clone().map(|n| n.value), "1000.5".parse().ok());
        let tanh = Some(Stated::Activation(Activation::Tanh));
        assert_eq!(policy.of("nets/a.npz").stated, tanh);
        assert_eq!(one.stated, Some(Stated::Arch("a.json".into())), "the more particular one");
        assert!(one.bounds.is_some() && one.increase[0].is_some() && one.max[0].is_none());
    }

    #[test]
    fn mistakes_name_place_and_remedy() {
        let error = |text: &str| match policy(text, Path::new("")) {
            Ok(_) => panic!("{text} was read"),
            Err(error) => error.message,
        };
        for (text, expected) in [
            ("maxx.l2 = 1", "unknown key maxx (did you mean max?)"),
            ("max.l3 = 1", "unknown norm l3; known are l1, l2, linf"),
            ("max = 1", "as in max.linf = 50"),
            ("max.l2 = true", "expected a decimal number"),
            ("max.l2 = nan", "expected a number"),
            ("max.l2 = -1", "not below 0"),
            ("max.l2 = 0x10", "expected a decimal number"),
            ("max-increase = 10", "\"10%\""),
            ("max-increase = '10'", "with the percent sign"),
            ("bounds = 'k6'", "unknown bound k6"),
            ("[model.a]\nmxa.l2 = 1", "known are max, max-increase, bounds, activation, arch"),
            ("activation = 'rleu'", "unknown activation rleu (did you mean relu?)"),
            ("activation = 'relu'\narch = 'a.json'", "expected one of the two"),
            ("arch = 1", "expected the path of an architecture file"),
            ("model = 1", "a table for each model"),
            ("max.l2 = ", "not TOML"),
        ] {
            assert!(error(text).contains(expected), "{text}: {}", error(text));
        }
    }
}
