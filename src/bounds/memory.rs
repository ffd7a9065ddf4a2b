//! How much memory a bound takes: estimates from the shapes of a chain, before any work.
//!
//! An estimate is a sum over the arrays that exist at the same time in the largest step of a computation.
//! It is meant to be above what is measured and below three times of it where arrays decide (see
//! `tests/scale.rs`): sums of scratch space are rounded up, and what is shared is counted once. What a
//! search keeps in its queue grows with the time that it is given and is not part of it; a search ends when its
//! queue takes what is left (see [`room`]).
#![expect(clippy::float_arithmetic, reason = "estimates of memory")]

use super::problem::Oriented;
use super::streamed::Wanted;
use super::{Bound, Problem, Refusal, streamed};
use crate::network::{Chain, LinearMap, LoweredNetwork, Network, size};
use crate::numeric::{Matrix, Norm};

/// The program itself, with its threads.
const PROGRAM: f64 = 16e6;

/// Checks that a bound in a norm fits into the limit of the memory, with the network and what other
/// bounds have left for it.
///
/// # Errors
/// A refusal with the estimate where it does not.
pub fn check(bound: &dyn Bound, problem: &Problem, norm: Norm) -> Result<(), Refusal> {
    fits(bound.name(), bound.memory(problem, norm), problem, norm)
}

/// The same for the search of a lower bound, see [`super::lower`].
///
/// # Errors
/// As [`check`].
pub fn check_lower(problem: &Problem, norms: &[Norm]) -> Result<(), Refusal> {
    let needed = norms.iter().map(|&norm| lower(problem.network(), norm)).fold(0.0, f64::max);
    fits("the search of a lower bound", needed, problem, norms.first().copied().unwrap_or(Norm::L2))
}

/// What the process takes in all while it computes a bound.
pub fn of(bound: &dyn Bound, problem: &Problem, norm: Norm) -> f64 {
    PROGRAM + held(problem) + bound.memory(problem, norm)
}

/// What is left of the limit while a bound is computed, for what its estimate leaves out.
pub fn room(bound: &dyn Bound, problem: &Problem, norm: Norm) -> f64 {
    problem.options().ceiling as f64 - of(bound, problem, norm)
}

/// What the process takes in all while it brings a network into the form that is bounded.
pub fn of_lowering(network: &Network) -> f64 {
    PROGRAM + lowering(network)
}

fn fits(name: &str, needed: f64, problem: &Problem, norm: Norm) -> Result<(), Refusal> {
    let needed = PROGRAM + held(problem) + needed;
    let (what, advice) =
        (format!("{name} in {norm} needs"), "leave it out, or raise --memory-limit");
    within(&what, needed, problem.options().ceiling, advice)
}

/// Refuses `what` where it is above the limit, with the advice what to do.
fn within(what: &str, needed: f64, limit: usize, advice: &str) -> Result<(), Refusal> {
    if needed <= limit as f64 {
        return Ok(());
    }
    let (needed, limit) = (show(needed), show(limit as f64));
    Err(Refusal(format!("{what} about {needed}, above the limit of {limit}; {advice}")))
}

/// Checks that a network can be brought into the form that is bounded, while its own tensors exist.
///
/// # Errors
/// A refusal with the estimate where it cannot.
pub fn check_lowering(network: &Network, limit: usize) -> Result<(), Refusal> {
    within("the layers need", of_lowering(network), limit, "raise --memory-limit")
}

/// A number of bytes as messages show it.
pub fn show(bytes: f64) -> String {
    let units = [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = units.iter().find(|(_, unit)| bytes >= *unit as f64);
    unit.map_or(format!("{bytes:.0} bytes"), |(name, unit)| {
        format!("{:.1} {name}", bytes / *unit as f64)
    })
}

/// The tensors, which the maps take the place of one by one; a map has up to two more copies on the way. A
/// convolution is written out, at 24 bytes for each entry and once more on the way, unless it is too large
/// for that.
fn lowering(network: &Network) -> f64 {
    const WRITTEN: f64 = 4.2e6;
    let tensors = 8.0 * network.parameters() as f64;
    let shapes = network.shapes().unwrap_or_default();
    let (mut written, mut largest) = (0.0, 0.0f64);
    for (node, shape) in network.nodes.iter().zip(shapes.iter().skip(1)) {
        let parameters = node.layer.parameters() as f64;
        let bytes = if node.layer.kind().contains("conv") {
            let places = size(shape) as f64 / shape.first().map_or(1.0, |&n| n.max(1) as f64);
            let bytes = 48.0 * (parameters * places).min(WRITTEN);
            written += bytes;
            bytes
        } else {
            8.0 * parameters
        };
        largest = largest.max(bytes);
    }
    tensors + written + 2.0 * largest
}

/// The maps of the chain, and products that an earlier bound has made.
fn held(problem: &Problem) -> f64 {
    let of =
        |m: &LinearMap| m.matrix.held_bytes() + m.radius.as_ref().map_or(0, Matrix::held_bytes);
    let maps = problem.chain().maps().iter().map(of).sum::<usize>() as f64;
    maps + if problem.has_products() { problem.products_bytes() as f64 } else { 0.0 }
}

/// The products of the maps, where no bound has made them yet, with one more on the way.
pub fn products(problem: &Problem) -> f64 {
    let all = if problem.has_products() { 0 } else { problem.products_bytes() };
    all as f64 + problem.chain().maps().iter().map(map_bytes).fold(0.0, f64::max)
}

/// The products where they are kept, or `must` be; otherwise the rows that go down together.
pub fn products_or_rows(problem: &Problem, must: bool, rows: Wanted) -> f64 {
    if must || problem.keeps_products() {
        return products(problem);
    }
    streamed::bytes(problem.chain(), problem.options(), rows)
}

fn map_bytes(map: &LinearMap) -> f64 {
    map.matrix.bytes() as f64
}

/// The norm of a dense matrix. In l2: its scaled copy, the Gram matrix, that matrix shifted, its factor,
/// the residual, and the scratch space of the factorisation, with the smaller side `k`.
pub fn dense_norm(rows: usize, columns: usize, norm: Norm) -> f64 {
    let (m, n) = (rows as f64, columns as f64);
    match norm {
        Norm::L1 | Norm::Linf => 32.0 * (m + n),
        Norm::L2 => {
            let k = m.min(n);
            8.0 * (2.0 * m * n + 6.0 * k * k + 64.0 * k)
        }
    }
}

/// How many tasks of so many bytes each are done side by side: as many as there are threads if they fit into 256 MB
/// together, and one in any case.
pub fn lanes(bytes: f64) -> usize {
    ((256e6 / bytes) as usize).clamp(1, rayon::current_num_threads().max(1))
}

/// The memory of tasks of so many bytes each that are done side by side.
pub fn of_lanes(bytes: f64) -> f64 {
    lanes(bytes) as f64 * bytes
}

/// The largest norm in l2 of a product of consecutive maps.
pub fn product_norm_l2(maps: &[LinearMap]) -> f64 {
    let each = maps.iter().enumerate().flat_map(|(s, first)| {
        let columns = first.columns();
        maps[s..].iter().map(move |last| dense_norm(last.rows(), columns, Norm::L2))
    });
    each.fold(0.0, f64::max)
}

/// The norm of a map. Sparse matrices have no Gram matrix of more than 2500 rows.
pub fn map_norm(map: &LinearMap, norm: Norm) -> f64 {
    const SIDE: usize = 2500;
    let magnitude = if map.radius.is_some() { 3.0 * map_bytes(map) } else { 0.0 };
    let (rows, columns) = (map.rows(), map.columns());
    magnitude
        + match (map.matrix.as_dense(), norm) {
            (Some(_), _) | (None, Norm::L1 | Norm::Linf) => dense_norm(rows, columns, norm),
            (None, Norm::L2) => 2.0 * map_bytes(map) + dense_norm(rows.min(SIDE), SIDE, norm),
        }
}

/// A block of columns that goes through the chain, with as many blocks beside it as `copies` says for each
/// state, the matrix that is applied to several columns once more, and the norm of what comes out.
pub fn pushed(oriented: &Oriented<'_>, norm: Norm, columns: usize, copies: f64) -> f64 {
    let chain = oriented.chain;
    let widths = chain.maps().iter().map(|m| m.rows() as f64).sum::<f64>() + chain.inputs() as f64;
    let blocks = 8.0 * widths * columns as f64 * copies;
    if oriented.sums_rows(norm) {
        return blocks;
    }
    let (rows, inputs) = (chain.outputs(), chain.inputs());
    let dense = |m: &LinearMap| m.matrix.as_dense().map_or(0.0, |a| 8.0 * a.len() as f64);
    let applied = chain.maps().iter().map(dense).fold(0.0, f64::max);
    blocks + applied + 8.0 * rows as f64 * inputs as f64 + dense_norm(rows, inputs, norm)
}

/// The columns that go through the chain at once, see [`Oriented::pushed`].
pub fn columns(oriented: &Oriented<'_>, norm: Norm) -> usize {
    oriented.start_columns(norm).min(256)
}

/// Several Jacobians for each thread, and one with bounds of its errors, which is verified.
fn lower(network: &LoweredNetwork, norm: Norm) -> f64 {
    let chain = &network.chain;
    let (inputs, outputs) = (chain.inputs(), chain.outputs());
    let dense = |m: &LinearMap| 8.0 * m.rows() as f64 * m.columns() as f64;
    let last = dense(&chain.maps()[chain.depth()]);
    let widest = chain.maps().iter().map(LinearMap::columns).max().unwrap_or(0) as f64;
    let block = 8.0 * widest * outputs as f64;
    let applied = chain.maps().iter().filter(|m| m.matrix.as_dense().is_some()).map(dense);
    let threads = rayon::current_num_threads() as f64;
    let copied = if outputs > 1 { applied.fold(0.0, f64::max) } else { 0.0 };
    // The samples and their searches; then the verification of one.
    let points = threads * 8.0 * (4.0 * block + outputs as f64 * outputs as f64) / 8.0;
    let samples = 8.0 * 2000.0 * network.inputs() as f64;
    samples + points.max(2.0 * last + 6.0 * block + copied) + dense_norm(inputs, outputs, norm)
}

/// A semidefinite relaxation while it is solved: the matrix of `variables`, its factor and its inverse, products
/// with them and with as many columns as there are `inputs`, and the Newton system where there is one.
pub fn relaxation(variables: usize, inputs: usize, with_newton: bool) -> f64 {
    let (n, m) = (variables as f64, inputs as f64);
    let newton = if with_newton { 3.0 * (n + m) * (n + m) } else { 0.0 };
    8.0 * (12.0 * n * n + newton + 4.0 * n * m)
}

/// Parts of a search that are split side by side, each with dense matrices and a relaxation. Relaxations of
/// different sizes follow each other between small blocks that stay, so that the allocator holds up to `slack`
/// times what it would hold for one.
pub fn search(chain: &Chain, slack: f64) -> f64 {
    let weights: f64 = chain.maps().iter().map(|m| m.rows() as f64 * m.columns() as f64).sum();
    let neurons = chain.neurons() + chain.outputs();
    let widest = chain.maps().iter().map(LinearMap::columns).max().unwrap_or(0);
    let threads = rayon::current_num_threads() as f64;
    let part = 8.0 * (weights + neurons as f64 * widest as f64);
    32.0 * weights + threads * (part + slack * relaxation(neurons, chain.inputs(), true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_fit_into_the_threads_and_the_memory() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().expect("threads");
        let found = |bytes: f64| pool.install(|| (lanes(bytes), of_lanes(bytes)));
        assert_eq!(found(1e6), (4, 4e6));
        assert_eq!(found(1e8), (2, 2e8));
        assert_eq!(found(1e12), (1, 1e12));
        assert_eq!(found(0.0), (4, 0.0));
    }
}
