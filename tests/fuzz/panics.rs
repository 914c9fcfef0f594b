//! Panics of the program as results, with their message and place, and without output for each.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

thread_local! {
    static IN_CHECK: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Number of panics in threads that the program started.
static ELSEWHERE: AtomicU64 = AtomicU64::new(0);

/// Runs a check; a panic is an error, also one in another thread of the program.
pub fn caught<T>(check: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if IN_CHECK.get() {
                return LAST.set(panic.to_string());
            }
            if std::thread::current().name().is_none_or(|name| name.starts_with("tokio")) {
                ELSEWHERE.fetch_add(1, Ordering::SeqCst);
            }
            usual(panic);
        }));
    });
    let before = ELSEWHERE.load(Ordering::SeqCst);
    IN_CHECK.set(true);
    let result = catch_unwind(AssertUnwindSafe(check));
    IN_CHECK.set(false);
    if ELSEWHERE.load(Ordering::SeqCst) > before {
        return Err("a thread of the program panicked".into());
    }
    result.unwrap_or_else(|_| Err(LAST.take()))
}
