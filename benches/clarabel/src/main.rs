//! The SDP bound against a general conic solver on the same problem: time, and difference of the values.
//!
//! `LIPBOUND_CLARABEL_NEURONS` replaces the numbers of neurons, as in `20,40,60`, and
//! `LIPBOUND_CLARABEL_NORMS` the norms, as in `linf`; the conic solver takes very long in l2.

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
fn network(neurons: usize) -> Problem {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let mut entry = |width: usize| rng.random_range(-1.0..1.0) / (width as f64).sqrt();
    let widths = [INPUTS, neurons, 1];
    let weights = widths
        .windows(2)
        .map(|w| Array2::from_shape_simple_fn((w[1], w[0]), || entry(w[0])))
        .collect();
    Problem::new(weights, vec![vec![(0.0, 1.0); neurons]]).expect("a valid chain")
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

/// The dual problem with the variables `(x, d)` in l2 and `(x, d, 1)` for an output row:
/// `sum lambda_j x_j^2 + sum T_k d_k (d_k - p_k) >= |W_1 d|^2` (l2, all `lambda` the same) and
/// `gamma + sum lambda_j x_j^2 + sum T_k d_k (d_k - p_k) >= W_1 d` (row), where `p = W_0 x`.
fn program(problem: &Problem, objective: Objective) -> Program {
    let (first, last) = (&problem.weights()[0], problem.weights()[1].row(0));
    let (neurons, inputs) = first.dim();
    let spectral = objective == Objective::Spectral;
    let size = inputs + neurons + usize::from(!spectral);
    let root = 2f64.sqrt();
    let mut constant = vec![0.0; size * (size + 1) / 2];
    let mut columns: Vec<Vec<(usize, f64)>> = Vec::new();
    let diagonal = |i| (position(i, i), 1.0);
    if spectral {
        columns.push((0..inputs).map(diagonal).collect());
        for j in 0..neurons {
            for i in 0..=j {
                let scale = if i == j { 1.0 } else { root };
                constant[position(inputs + i, inputs + j)] = -scale * last[i] * last[j];
            }
        }
    } else {
        columns.extend((0..inputs).map(|i| vec![diagonal(i)]));
        columns.push(vec![diagonal(size - 1)]);
        for i in 0..neurons {
            constant[position(inputs + i, size - 1)] = -root * last[i] / 2.0;
        }
    }
    let mut cost = vec![1.0; columns.len()];
    for k in 0..neurons {
        let at = inputs + k;
        let off = (0..inputs).map(|j| (position(j, at), -root * first[[k, j]] / 2.0));
        columns.push(off.chain([diagonal(at)]).collect());
        cost.push(0.0);
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
    let settings = DefaultSettings { verbose: false, ..DefaultSettings::default() };
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
    let sizes: Vec<usize> =
        wanted.split(',').map(|n| n.trim().parse().expect("numbers of neurons")).collect();
    let norms = std::env::var("LIPBOUND_CLARABEL_NORMS").unwrap_or_else(|_| "l2,linf".to_owned());
    println!("norm  neurons  lipbound [s]  clarabel [s]    ratio  lipbound / clarabel - 1  status");
    for &neurons in &sizes {
        let problem = network(neurons);
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
