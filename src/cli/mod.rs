//! The command line: the only place that prints.
//!
//! Exit status: 0 for success, 1 when a check failed, 2 for an error or where an interruption left
//! something out, 128 and the signal's number where a signal a second after the first ended the program.

// What is shown of a bound is rounded in its direction (`report::number`), and bounds are combined by
// operations of `numeric::rounding`: all others say at their place what they are for. Tests may calculate
// freely.
#![cfg_attr(not(test), warn(clippy::float_arithmetic))]

mod arguments;
mod certify;
mod check;
mod compare;
mod compute;
mod convert;
mod explain;
mod gradient;
mod inputs;
mod inspect;
mod manual;
mod memory;
mod output;
mod part;
mod plot;
mod region;
mod signals;
mod stated;
mod thresholds;
mod verify;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

/// How a subcommand ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Everything was done.
    Done,
    /// A check failed.
    Failed,
    /// Some inputs failed; what went wrong has been said, the rest was done.
    Incomplete,
}

/// Runs the program with the arguments of the process.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to standard output, with status 0; mistakes to standard error, 2.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    signals::listen();
    // Until the process ends, so that threads with work that was given up may still look at them.
    let arguments: &'static Arguments = Box::leak(Box::new(arguments));
    let result = match &arguments.command {
        Command::Compute(options) => compute::run(options),
        Command::Compare(options) => compare::run(options),
        Command::Check(options) => check::run(options),
        Command::Certify(options) => certify::run(options),
        Command::Gradient(options) => gradient::run(options),
        Command::Inspect(options) => inspect::run(options),
        Command::Explain(options) => explain::run(options),
        Command::Verify(options) => verify::run(options),
        Command::Convert(options) => convert::run(options),
        Command::Completions(options) => manual::completions(options),
        Command::Man(options) => manual::man(options),
        Command::Schema => {
            output::print(&format!("{:#}\n", crate::io::json::schema())).map(|()| Outcome::Done)
        }
    };
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::from(1),
        Ok(Outcome::Incomplete) => ExitCode::from(2),
        Err(error) => {
            output::error(&error);
            ExitCode::from(2)
        }
    }
}
