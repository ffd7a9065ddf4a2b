//! Work that is given up where it does not end soon after it was asked to.

use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::Builder;
use std::time::Duration;

use crate::bounds::Stop;

/// How long after the request to stop work may still end by itself, with what it has proved so far.
pub const GRACE: Duration = Duration::from_millis(800);

/// How long one piece of work is waited for after that: what takes no time is still done.
const AT_ONCE: Duration = Duration::from_millis(10);

/// How often the request is looked at.
const OFTEN: Duration = Duration::from_millis(25);

/// The stack of a thread, as large as that of the first one.
const STACK: usize = 8 << 20;

/// Does the work in a thread of its own and waits for it, until it was asked to stop and has not done so in time: then
/// `None`, and the thread is left to itself until the process ends.
///
/// # Panics
/// Where the work does.
pub fn watched<T: Send + 'static>(
    stop: &Stop,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = channel();
    let send = move || {
        // Nobody listens where the work was given up.
        let _ = sender.send(work());
    };
    let thread = Builder::new().stack_size(STACK).spawn(send).ok()?;
    loop {
        let wait = match stop.elapsed() {
            None => OFTEN,
            Some(since) => GRACE.saturating_sub(since).max(AT_ONCE),
        };
        match receiver.recv_timeout(wait) {
            Ok(result) => return Some(result),
            Err(RecvTimeoutError::Timeout) if stop.elapsed().is_some_and(|t| t >= GRACE) => {
                return None;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => match thread.join() {
                Err(panic) => resume_unwind(panic),
                Ok(()) => return None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn work_is_waited_for_and_given_up_after_a_second() {
        let stop = Stop::default();
        let slow = || std::thread::sleep(Duration::from_millis(60));
        assert_eq!(watched(&stop, move || (slow(), 1).1), Some(1));
        stop.set();
        assert_eq!(watched(&stop, || 2), Some(2));
        let began = Instant::now();
        let endless = || -> i32 {
            std::thread::sleep(Duration::from_secs(3600));
            3
        };
        assert_eq!(watched(&stop, endless), None);
        assert!(began.elapsed() >= GRACE / 2, "work has a second to end by itself");
        // From then on only what takes no time.
        assert_eq!(watched(&stop, endless), None);
        assert_eq!(watched(&stop, || 4), Some(4));
    }

    #[test]
    #[should_panic(expected = "as it should")]
    fn a_panic_is_handed_on() {
        watched(&Stop::default(), || panic!("as it should"));
    }
}
