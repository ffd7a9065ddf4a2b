//! The SDP bound against a general conic solver on the same problem: time, and difference of the values.
//!
//! `LIPBOUND_CLARABEL_NEURONS` replaces the numbers of neurons, as in `20,40,60` or, for several hidden layers,
//! `4x20,6x30`, `LIPBOUND_CLARABEL_NORMS` the norms, as in `linf`; the conic solver takes very long in l2.
//! `LIPBOUND_CLARABEL_SECONDS` is when it ends its iterations.

use std::time::{Duration, Instant};

use clarabel::algebra::CscMatrix;
use clarabel::solver::{
    DefaultSettings, DefaultSolver, IPSolver, SolverStatus, SupportedConeT::PSDTriangleConeT,
};
use lipbound::numeric::sdp::{Objective, Problem, bound};
use ndarray::Array2;
use rand::{Rng, SeedableRng};

#[allow(unsafe_code)] // the C interface of BLAS and LAPACK
mod blas;

const INPUTS: usize = 10;

/// A random network with ReLU activations, entries uniform in `[-1, 1] / sqrt(width)`: the one of the
/// bench `sdp`.
fn network(hidden: &[usize]) -> Problem {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let mut entry = |width: usize| rng.random_range(-1.0..1.0) / (width as f64).sqrt();
    let widths = [&[INPUTS], hidden, &[1]].concat();
    let weights = widths
        .windows(2)
        .map(|w| Array2::from_shape_simple_fn((w[1], w[0]), || entry(w[0])))
        .collect();
    let slopes = hidden.iter().map(|&neurons| vec![(0.0, 1.0); neurons]).collect();
    Problem::new(weights, slopes).expect("a valid chain")
}

/// A semidefinite program `minimise cost z` with `constant + sum z_k M_k >= 0`, as clarabel takes it.
struct Program {
    size: usize,
    cost: Vec<f64>,
    constant: Vec<f64>,
    columns: Vec<Vec<(usize, f64)>>,
}

/// The position of `(i, j)`, `i <= j`, in the stacked columns of the upper triangle.
fn position(i: usize, j: usize) -> usize {
    j * (j + 1) / 2 + i
}

/// The dual problem with the variables `(x, d_1, ..., d_l)` in l2 and `(x, d_1, ..., d_l, 1)` for an output row:
/// `sum lambda_j x_j^2 + sum T_k d_k (d_k - p_k) >= |W_l d_l|^2` (l2, all `lambda` the same) and
/// `gamma + sum lambda_j x_j^2 + sum T_k d_k (d_k - p_k) >= W_l d_l` (row), where `p_1 = W_0 x` and
/// `p_{r+1} = W_r d_r`.
fn program(problem: &Problem, objective: Objective) -> Program {
    let (last, maps) = problem.weights().split_last().expect("a valid chain");
    let last = last.row(0);
    let inputs = maps[0].ncols();
    let spectral = objective == Objective::Spectral;
    let size = inputs + problem.neurons() + usize::from(!spectral);
    let behind = inputs + problem.neurons() - last.len();
    let root = 2f64.sqrt();
    let mut constant = vec![0.0; size * (size + 1) / 2];
    let mut columns: Vec<Vec<(usize, f64)>> = Vec::new();
    let diagonal = |i| (position(i, i), 1.0);
    if spectral {
        columns.push((0..inputs).map(diagonal).collect());
        for j in 0..last.len() {
            for i in 0..=j {
                let scale = if i == j { 1.0 } else { root };
                constant[position(behind + i, behind + j)] = -scale * last[i] * last[j];
            }
        }
    } else {
        columns.extend((0..inputs).map(|i| vec![diagonal(i)]));
        columns.push(vec![diagonal(size - 1)]);
        for i in 0..last.len() {
            constant[position(behind + i, size - 1)] = -root * last[i] / 2.0;
        }
    }
    let mut cost = vec![1.0; columns.len()];
    let mut start = 0;
    for w in maps {
        for (k, row) in w.rows().into_iter().enumerate() {
            let at = start + w.ncols() + k;
            let off = row.into_iter().enumerate();
            let off = off.map(|(j, w)| (position(start + j, at), -root * w / 2.0));
            columns.push(off.chain([diagonal(at)]).collect());
            cost.push(0.0);
        }
        start += w.ncols();
    }
    Program { size, cost, constant, columns }
}

/// The bound by the conic solver.
fn general(problem: &Problem, objective: Objective) -> (f64, SolverStatus) {
    let program = program(problem, objective);
    let unknowns = program.columns.len();
    let (mut starts, mut rows, mut values) = (vec![0], Vec::new(), Vec::new());
    for column in &program.columns {
        for &(row, value) in column {
            rows.push(row);
            values.push(-value);
        }
        starts.push(rows.len());
    }
    let a = CscMatrix::new(program.constant.len(), unknowns, starts, rows, values);
    let p = CscMatrix::zeros((unknowns, unknowns));
    let cones = [PSDTriangleConeT(program.size)];
    let seconds = std::env::var("LIPBOUND_CLARABEL_SECONDS");
    let time_limit = seconds.map_or(f64::INFINITY, |s| s.parse().expect("seconds"));
    let settings = DefaultSettings { verbose: false, time_limit, ..DefaultSettings::default() };
    let solver = DefaultSolver::new(&p, &program.cost, &a, &program.constant, &cones, settings);
    let mut solver = solver.expect("a valid program");
    solver.solve();
    let value = solver.solution.obj_val;
    let value = if objective == Objective::Spectral { value.sqrt() } else { value };
    (value, solver.solution.status)
}

/// The result and the shortest time of `runs` runs.
fn timed<T>(runs: usize, mut f: impl FnMut() -> T) -> (T, Duration) {
    let mut run = || {
        let start = Instant::now();
        let result = f();
        (result, start.elapsed())
    };
    let (mut result, mut least) = run();
    for _ in 1..runs {
        let (again, time) = run();
        (result, least) = (again, least.min(time));
    }
    (result, least)
}

fn main() {
    let wanted = std::env::var("LIPBOUND_CLARABEL_NEURONS");
    let wanted = wanted.unwrap_or_else(|_| "20,30".to_owned());
    let number = |n: &str| n.trim().parse::<usize>().expect("numbers of neurons");
    let norms = std::env::var("LIPBOUND_CLARABEL_NORMS").unwrap_or_else(|_| "l2,linf".to_owned());
    println!("norm  neurons  lipbound [s]  clarabel [s]    ratio  lipbound / clarabel - 1  status");
    for neurons in wanted.split(',') {
        let (layers, width) = neurons.split_once('x').unwrap_or(("1", neurons));
        let problem = network(&vec![number(width); number(layers)]);
        let objectives = [("l2", Objective::Spectral), ("linf", Objective::Row(0))];
        for (name, objective) in objectives.into_iter().filter(|(name, _)| norms.contains(name)) {
            let (ours, our_time) =
                timed(5, || bound(&problem, objective, &|| false).expect("a bound"));
            let ((value, status), time) = timed(1, || general(&problem, objective));
            println!(
                "{name:<4}  {neurons:>7}  {:>12.4}  {:>12.3}  {:>7.0}  {:>23.1e}  {status:?}",
                our_time.as_secs_f64(),
                time.as_secs_f64(),
                time.as_secs_f64() / our_time.as_secs_f64(),
                ours.upper / value - 1.0,
            );
        }
    }
}
