//! How fast do two solutions of a differential equation part? Where x' = f(x) and L is a Lipschitz
//! constant of f, |x(t) - y(t)| <= e^(L t) |x(0) - y(0)| (Gronwall), an example of the slides of Pintore
//! and Despres. Here f is a network, trained to be a pendulum with friction, and L is bounded by this
//! library. The integration and the exponential function are ordinary floating point.
//!
//! `cargo run --release --example ode`

#![allow(clippy::print_stdout)] // a program that prints

use std::error::Error;
use std::path::Path;

use lipbound::bounds::{Options, Problem, find};
use lipbound::io::{ReadOptions, Source, read};
use lipbound::network::LoweredNetwork;
use lipbound::numeric::{Interval, Norm};

/// The bounds that are shown: the product of the norms, the semidefinite relaxation, and L itself.
pub const BOUNDS: [&str; 3] = ["k_star", "k_sdp", "l"];

/// Two starts close to the upper position of the pendulum, where solutions part quickly.
pub const STARTS: [[f64; 2]; 2] = [[3.00, 0.0], [3.01, 0.0]];

/// The network f: angle and angular velocity to their derivatives.
///
/// # Errors
/// The file of the network cannot be read.
pub fn pendulum() -> Result<LoweredNetwork, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ode_pendulum.json");
    Ok(read(&Source::File(path), &ReadOptions::default())?.lower()?)
}

/// Upper bounds of the Lipschitz constant of f in the l2 norm.
///
/// # Errors
/// A bound cannot be computed.
pub fn constants(f: &LoweredNetwork) -> Result<[f64; 3], Box<dyn Error>> {
    let problem = Problem::new(f.clone(), Options::default());
    let mut constants = [0.0; 3];
    for (constant, id) in constants.iter_mut().zip(BOUNDS) {
        let bound = find(id).ok_or("no such bound")?;
        *constant = bound.compute(&problem, Norm::L2)?.upper;
    }
    Ok(constants)
}

/// One step of the classical Runge-Kutta method.
fn step(f: &LoweredNetwork, x: [f64; 2], h: f64) -> [f64; 2] {
    let slope = |x: [f64; 2]| {
        let value = f.outputs_at(&x.map(Interval::point));
        [value[0].midpoint(), value[1].midpoint()]
    };
    let along = |h: f64, k: [f64; 2]| [x[0] + h * k[0], x[1] + h * k[1]];
    let k1 = slope(x);
    let k2 = slope(along(h / 2.0, k1));
    let k3 = slope(along(h / 2.0, k2));
    let k4 = slope(along(h, k3));
    let mean = |i: usize| (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]) / 6.0;
    along(h, [mean(0), mean(1)])
}

/// The distance of the two solutions at the times 0, 1, ..., `end`, with `steps` steps in between.
pub fn distances(f: &LoweredNetwork, end: u32, steps: u32) -> Vec<f64> {
    let distance = |[x, y]: [[f64; 2]; 2]| (x[0] - y[0]).hypot(x[1] - y[1]);
    let mut states = STARTS;
    let mut distances = vec![distance(states)];
    for _ in 0..end {
        for _ in 0..steps {
            states = states.map(|x| step(f, x, 1.0 / f64::from(steps)));
        }
        distances.push(distance(states));
    }
    distances
}

fn main() -> Result<(), Box<dyn Error>> {
    let f = pendulum()?;
    let constants = constants(&f)?;
    let distances = distances(&f, 5, 1000);
    println!("x' = f(x), f a network with 2-8-8-2 neurons; |x(t) - y(t)| in the l2 norm\n");
    println!("bound by       {:>14}{:>11}{:>11}", "K*", "Ksdp", "L");
    let [k_star, k_sdp, l] = constants;
    println!("constant       {k_star:>14.4}{k_sdp:>11.4}{l:>11.4}\n");
    println!("  t    distance      e^(constant t) times the distance at 0");
    for (t, distance) in distances.iter().enumerate() {
        let bound = |constant: f64| (constant * t as f64).exp() * distances[0];
        let [k_star, k_sdp, l] = constants.map(bound);
        println!("{t:>3}{distance:>12.4}{k_star:>14.4}{k_sdp:>11.4}{l:>11.4}");
    }
    Ok(())
}
