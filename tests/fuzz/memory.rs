//! Limit on the memory of one input, measured by the allocator of this program.
//!
//! The counts are those of the process, and other targets run at the same time. If the process has used more than the limit while
//! an input ran, the input runs again while no other does, and only this run counts.

use std::sync::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use peak_alloc::PeakAlloc;

/// Maximum memory of an input, which has at most 64 KB, or 1 MB for text in lines.
const LIMIT: usize = 64 << 20;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

static ALONE: RwLock<()> = RwLock::new(());

/// Memory of the process above which an input runs again.
static SUSPECT: AtomicUsize = AtomicUsize::new(0);

/// Runs `run`, and returns its result, or an error if it used too much memory.
pub fn limited<T>(run: impl Fn() -> T) -> Result<T, String> {
    let shared = ALONE.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    let result = run();
    let is_suspect = HEAP.peak_usage() > SUSPECT.load(Ordering::SeqCst);
    drop(shared);
    if is_suspect { alone(run) } else { Ok(result) }
}

fn alone<T>(run: impl Fn() -> T) -> Result<T, String> {
    let _alone = ALONE.write().unwrap_or_else(std::sync::PoisonError::into_inner);
    HEAP.reset_peak_usage();
    let before = HEAP.current_usage();
    let result = run();
    let used = HEAP.peak_usage().saturating_sub(before);
    HEAP.reset_peak_usage();
    SUSPECT.store(HEAP.current_usage() + LIMIT, Ordering::SeqCst);
    if used > LIMIT { Err(format!("it used {} MB of memory", used >> 20)) } else { Ok(result) }
}
