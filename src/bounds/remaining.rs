//! How much time a long computation may still take, for those whose parts take about the same time each.
//!
//! Searches by branch and bound have no estimate: nothing is known of the parts that are still to come.
#![expect(clippy::float_arithmetic, reason = "estimates of time")]

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Progress;

/// The share of the parts after which there is an estimate.
const ENOUGH: f64 = 0.05;

/// The time before which there is none: what ends at once needs none.
const SOON: Duration = Duration::from_secs(2);

/// The share of the parts over which the time of a part is averaged: so long does it take an estimate to follow
/// where other work begins or ends on the machine.
const MEMORY: f64 = 0.1;

/// An estimate of the remaining time, from how many parts were done when.
#[derive(Debug, Clone)]
pub struct Remaining {
    total: usize,
    at_once: usize,
    done: usize,
    at: Duration,
    /// Seconds for each part, averaged.
    pace: f64,
}

impl Remaining {
    /// For this number of parts, of which so many are worked on side by side.
    pub fn new(total: usize, at_once: usize) -> Remaining {
        Remaining { total, at_once, done: 0, at: Duration::ZERO, pace: 0.0 }
    }

    /// The time that is left when `done` parts are done `at` this time since the start; `None` where that is
    /// not known yet, or nothing is left.
    pub fn after(&mut self, done: usize, at: Duration) -> Option<Duration> {
        if done > self.done {
            let new = (done - self.done) as f64;
            let pace = at.saturating_sub(self.at).as_secs_f64() / new;
            // Exponential smoothing, of the first parts by their mean. Parts that are worked on side by side
            // come to their ends in bursts, over some of which the mean has to go.
            let longest = (MEMORY * self.total as f64).max(4.0 * self.at_once as f64);
            let memory = longest.min(done as f64).max(new);
            self.pace += (pace - self.pace) * new / memory;
            (self.done, self.at) = (done, at);
        }
        let enough = (ENOUGH * self.total as f64).max(self.at_once as f64);
        let known = done as f64 >= enough && done > 0 && at >= SOON;
        let left = self.total.saturating_sub(done);
        // No number of parts makes a time that is too long to be held, but for clocks that jump.
        let time = || Duration::try_from_secs_f64(self.pace * left as f64).ok();
        if known && left > 0 { time() } else { None }
    }
}

/// The time in words, with as many digits as it deserves, rounded up: `about 25 s`, `about 3 min`, `about 2 h`.
pub fn in_words(left: Duration) -> String {
    let seconds = left.as_secs_f64();
    let rounded = |unit: f64, step: f64| (seconds / unit / step).ceil().max(1.0) * step;
    if seconds <= 55.0 {
        format!("about {} s", rounded(1.0, 5.0))
    } else if seconds <= 3600.0 {
        format!("about {} min", rounded(60.0, 1.0))
    } else {
        format!("about {} h", rounded(3600.0, 0.5))
    }
}

/// Parts of a computation that are counted, with what progress says of them.
pub struct Counted<'a> {
    progress: &'a Progress,
    started: Instant,
    state: Mutex<State>,
}

struct State {
    remaining: Remaining,
    /// The last percentage that was said.
    said: Option<usize>,
}

impl<'a> Counted<'a> {
    /// For this number of parts, from now on, of which so many are worked on side by side.
    pub fn new(progress: &'a Progress, total: usize, at_once: usize) -> Counted<'a> {
        let state = State { remaining: Remaining::new(total, at_once), said: None };
        Counted { progress, started: Instant::now(), state: Mutex::new(state) }
    }

    /// Says that one more part is done: `message` gets the share in per cent, and once it is known what is left,
    /// as `, about 3 min left`. Parts may be done in several threads.
    pub fn one_more(&self, message: impl FnOnce(usize, &str) -> String) {
        self.progress.say_if(|| {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let done = state.remaining.done + 1;
            let left = state.remaining.after(done, self.started.elapsed());
            let percent = 100 * done / state.remaining.total.max(1);
            if state.said == Some(percent) {
                return None;
            }
            state.said = Some(percent);
            let left = left.map_or(String::new(), |left| format!(", {} left", in_words(left)));
            Some(message(percent, &left))
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Counted, Remaining, in_words};
    use crate::bounds::Progress;

    fn seconds(x: f64) -> Duration {
        Duration::from_secs_f64(x)
    }

    #[test]
    fn even_parts_are_foreseen_exactly() {
        let mut remaining = Remaining::new(100, 1);
        for done in 1..100 {
            let left = remaining.after(done, seconds(3.0 * done as f64));
            // 3 s for each part.
            let expected = (done >= 5).then(|| 3.0 * (100 - done) as f64);
            let left = left.map(|left| left.as_secs_f64());
            assert!(
                left.is_some() == expected.is_some()
                    && left.zip(expected).is_none_or(|(a, b)| (a - b).abs() < 1e-6),
                "{done}: {left:?}, {expected:?}"
            );
        }
        assert_eq!(remaining.after(100, seconds(300.0)), None);
    }

    #[test]
    fn nothing_is_said_before_something_is_known() {
        let mut remaining = Remaining::new(1000, 1);
        assert_eq!(remaining.after(0, seconds(100.0)), None);
        assert_eq!(remaining.after(49, seconds(100.0)), None);
        assert!(remaining.after(50, seconds(102.0)).is_some());
        // Quick work has no estimate.
        assert_eq!(Remaining::new(1000, 1).after(500, seconds(1.9)), None);
        // A clock that goes back is no time.
        let mut remaining = Remaining::new(10, 1);
        assert!(remaining.after(5, seconds(10.0)).is_some());
        assert!(remaining.after(6, seconds(9.0)).is_none_or(|left| left < seconds(10.0)));
    }

    #[test]
    fn a_slower_machine_is_followed_smoothly() {
        let mut remaining = Remaining::new(1000, 1);
        let at = |done: usize| done.min(500) as f64 + 2.0 * done.saturating_sub(500) as f64;
        let mut left = |done: usize| {
            let found = remaining.after(done, seconds(at(done)));
            found.map_or(0.0, |left| left.as_secs_f64() / (1000 - done) as f64)
        };
        let paces: Vec<f64> = (1..1000).map(&mut left).collect();
        // 1 s, then 2 s; the pace goes up by (2 - pace) / 100 with each part: 2 - 0.99^n after n of them.
        for (done, expected) in
            [(400, 1.0), (500, 1.0), (501, 1.01), (800, 2.0 - 0.99f64.powi(300))]
        {
            assert!((paces[done - 1] - expected).abs() < 1e-6, "{done}: {}", paces[done - 1]);
        }
    }

    #[test]
    fn parts_that_are_done_side_by_side_come_in_bursts() {
        // Two threads, 3 s for each part: 8 parts take 12 s.
        let mut remaining = Remaining::new(8, 2);
        let at = |done: usize| 3.0 * done.div_ceil(2) as f64;
        let left: Vec<Option<f64>> = (1..=8)
            .map(|done| remaining.after(done, seconds(at(done))).map(|left| left.as_secs_f64()))
            .collect();
        assert_eq!(left[0], None);
        for done in [2, 4, 6] {
            let left = left[done - 1].expect("an estimate");
            assert!((left - (12.0 - at(done))).abs() < 1e-9, "{done}: {left}");
        }
    }

    #[test]
    fn times_are_rounded_up() {
        for (time, expected) in [
            (0.2, "about 5 s"),
            (21.0, "about 25 s"),
            (55.5, "about 1 min"),
            (61.0, "about 2 min"),
            (3599.0, "about 60 min"),
            (3700.0, "about 1.5 h"),
            (90_000.0, "about 25 h"),
        ] {
            assert_eq!(in_words(seconds(time)), expected);
        }
    }

    #[test]
    fn each_percentage_is_said_once() {
        let said = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let heard = std::sync::Arc::clone(&said);
        let progress = Progress::new(move |text| {
            heard.lock().expect("one thread").push(text.to_owned());
        });
        let counted = Counted::new(&progress, 200, 1);
        (0..200).for_each(|_| counted.one_more(|share, left| format!("K4: {share}%{left}")));
        let said = said.lock().expect("one thread");
        // 0, 1, .. 100 per cent; all in less than 2 s.
        assert_eq!(said.len(), 101);
        assert_eq!((said[0].as_str(), said[100].as_str()), ("K4: 0%", "K4: 100%"));
    }
}
