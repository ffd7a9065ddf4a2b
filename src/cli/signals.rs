//! Signals: the first asks for what has been proved so far, one that comes a second later ends the program.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::bounds::Stop;

/// What computations that can end early look at; none are running where it is not set.
static STOP: OnceLock<Stop> = OnceLock::new();

/// From now on a first signal asks the computations that share `stop` to end.
pub fn stop_first(stop: &Stop) {
    // There is one session for each process; of several, the first would be the one that is told.
    let _ = STOP.set(stop.clone());
}

/// When the first signal came.
static FIRST: OnceLock<Instant> = OnceLock::new();

/// Signals that come sooner after the first are part of it: `timeout` and batch systems signal a process and its
/// group, which is the same process, within microseconds.
const TOGETHER: Duration = Duration::from_secs(1);

/// What a signal with this number does.
fn received(signal: i32) {
    match STOP.get() {
        Some(stop) if !stop.is_set() => {
            let _ = FIRST.set(Instant::now());
            stop.set();
        }
        Some(_) if FIRST.get().is_some_and(|first| first.elapsed() < TOGETHER) => {}
        _ => end(signal),
    }
}

/// Ends the program, without what it has begun to write, with the status that shells give to processes
/// that a signal ended.
#[allow(clippy::exit)] // there is nothing to unwind to in the thread that listens
fn end(signal: i32) {
    let _written = crate::io::abandon_unfinished();
    std::process::exit(128 + signal);
}

/// Starts to listen. Where that is not possible, signals end the program as they always do.
#[cfg(unix)]
pub fn listen() {
    use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
    // With a handler, a file beyond the limit of its size is an error of the write, which is reported;
    // without one it is the end of the process.
    let _ = signal_hook::flag::register(SIGXFSZ, std::sync::Arc::default());
    // Not SIGHUP: it ends the program unless `nohup` has it ignored, and it should stay that way.
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) else { return };
    std::thread::spawn(move || signals.forever().for_each(received));
}

/// The same for systems that have nothing but Ctrl-C.
#[cfg(not(unix))]
pub fn listen() {
    const SIGINT: i32 = 2;
    let _ = ctrlc::set_handler(|| received(SIGINT));
}
