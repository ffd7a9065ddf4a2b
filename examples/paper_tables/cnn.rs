//! The table of convolutional networks: explicit and implicit max-pooling.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;

use lipbound::bounds::{Options, Problem, find};
use lipbound::io::{ReadOptions, Source, read};
use lipbound::numeric::Norm;
use lipbound::report::number;

const BOUNDS: [&str; 5] = ["k_star", "k1", "k3", "k4", "k5"];

/// The bounds of three networks trained on MNIST (convolutions 3x3, poolings 2x2; see README of
/// examples/), in l1 and linf.
pub fn table() -> Result<String, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut text = String::from("convolutional networks trained on MNIST\n");
    let names = BOUNDS.map(|id| format!("{:>12}", find(id).map_or(id, |bound| bound.name())));
    writeln!(text, "{:<14}{:<10}{:<5}{}", "model", "pooling", "norm", names.concat())?;
    for name in ["mnist_cnn_a", "mnist_cnn_b", "mnist_cnn_c"] {
        let arch = Some(folder.join(format!("{name}.arch.json")));
        let options = ReadOptions { arch, ..ReadOptions::default() };
        let lowered = read(&Source::File(folder.join(format!("{name}.npz"))), &options)?.lower()?;
        for (pooling, lowered) in
            [("explicit", lowered.clone().with_explicit_pools()), ("implicit", lowered)]
        {
            let problem = Problem::new(lowered, Options::default());
            for norm in [Norm::L1, Norm::Linf] {
                write!(text, "{name:<14}{pooling:<10}{:<5}", norm.id())?;
                for id in BOUNDS {
                    let bound = find(id).ok_or("no such bound")?;
                    write!(text, "{:>12}", number::upper(bound.compute(&problem, norm)?.upper, 7))?;
                }
                text.push('\n');
            }
        }
    }
    text.push('\n');
    Ok(text)
}
