//! The tables of the explicit networks.

use std::error::Error;
use std::fmt::Write;

use lipbound::bounds::{Options, Problem, find};
use lipbound::numeric::Norm;
use lipbound::report::number;

use crate::networks::{evaluate, x_squared, x_times_y};

/// The bounds of the paper, ours beside them.
pub const BOUNDS: [&str; 7] = ["k_star", "k1", "k2", "k3", "k4", "k5", "k"];

fn row(problem: &Problem, norm: Norm) -> String {
    let cells = BOUNDS.map(|id| {
        let value = find(id).and_then(|bound| bound.compute(problem, norm).ok());
        let text = value.map_or_else(|| "-".to_owned(), |c| number::upper(c.upper, 8));
        format!("{text:>12}")
    });
    cells.concat()
}

fn header(first: &str) -> String {
    let names = BOUNDS.map(|id| format!("{:>12}", find(id).map_or(id, |bound| bound.name())));
    format!("{first}{}\n", names.concat())
}

/// The bounds of the networks that interpolate x^2, in linf.
pub fn x2() -> Result<String, Box<dyn Error>> {
    let mut text = String::from("x^2 on [0, 1], interpolated at the multiples of 2^-l, linf\n");
    text.push_str(&header("l    "));
    for l in 1..=6 {
        let problem = Problem::new(x_squared(l)?.lower()?, Options::default());
        writeln!(text, "{l:<5}{}", row(&problem, Norm::Linf))?;
    }
    text.push_str("The slope of the interpolant at 1, and so L, is 2 - 2^-l.\n\n");
    Ok(text)
}

/// The bounds of the networks that approximate xy on [-1, 1]^2.
pub fn xy() -> Result<String, Box<dyn Error>> {
    let mut text = String::from("x*y on [-1, 1]^2: n terms, within 4^-n\n");
    text.push_str(&header("n norm error       "));
    for n in 1..=4 {
        let network = x_times_y(n)?;
        let mut error = 0.0f64;
        for i in -50..=50 {
            for j in -50..=50 {
                let (x, y) = (f64::from(i) / 50.0, f64::from(j) / 50.0);
                error = error.max((evaluate(&network, &[x, y])?[0] - x * y).abs());
            }
        }
        let problem = Problem::new(network.lower()?, Options::default());
        for norm in Norm::ALL {
            let shown = if norm == Norm::L1 { format!("{error:.2e}") } else { String::new() };
            writeln!(text, "{n} {:<5}{shown:<12}{}", norm.id(), row(&problem, norm))?;
        }
    }
    text.push_str("For xy itself on the square L is 1 (l1), sqrt 2 (l2), 2 (linf).\n");
    Ok(text)
}
