//! The largest amount of memory that was allocated at a time.
#![allow(unsafe_code)] // an allocator is unsafe; this one only counts

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, which counts.
pub struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grow(bytes: usize) {
    let now = NOW.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(now, Ordering::Relaxed);
}

// SAFETY: every call is handed on unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// The result of `work` with the largest number of bytes that were allocated during it, those from
/// before included.
pub fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    PEAK.store(NOW.load(Ordering::Relaxed), Ordering::Relaxed);
    let result = work();
    (result, PEAK.load(Ordering::Relaxed))
}

/// The number of bytes that are allocated at present.
pub fn now() -> usize {
    NOW.load(Ordering::Relaxed)
}
