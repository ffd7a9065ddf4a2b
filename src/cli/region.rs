//! The inputs on which a network is bounded: `--box`, or `--center` and `--radius`.

use std::path::Path;

use anyhow::{Context, bail};
use clap::Args;

use crate::io::numbers::{Table, read_table};
use crate::network::{InputBox, LoweredNetwork};
use crate::numeric::Interval;
use crate::numeric::decimal::Number;
use crate::report::certification::Radius;

/// On which inputs. All of them, where nothing is said.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Inputs")]
pub struct Region {
    /// Bound on the box LO <= x_j <= HI instead of everywhere; a FILE has a row LO, HI for each input
    #[arg(long = "box", value_name = "LO,HI|FILE", allow_hyphen_values = true)]
    pub sides: Option<String>,
    /// The centre of a box, a number or a FILE (npy, JSON, text) with one for each input
    #[arg(
        long,
        value_name = "X|FILE",
        requires = "radius",
        conflicts_with = "sides",
        allow_hyphen_values = true
    )]
    pub center: Option<String>,
    /// How far each input of the box may be from the centre
    #[arg(long, value_name = "R", requires = "center", allow_negative_numbers = true, value_parser = parse_radius)]
    pub radius: Option<Radius>,
}

impl Region {
    /// The network on these inputs, and how ends of their box were rounded, where they were.
    ///
    /// # Errors
    /// A file that cannot be read, ends in the wrong order, or another number of inputs.
    pub fn restrict(
        &self,
        network: LoweredNetwork,
    ) -> anyhow::Result<(LoweredNetwork, Option<String>)> {
        match self.input_box(network.chain.inputs())? {
            None => Ok((network, None)),
            Some((input, note)) => Ok((network.on_box(&input).map_err(anyhow::Error::msg)?, note)),
        }
    }

    /// The same in words; `None` for all inputs.
    pub fn in_words(&self) -> Option<String> {
        match (&self.sides, &self.center, &self.radius) {
            (Some(sides), _, _) => Some(format!("inputs in the box {sides}")),
            (None, Some(center), Some(radius)) => {
                Some(format!("inputs within {} of {center}", radius.text))
            }
            _ => None,
        }
    }

    /// The box, its ends rounded outwards where they are no 64-bit numbers, with a remark on that. An input
    /// whose two ends are the same number is held constant.
    fn input_box(&self, inputs: usize) -> anyhow::Result<Option<(InputBox, Option<String>)>> {
        if let Some(text) = &self.sides {
            let ends = match pair(text) {
                Some((lo, hi)) => vec![(lo, hi); inputs],
                None => {
                    let table = file(text, 2, "--box takes LO,HI or a file")?;
                    let rows = table.nearest.nrows();
                    if rows != inputs {
                        bail!("--box {text}: found {rows} rows, but the model has {inputs} inputs");
                    }
                    (0..rows).map(|i| (table.number(i, 0), table.number(i, 1))).collect()
                }
            };
            let sides: Vec<(Interval, Interval)> =
                ends.iter().map(|(lo, hi)| (lo.enclosure, hi.enclosure)).collect();
            let made = InputBox::between(&sides, |j| ends[j].0 == ends[j].1);
            let made = made.map_err(anyhow::Error::msg);
            let made = made.with_context(|| format!("--box {text}"))?;
            let note = rounded(&made, sides.iter().any(|(lo, hi)| lo.lo < lo.hi || hi.lo < hi.hi));
            return Ok(Some((made, note)));
        }
        let (Some(text), Some(radius)) = (&self.center, &self.radius) else { return Ok(None) };
        let center = match text.parse::<Number>() {
            Ok(x) => vec![x.enclosure; inputs],
            Err(_) => {
                let table = file(text, inputs, "--center takes a number or a file")?;
                let rows = table.nearest.nrows();
                if rows != 1 {
                    bail!("--center {text}: found {rows} points, expected one");
                }
                (0..inputs).map(|j| table.number(0, j).enclosure).collect()
            }
        };
        let made = InputBox::around_enclosed(&center, radius.value.enclosure);
        let made = made.map_err(anyhow::Error::msg);
        let made = made.with_context(|| format!("--center {text} --radius {}", radius.text))?;
        let note = rounded(&made, made.points() != Some(made.sides()));
        Ok(Some((made, note)))
    }
}

/// What is said of a box whose ends were rounded.
fn rounded(input: &InputBox, is_rounded: bool) -> Option<String> {
    let first = input.sides().first()?;
    is_rounded.then(|| {
        format!(
            "the box: ends that are no 64-bit numbers are rounded outwards; input 0 is between {:?} and {:?}",
            first.lo, first.hi
        )
    })
}

/// Reads a positive decimal.
pub fn parse_radius(text: &str) -> Result<Radius, String> {
    let value: Number = text.parse()?;
    if !(value.nearest > 0.0 && value.nearest.is_finite()) {
        return Err(format!(
            "found {text}, expected a positive number in the range of 64-bit numbers"
        ));
    }
    Ok(Radius { text: text.trim().to_owned(), value })
}

/// The numbers of `LO,HI`.
fn pair(text: &str) -> Option<(Number, Number)> {
    let (lo, hi) = text.split_once(',')?;
    Some((lo.parse().ok()?, hi.parse().ok()?))
}

fn file(text: &str, columns: usize, expected: &str) -> anyhow::Result<Table> {
    let path = Path::new(text);
    if !path.exists() {
        bail!("{expected}; found {text}, which is neither");
    }
    Ok(read_table(path, columns)?)
}

/// Differences of outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Margin {
    /// `f_I - f_J`.
    Pair(usize, usize),
    /// Every pair.
    All,
}

/// Reads `I,J` or `all`.
pub fn parse_margin(text: &str) -> Result<Margin, String> {
    if text == "all" {
        return Ok(Margin::All);
    }
    let pair = text.split_once(',').and_then(|(i, j)| {
        Some((i.trim().parse::<usize>().ok()?, j.trim().parse::<usize>().ok()?))
    });
    match pair {
        Some((i, j)) if i == j => Err(format!("found {text}, expected two different outputs")),
        Some((i, j)) => Ok(Margin::Pair(i, j)),
        None => Err(format!("found {text}, expected two outputs such as 0,1, or all")),
    }
}

impl Margin {
    /// The networks of the differences, each with a name.
    ///
    /// # Errors
    /// An output that does not exist.
    pub fn networks(
        self,
        network: &LoweredNetwork,
    ) -> anyhow::Result<Vec<(String, LoweredNetwork)>> {
        let count = network.chain.outputs();
        let pairs: Vec<(usize, usize)> = match self {
            Margin::Pair(i, j) => vec![(i, j)],
            Margin::All => (0..count).flat_map(|i| (i + 1..count).map(move |j| (i, j))).collect(),
        };
        if let Some((i, j)) = pairs.iter().find(|(i, j)| *i.max(j) >= count) {
            bail!("--margin {i},{j}: the model has the outputs 0 to {}", count.saturating_sub(1));
        }
        if pairs.is_empty() {
            bail!("--margin all: the model has {count} output, so there are no differences");
        }
        let named = |&(i, j): &(usize, usize)| {
            (format!("output {i} - output {j}"), network.differences(&[(i, j)]))
        };
        Ok(pairs.iter().map(named).collect())
    }
}

/// When the run ends, and the searches for exact values.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// End the whole run after this time (such as 30, 1.5m or 2h) with what is proved so far; models and searches
    /// share it
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub time_limit: Option<std::time::Duration>,
    /// End each search after this number of parts
    #[arg(long, value_name = "N", default_value_t = usize::MAX, hide_default_value = true)]
    pub node_limit: usize,
    /// Say how long each search took
    #[arg(long)]
    pub timings: bool,
}

#[expect(clippy::float_arithmetic, reason = "a time")]
fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[number.len()..] {
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        unit => return Err(format!("found the unit {unit}, expected ms, s, m or h")),
    };
    let seconds =
        number.parse::<f64>().map_err(|_| format!("found {text}, expected a time such as 30s"))?;
    std::time::Duration::try_from_secs_f64(seconds * factor)
        .map_err(|_| format!("found {text}, expected a time that is not negative"))
}
