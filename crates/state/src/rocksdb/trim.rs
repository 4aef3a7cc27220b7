//! Gives memory back to the system that was freed and is not used again.
//!
//! Blocks and memtables of all sizes come and go on several threads. The allocator of glibc
//! keeps what is free between those that are in use: a third of the budget, which nobody
//! counts. So it is asked to give whole free pages back a few times a second while entries go
//! in and out; that takes a millisecond or two.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

/// Bytes that have gone in and out at least.
const MOVED_BYTES: usize = 1 << 20;
const PAUSE_MS: u64 = 200;

/// See the module.
pub(super) struct Trim {
    /// Bytes that were read and written since the last time.
    moved: AtomicUsize,
    start: Instant,
    /// When it was done last, after the start.
    last_ms: AtomicU64,
}

impl Trim {
    pub(super) fn new() -> Self {
        let (moved, last_ms) = (AtomicUsize::new(0), AtomicU64::new(0));
        Trim { moved, start: Instant::now(), last_ms }
    }
    /// Counts bytes that were read from a database, or written to one.
    #[inline]
    pub(super) fn moved(&self, bytes: usize) {
        if self.moved.fetch_add(bytes, Ordering::Relaxed) + bytes >= MOVED_BYTES {
            self.give_back();
        }
    }
    #[cold]
    fn give_back(&self) {
        let now_ms = self.start.elapsed().as_millis() as u64;
        let last_ms = self.last_ms.load(Ordering::Relaxed);
        if now_ms.saturating_sub(last_ms) < PAUSE_MS {
            return;
        }
        // One of the threads that see the time does it.
        let (done, failed) = (Ordering::Relaxed, Ordering::Relaxed);
        if self.last_ms.compare_exchange(last_ms, now_ms, done, failed).is_ok() {
            self.moved.store(0, Ordering::Relaxed);
            give_back();
        }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn give_back() {
    // SAFETY: takes no pointers, and may be called at any time from any thread.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators give back by themselves, or cannot be asked.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn give_back() {}
