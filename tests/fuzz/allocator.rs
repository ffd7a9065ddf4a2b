//! An allocator that counts what the present thread holds, and the most that it held.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// A single request of more than this is refused, so that a reader that makes it is found on every machine
/// and harms none.
const LARGEST: usize = 1 << 30;

/// Counts the bytes of each thread; what one thread frees of another's is taken off its own.
pub struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// Starts to count at 0 in this thread.
pub fn start() {
    HELD.set(0);
    PEAK.set(0);
}

/// The most bytes that were held at one time since [`start`], or would have been with a request that was
/// refused.
pub fn peak() -> usize {
    PEAK.get().max(0) as usize
}

/// Adds to what the thread holds. A thread that ends has no counters any more.
fn hold(bytes: isize) {
    let held = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        held.get()
    });
    if let Ok(held) = held {
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held)));
    }
}

/// Whether a request is refused; it then counts towards the peak only.
fn refused(size: usize) -> bool {
    if size <= LARGEST {
        return false;
    }
    let size = isize::try_from(size).unwrap_or(isize::MAX / 4);
    hold(size);
    hold(-size);
    // What asks without being able to take no for an answer ends the program after this.
    crate::execute::save_current();
    true
}

// SAFETY: every call is passed on to the system's allocator or answered with null, which the contract
// allows.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if refused(layout.size()) {
            return std::ptr::null_mut();
        }
        hold(layout.size() as isize);
        // SAFETY: the caller's promises are those of this call.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if refused(layout.size()) {
            return std::ptr::null_mut();
        }
        hold(layout.size() as isize);
        // SAFETY: the caller's promises are those of this call.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        hold(-(layout.size() as isize));
        // SAFETY: the caller's promises are those of this call.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if refused(size) {
            return std::ptr::null_mut();
        }
        hold(size as isize - layout.size() as isize);
        // SAFETY: the caller's promises are those of this call.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
