//! Which mutant is on: `LIPBOUND_MUTANT` is its number. With `LIPBOUND_MUTANT_RECORD` none is, and the
//! first mutant of every place that is reached is appended to the file of that name.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Before the environment was read, and while places are recorded.
const UNKNOWN: u32 = u32::MAX;
const NONE: u32 = u32::MAX - 1;

static ACTIVE: AtomicU32 = AtomicU32::new(UNKNOWN);
static SEEN: [AtomicBool; 1 << 15] = [const { AtomicBool::new(false) }; 1 << 15];

/// Whether none of the mutants `first .. first + n` is on.
#[inline(always)]
pub fn off(first: u32, n: u32) -> bool {
    let active = ACTIVE.load(Ordering::Relaxed);
    if active == UNKNOWN {
        return SEEN[first as usize].load(Ordering::Relaxed) || unknown(first, n);
    }
    active.wrapping_sub(first) >= n
}

/// Whether this mutant is on.
pub fn on(id: u32) -> bool {
    ACTIVE.load(Ordering::Relaxed) == id
}

#[cold]
#[inline(never)]
fn unknown(first: u32, n: u32) -> bool {
    let Some(path) = std::env::var_os("LIPBOUND_MUTANT_RECORD") else {
        let id = std::env::var("LIPBOUND_MUTANT").ok().and_then(|id| id.parse().ok());
        ACTIVE.store(id.unwrap_or(NONE), Ordering::Relaxed);
        return off(first, n);
    };
    if !SEEN[first as usize].swap(true, Ordering::Relaxed) {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        let _ = file.and_then(|mut file| writeln!(file, "{first}"));
    }
    true
}
