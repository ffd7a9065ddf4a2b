//! The search for L on networks made to be awkward, against the enumeration of all linear regions in rational arithmetic:
//! zero and repeated rows, neurons with constant arguments, layers without an activation between them, equal elements of
//! windows, kinks through corners of the box.
//!
//! `LIPBOUND_CASES=5000 cargo test --release --test awkward` draws more of them.
#![allow(clippy::expect_used)] // tests fail by panicking

mod support;

use std::fmt::Write;

use dashu::rational::RBig;
use lipbound::bounds::{Options, Problem, find};
use lipbound::network::InputBox;
use lipbound::numeric::Norm;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn rational(x: f64) -> RBig {
    RBig::try_from(x).expect("a finite number")
}

/// `gradient . x + constant`, for one or two inputs.
#[derive(Debug, Clone, PartialEq)]
struct Form {
    gradient: Vec<RBig>,
    constant: RBig,
}

impl Form {
    fn is_constant(&self) -> bool {
        self.gradient.iter().all(RBig::is_zero)
    }

    fn combined(terms: &[(RBig, &Form)], constant: RBig, inputs: usize) -> Form {
        let mut sum = Form { gradient: vec![RBig::ZERO; inputs], constant };
        for (w, form) in terms {
            for (s, g) in sum.gradient.iter_mut().zip(&form.gradient) {
                *s += w.clone() * g.clone();
            }
            sum.constant += w.clone() * form.constant.clone();
        }
        sum
    }

    fn minus(&self, other: &Form) -> Form {
        let inputs = self.gradient.len();
        Form::combined(&[(RBig::ONE, self), (-RBig::ONE, other)], RBig::ZERO, inputs)
    }

    fn shifted(&self, by: &RBig, sign: &RBig) -> Form {
        Form::combined(&[(sign.clone(), self)], by.clone(), self.gradient.len())
    }
}

/// Whether all of the forms are positive somewhere: one input after the other is eliminated (Fourier and Motzkin).
fn is_nonempty(forms: &[Form]) -> bool {
    let Some(variable) = forms.iter().find_map(|f| f.gradient.iter().position(|g| !g.is_zero()))
    else {
        return forms.iter().all(|f| f.constant > RBig::ZERO);
    };
    let (with, mut left): (Vec<&Form>, Vec<&Form>) =
        forms.iter().partition(|f| !f.gradient[variable].is_zero());
    let scaled = |f: &&Form| {
        let g = f.gradient[variable].clone();
        let size = if g < RBig::ZERO { -g } else { g };
        f.shifted(&RBig::ZERO, &RBig::ONE).scaled_by(&(RBig::ONE / size))
    };
    let is_lower = |f: &&&Form| f.gradient[variable] > RBig::ZERO;
    let (lower, upper): (Vec<&Form>, Vec<&Form>) = with.iter().partition(|f| is_lower(f));
    let lower: Vec<Form> = lower.iter().map(scaled).collect();
    let upper: Vec<Form> = upper.iter().map(scaled).collect();
    let sums: Vec<Form> = lower
        .iter()
        .flat_map(|l| upper.iter().map(move |u| (l, u)))
        .map(|(l, u)| {
            Form::combined(&[(RBig::ONE, l), (RBig::ONE, u)], RBig::ZERO, l.gradient.len())
        })
        .collect();
    left.extend(&sums);
    let left: Vec<Form> = left.into_iter().cloned().collect();
    is_nonempty(&left)
}

impl Form {
    fn scaled_by(&self, factor: &RBig) -> Form {
        Form::combined(&[(factor.clone(), self)], RBig::ZERO, self.gradient.len())
    }
}

#[derive(Debug, Clone)]
enum Step {
    Dense(Vec<Vec<f64>>, Vec<f64>),
    Relu,
    Clip(f64, f64),
    /// The maximum of each two neighbours.
    Pairs,
}

/// A set of inputs with inner points, where all conditions are positive, and what the network is on it.
#[derive(Debug, Clone)]
struct Region {
    state: Vec<Form>,
    conditions: Vec<Form>,
}

impl Region {
    /// The parts on which one of several functions is the value of a component: each with the forms that are positive
    /// there. A component that decides by a constant has one part.
    fn split(&self, pieces: &[(Vec<Form>, Form)]) -> Vec<Region> {
        let mut parts = Vec::new();
        for (signs, value) in pieces {
            let (constant, moving): (Vec<&Form>, Vec<&Form>) =
                signs.iter().partition(|f| f.is_constant());
            if constant.iter().any(|f| f.constant < RBig::ZERO) {
                continue;
            }
            let mut part = self.clone();
            part.state.push(value.clone());
            part.conditions.extend(moving.iter().map(|f| (*f).clone()));
            // A constant that is 0 decides between functions that agree: the first one is enough.
            let tie = constant.iter().any(|f| f.constant.is_zero());
            if is_nonempty(&part.conditions) {
                parts.push(part);
                if tie && moving.is_empty() {
                    break;
                }
            }
        }
        parts
    }

    fn after(&self, step: &Step) -> Vec<Region> {
        let minus = |f: &Form| f.scaled_by(&-RBig::ONE);
        if let Step::Dense(weights, bias) = step {
            let inputs = self.state[0].gradient.len();
            let row = |(w, b): (&Vec<f64>, &f64)| {
                let terms: Vec<(RBig, &Form)> =
                    w.iter().map(|&x| rational(x)).zip(&self.state).collect();
                Form::combined(&terms, rational(*b), inputs)
            };
            let state = weights.iter().zip(bias).map(row).collect();
            return vec![Region { state, conditions: self.conditions.clone() }];
        }
        let chunk = if matches!(step, Step::Pairs) { 2 } else { 1 };
        let mut parts = vec![Region { state: Vec::new(), conditions: self.conditions.clone() }];
        for x in self.state.chunks(chunk) {
            let first = &x[0];
            let pieces = match step {
                Step::Relu => {
                    vec![
                        (vec![first.clone()], first.clone()),
                        (vec![minus(first)], first.scaled_by(&RBig::ZERO)),
                    ]
                }
                Step::Clip(min, max) => {
                    let constant = |value: f64| first.shifted(&rational(value), &RBig::ZERO);
                    let above = first.shifted(&rational(-min), &RBig::ONE);
                    let below = first.shifted(&rational(*max), &-RBig::ONE);
                    vec![
                        (vec![above.clone(), below.clone()], first.clone()),
                        (vec![minus(&above)], constant(*min)),
                        (vec![minus(&below)], constant(*max)),
                    ]
                }
                Step::Pairs => {
                    let difference = first.minus(&x[1]);
                    vec![
                        (vec![difference.clone()], first.clone()),
                        (vec![minus(&difference)], x[1].clone()),
                    ]
                }
                Step::Dense(..) => unreachable!("done above"),
            };
            parts = parts.iter().flat_map(|part| part.split(&pieces)).collect();
        }
        parts
    }
}

fn absolute(x: &RBig) -> RBig {
    if *x < RBig::ZERO { -x.clone() } else { x.clone() }
}

/// The norm of a Jacobian by its rows: exact in l1 and linf, in l2 its square is the larger eigenvalue of the Gram matrix.
fn norm_of(rows: &[Form], norm: Norm) -> f64 {
    let inputs = rows[0].gradient.len();
    let sum = |values: Vec<RBig>| values.into_iter().fold(RBig::ZERO, |a, b| a + b);
    let entry = |i: usize, j: usize| rows[i].gradient[j].clone();
    match norm {
        Norm::Linf => (0..rows.len())
            .map(|i| sum((0..inputs).map(|j| absolute(&entry(i, j))).collect()).to_f64().value())
            .fold(0.0, f64::max),
        Norm::L1 => (0..inputs)
            .map(|j| {
                sum((0..rows.len()).map(|i| absolute(&entry(i, j))).collect()).to_f64().value()
            })
            .fold(0.0, f64::max),
        Norm::L2 => {
            let gram = |j: usize, k: usize| {
                sum((0..rows.len()).map(|i| entry(i, j) * entry(i, k)).collect()).to_f64().value()
            };
            if inputs == 1 {
                return gram(0, 0).sqrt();
            }
            let (a, b, c) = (gram(0, 0), gram(0, 1), gram(1, 1));
            (0.5 * (a + c) + (0.25 * (a - c) * (a - c) + b * b).sqrt()).sqrt()
        }
    }
}

type Sides = Vec<(f64, f64)>;

/// A network with its number of inputs, and a box where there is one.
fn drawn(seed: u64) -> (Vec<Step>, usize, Option<Sides>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let inputs = rng.random_range(1..=2);
    let values = [0.0, 0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 0.1, -0.3, 0.7, 1e-3];
    let mut steps = Vec::new();
    let mut width = inputs;
    for _ in 0..rng.random_range(1..=3) {
        let pairs = rng.random_range(0..4) == 0;
        for merged in 0..rng.random_range(1..=2) {
            let rows = if merged == 0 && pairs { 4 } else { rng.random_range(1..=3) };
            let mut weights: Vec<Vec<f64>> = Vec::new();
            for _ in 0..rows {
                let draw = |rng: &mut ChaCha8Rng| values[rng.random_range(0..values.len())];
                let row = match (rng.random_range(0..6), weights.last()) {
                    (0, _) => vec![0.0; width],
                    (1, Some(last)) => last.clone(),
                    _ => (0..width).map(|_| draw(&mut rng)).collect(),
                };
                weights.push(row);
            }
            let bias = (0..rows).map(|_| values[rng.random_range(0..values.len())]).collect();
            steps.push(Step::Dense(weights, bias));
            width = rows;
        }
        if pairs && width == 4 {
            steps.push(Step::Pairs);
            width = 2;
        }
        match rng.random_range(0..5) {
            0 => steps.push(Step::Clip(0.0, 0.7)),
            1 => steps.push(Step::Clip(-0.5, 0.5)),
            _ => steps.push(Step::Relu),
        }
    }
    if rng.random() {
        let row = (0..width).map(|_| values[rng.random_range(0..values.len())]).collect();
        steps.push(Step::Dense(vec![row], vec![0.0]));
    }
    let ends = [-2.0, -1.0, -0.5, 0.0, 0.25, 0.5];
    let sides = rng.random::<bool>().then(|| {
        (0..inputs).map(|_| (ends[rng.random_range(0..3)], ends[rng.random_range(3..6)])).collect()
    });
    (steps, inputs, sides)
}

/// The network as a file, so that its layers are merged as those of any file.
fn json(steps: &[Step], inputs: usize) -> String {
    let mut layers = Vec::new();
    let mut width = inputs;
    for step in steps {
        match step {
            Step::Dense(weights, bias) => {
                let dense = serde_json::json!({"type": "dense", "weight": weights, "bias": bias});
                layers.push(dense);
                width = weights.len();
            }
            Step::Relu => layers.push(serde_json::json!({"type": "relu"})),
            Step::Clip(min, max) => {
                layers.push(serde_json::json!({"type": "clip", "min": min, "max": max}));
            }
            Step::Pairs => {
                layers.push(serde_json::json!({"type": "reshape", "shape": [1, width]}));
                layers.push(serde_json::json!({"type": "max_pool1d", "kernel_size": 2}));
                layers.push(serde_json::json!({"type": "flatten"}));
                width /= 2;
            }
        }
    }
    serde_json::json!({"input_shape": [inputs], "layers": layers}).to_string()
}

/// What is not closer than this, relatively, has not ended.
const CLOSED: f64 = 1e-9;

/// L that is 0 is bounded by what the rounding of merged weights may add, which are of order 1.
const NOTHING: f64 = 1e-12;

#[test]
fn searches_close_on_what_enumeration_finds() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("m.json");
    let cases: u64 = support::number("LIPBOUND_CASES", 400);
    let first: u64 = support::number("LIPBOUND_SEED", 0);
    let (mut wrong, mut wide, mut searched) = (String::new(), String::new(), 0);
    for seed in first..first + cases {
        let (steps, inputs, sides) = drawn(seed);
        let unit = |j: usize| Form {
            gradient: (0..inputs).map(|k| if j == k { RBig::ONE } else { RBig::ZERO }).collect(),
            constant: RBig::ZERO,
        };
        let state: Vec<Form> = (0..inputs).map(unit).collect();
        let faces = |(x, &(lo, hi)): (&Form, &(f64, f64))| {
            [x.shifted(&rational(-lo), &RBig::ONE), x.shifted(&rational(hi), &-RBig::ONE)]
        };
        let conditions = sides.iter().flat_map(|s| state.iter().zip(s).flat_map(faces)).collect();
        let mut regions = vec![Region { state: state.clone(), conditions }];
        for step in &steps {
            regions = regions.iter().flat_map(|region| region.after(step)).collect();
        }
        std::fs::write(&path, json(&steps, inputs)).expect("written");
        let mut network = support::load(&path).lower().expect("a network");
        if let Some(sides) = &sides {
            network = network.on_box(&InputBox::new(sides).expect("a box")).expect("the inputs");
        }
        let problem = Problem::new(network, Options::default());
        for norm in Norm::ALL {
            let exact = regions.iter().map(|r| norm_of(&r.state, norm)).fold(0.0, f64::max);
            let Ok(found) = find("l").expect("L").compute(&problem, norm) else { continue };
            searched += 1;
            let (lower, upper) = (found.lower.expect("an enclosure"), found.upper);
            // The exact value is rounded to nearest, and in l2 a few times more.
            let slack = if norm == Norm::L2 { 1e-14 } else { 4e-16 };
            if lower > exact * (1.0 + slack) || upper < exact * (1.0 - slack) {
                writeln!(wrong, "{seed} {norm}: {lower:e} {exact:e} {upper:e}").expect("a string");
            }
            let closed = upper <= lower * (1.0 + CLOSED) || exact == 0.0 && upper <= NOTHING;
            if !closed {
                writeln!(wide, "{seed} {norm}: {lower:e} {exact:e} {upper:e}").expect("a string");
            }
        }
    }
    assert_eq!(searched, 3 * cases, "no search is refused");
    assert!(wrong.is_empty(), "{wrong}");
    assert!(wide.is_empty(), "{wide}");
}
