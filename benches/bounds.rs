//! Each bound over width, depth and the size of convolutions, as tables in Markdown: its time, the time over
//! that of the bare matrix products that it cannot do without, how it grows, and its memory.
//!
//! `cargo bench --bench bounds -- width depth subsets convolutions enumeration` prints the named tables (all of them where
//! none is named). A bound and its floor take turns, each time with a problem in which nothing has been
//! computed; times are medians, and so are the ratios. docs/performance.md explains the tables.
#![allow(clippy::expect_used, clippy::print_stdout)]

mod support;

use std::hint::black_box;

use lipbound::bounds::{Options, Problem, find};
use lipbound::numeric::Norm;
use lipbound::numeric::product::multiply;
use ndarray::{Array1, Array2};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use support::{median, memory, networks, timed};

/// Seconds that a bound and its floor may take together, and the least and largest number of turns.
const BUDGET: f64 = 1.0;
const TURNS: std::ops::RangeInclusive<usize> = 3..=25;

/// The work without which a bound cannot be had.
#[derive(Clone, Copy, PartialEq)]
enum Floor {
    /// Every matrix times a vector: all weights are read once.
    Vectors,
    /// Every matrix times its transpose: less than their singular values take.
    Grams,
    /// The product of all matrices.
    Product,
    /// The products of all sequences of consecutive matrices.
    Products,
}

/// The bounds whose cost is a polynomial, with their floors.
const BOUNDS: [(&str, Norm, Floor); 15] = [
    ("k_star", Norm::L1, Floor::Vectors),
    ("k_star", Norm::L2, Floor::Grams),
    ("k_star", Norm::Linf, Floor::Vectors),
    ("k3", Norm::L1, Floor::Vectors),
    ("k3", Norm::L2, Floor::Product),
    ("k3", Norm::Linf, Floor::Vectors),
    ("k1", Norm::L1, Floor::Products),
    ("k1", Norm::Linf, Floor::Products),
    ("k5", Norm::L1, Floor::Products),
    ("k5", Norm::Linf, Floor::Products),
    ("k4", Norm::L1, Floor::Products),
    ("k4", Norm::Linf, Floor::Products),
    ("k2", Norm::L1, Floor::Grams),
    ("k2", Norm::L2, Floor::Grams),
    ("k2", Norm::Linf, Floor::Grams),
];

fn main() {
    let tables: [(&str, fn()); 5] = [
        ("width", widths),
        ("depth", depths),
        ("subsets", subsets),
        ("convolutions", convolutions),
        ("enumeration", enumeration),
    ];
    let words: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    for (name, print) in tables {
        if words.is_empty() || words.iter().any(|w| w == name) {
            print();
        }
    }
}

fn problem(network: &lipbound::network::Network) -> Problem {
    Problem::new(network.lower().expect("affine stages"), Options::default())
}

/// A problem in which nothing has been computed.
fn fresh(problem: &Problem) -> Problem {
    Problem::new(problem.network().clone(), Options::default())
}

fn compute(problem: &Problem, id: &str, norm: Norm) {
    let result = find(id).expect("a bound").compute(problem, norm);
    black_box(result.expect("a value"));
}

/// The matrices of a problem, in dense form.
fn matrices(problem: &Problem) -> Vec<Array2<f64>> {
    problem.chain().maps().iter().map(|map| map.matrix.to_dense()).collect()
}

impl Floor {
    fn run(self, maps: &[Array2<f64>]) {
        match self {
            Floor::Vectors => {
                let mut x = Array1::ones(maps[0].ncols());
                for map in maps {
                    let row = |i: usize| map.row(i).dot(&x);
                    x = (0..map.nrows()).into_par_iter().map(row).collect::<Vec<_>>().into();
                }
                black_box(x);
            }
            Floor::Grams => maps.iter().for_each(|map| {
                let smaller = if map.nrows() <= map.ncols() { map.view() } else { map.t() };
                black_box(multiply(smaller, smaller.t()));
            }),
            Floor::Product => chain(maps),
            Floor::Products => (0..maps.len()).for_each(|s| chain(&maps[s..])),
        }
    }
}

fn chain(maps: &[Array2<f64>]) {
    let mut product = maps[0].clone();
    for map in &maps[1..] {
        product = multiply(map.view(), product.view());
    }
    black_box(product);
}

/// The medians of the seconds of `work` and of their ratio to those of `floor`, taking turns.
fn against(mut work: impl FnMut() -> f64, mut floor: impl FnMut()) -> (f64, f64) {
    let (mut times, mut ratios, mut spent) = (Vec::new(), Vec::new(), 0.0);
    while times.len() < *TURNS.start() || spent < BUDGET && times.len() < *TURNS.end() {
        let (_, base) = timed(&mut floor);
        let time = work();
        times.push(time);
        ratios.push(time / base.as_secs_f64());
        spent += time + base.as_secs_f64();
    }
    (median(times), median(ratios))
}

const HEADER: &str = "\n| network | bound | norm | ms | time / floor | growth | MB |\n\
                      | --- | --- | --- | --- | --- | --- | --- |";

/// Rows of all bounds for networks of growing size; `growth` is the power of the size with which the time
/// grows from one network to the next.
fn growing(sizes: &[usize], widths: impl Fn(usize) -> Vec<usize>, name: impl Fn(usize) -> String) {
    println!("{HEADER}");
    let mut before = [None; BOUNDS.len()];
    for &size in sizes {
        let problem = problem(&networks::dense(&widths(size)));
        let maps = matrices(&problem);
        for (&(id, norm, floor), before) in BOUNDS.iter().zip(&mut before) {
            let subsets = id == "k4" && problem.chain().depth() > 10;
            if norm == Norm::L2 && size > 2048 || id == "k2" && size > 1024 || subsets {
                continue; // minutes
            }
            let once = || {
                let problem = fresh(&problem);
                timed(|| compute(&problem, id, norm)).1.as_secs_f64()
            };
            let (time, ratio) = against(once, || floor.run(&maps));
            row(&name(size), id, norm, time, Some(ratio), size, before, &problem);
        }
    }
}

#[allow(clippy::too_many_arguments)] // the columns of a table
fn row(
    name: &str,
    id: &str,
    norm: Norm,
    time: f64,
    ratio: Option<f64>,
    size: usize,
    before: &mut Option<(usize, f64)>,
    problem: &Problem,
) {
    let problem = fresh(problem);
    let start = memory::now();
    let ((), peak) = memory::peak(|| compute(&problem, id, norm));
    let growth = before.map_or_else(String::new, |(smaller, least)| {
        format!("{:.1}", (time / least).ln() / (size as f64 / smaller as f64).ln())
    });
    *before = Some((size, time));
    let (milliseconds, megabytes) = (time * 1e3, (peak - start) as f64 / 1e6);
    let ratio = ratio.map_or_else(String::new, |r| format!("{r:.2}"));
    println!(
        "| {name} | {id} | {norm} | {milliseconds:.3} | {ratio} | {growth} | {megabytes:.1} |"
    );
}

fn widths() {
    let sizes = [64, 128, 256, 512, 1024, 2048, 4096];
    growing(&sizes, |width| vec![width; 5], |width| format!("3 hidden layers of {width}"));
}

fn depths() {
    let sizes = [2, 5, 10, 20];
    growing(&sizes, |depth| vec![256; depth + 2], |depth| format!("{depth} hidden layers of 256"));
}

/// K4, whose work doubles with every layer.
fn subsets() {
    println!("{HEADER}");
    let mut before = None;
    for depth in [8, 12, 16, 20] {
        let problem = problem(&networks::dense(&vec![64; depth + 2]));
        let (_, time) = timed(|| compute(&fresh(&problem), "k4", Norm::Linf));
        let name = format!("{depth} hidden layers of 64");
        row(&name, "k4", Norm::Linf, time.as_secs_f64(), None, depth, &mut before, &problem);
    }
}

/// Convolutions of three channels, then twice as many as given, on square images; the last size is beyond
/// what is written out.
fn convolutions() {
    println!("{HEADER}");
    let bounds = BOUNDS.map(|(id, norm, _)| (id, norm));
    let mut before = [None; BOUNDS.len()];
    for (channels, size) in [(8, 8), (16, 16), (32, 32)] {
        let problem = problem(&networks::convolutional(&[3, channels, channels], size));
        let neurons = channels * size * size;
        for (&(id, norm), before) in bounds.iter().zip(&mut before) {
            // K3 in l2 and products of the last size, and decompositions beyond the first, take minutes.
            let products = ["k1", "k4", "k5"].contains(&id) || id == "k3" && norm == Norm::L2;
            if size == 32 && products || size > 8 && id == "k2" {
                continue;
            }
            let once = || timed(|| compute(&fresh(&problem), id, norm)).1.as_secs_f64();
            let (time, _) = against(once, || ());
            let name = format!("3-{channels}-{channels} channels, {size} x {size}");
            row(&name, id, norm, time, None, neurons, before, &problem);
        }
    }
}

/// K of networks that are small enough for all patterns.
fn enumeration() {
    println!("{HEADER}");
    for widths in [[2, 8, 8, 1], [8, 10, 6, 3], [3, 10, 10, 2]] {
        let problem = problem(&networks::dense(&widths));
        for norm in [Norm::L2, Norm::Linf] {
            let once = || timed(|| compute(&fresh(&problem), "k", norm)).1.as_secs_f64();
            let (time, _) = against(once, || ());
            row(&format!("{widths:?}"), "k", norm, time, None, 1, &mut None, &problem);
        }
    }
}
