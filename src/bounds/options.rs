//! What the user can ask of all bounds: limits, an end, and to be told how far they are.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Limits that the user can move.
#[derive(Debug, Clone)]
pub struct Options {
    /// The largest depth for which K4 walks its `2^depth` subsets.
    pub k4_depth_limit: usize,
    /// The bytes that the products of the maps may take.
    pub memory_limit: usize,
    /// The bytes that the whole process may take: a bound that is estimated to need more is refused.
    pub ceiling: usize,
    /// The multiplications that products may take which are not kept; beyond it they end early.
    pub product_work: f64,
    /// How many points the search of a lower bound looks at.
    pub samples: usize,
    /// The time after which each search for an exact value ends with what it has proved.
    pub time_limit: Option<Duration>,
    /// The number of parts after which it does so.
    pub node_limit: usize,
    /// Whether remarks on searches say how long they took.
    pub timings: bool,
    /// Whether estimates, of which nothing is proved, are wanted too.
    pub estimates: bool,
    /// Tells long computations to end with what they have proved so far.
    pub stop: Stop,
    /// Gets told how far a long computation is.
    pub progress: Progress,
}

/// Where long computations say how far they are.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<Listener>>);

type Listener = dyn Fn(&str) + Send + Sync;

impl Progress {
    /// Hands every message to `show`.
    pub fn new(show: impl Fn(&str) + Send + Sync + 'static) -> Progress {
        Progress(Some(Arc::new(show)))
    }

    /// Says how far a computation is; the message is only made where somebody listens.
    pub fn say(&self, message: impl FnOnce() -> String) {
        self.say_if(|| Some(message()));
    }

    /// The same where there may be nothing to say.
    pub fn say_if(&self, message: impl FnOnce() -> Option<String>) {
        if let Some(show) = &self.0
            && let Some(message) = message()
        {
            show(&message);
        }
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Progress(shown)" } else { "Progress(silent)" })
    }
}

/// A request to stop, shared between threads, and a time at which it is made in any case.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    /// When that was first seen.
    seen: Arc<OnceLock<Instant>>,
    until: Option<Instant>,
}

impl Stop {
    /// Asks all computations that share this to stop.
    pub fn set(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Whether to stop.
    pub fn is_set(&self) -> bool {
        self.is_asked() || self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// Whether somebody has asked for it, rather than the time being over.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// For how long it has been set; `None` where it is not.
    pub fn elapsed(&self) -> Option<Duration> {
        if self.is_asked() {
            return Some(self.seen.get_or_init(Instant::now).elapsed());
        }
        let until = self.until.filter(|until| Instant::now() >= *until)?;
        Some(until.elapsed())
    }

    /// The same request, and an end after this time from now, where there is none before.
    #[must_use]
    pub fn within(&self, time: Duration) -> Stop {
        let end = Instant::now().checked_add(time);
        let until = self.until.into_iter().chain(end).min();
        Stop { until, ..self.clone() }
    }

    /// The time until it is made in any case; `None` where there is no such time.
    pub fn remaining(&self) -> Option<Duration> {
        Some(self.until?.saturating_duration_since(Instant::now()))
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            k4_depth_limit: 20,
            memory_limit: 8 << 30,
            ceiling: usize::MAX,
            product_work: PRODUCT_WORK,
            samples: 2000,
            time_limit: None,
            node_limit: usize::MAX,
            timings: false,
            estimates: false,
            stop: Stop::default(),
            progress: Progress::default(),
        }
    }
}

/// Multiplications that take a few minutes.
const PRODUCT_WORK: f64 = 5e12;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn progress_is_told() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = Arc::clone(&heard);
        let progress = Progress::new(move |m| listener.lock().expect("a list").push(m.to_owned()));
        progress.say(|| "half".to_owned());
        progress.say_if(|| None);
        assert_eq!(*heard.lock().expect("a list"), ["half"]);
    }
}
