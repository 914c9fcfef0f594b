//! The limit on open files (`ulimit -n`): raised at the start, and respected by everything that opens many connections.
//!
//! Without it, requests above the limit fail for a reason that has nothing to do with their objects.

/// Limit that is sufficient for every concurrency. macOS accepts no more than this.
const ENOUGH: u64 = 10_240;

/// Files that a command may need in addition to its concurrent requests: connections to the warehouse, files for sorting, caches,
/// outputs.
const OTHER_FILES: usize = 96;

/// Raises the limit of this process as far as it may, which is often far above the initial one: 256 on macOS, 1,024 on
/// Linux. Failure to do so is harmless.
pub fn raise_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        let reachable = limit.maximum.map_or(ENOUGH, |maximum| maximum.min(ENOUGH));
        if limit.current.is_some_and(|current| current < reachable) {
            limit.current = Some(reachable);
            let _ = setrlimit(Resource::Nofile, limit);
        }
    }
}

/// Returns the number of concurrent requests that the limit allows, at most `wanted`.
pub fn fitting(wanted: usize) -> usize {
    let Some(files) = limit() else { return wanted };
    let fits = fitting_in(files, wanted);
    if fits < wanted {
        tracing::info!("the limit on open files is {files} (`ulimit -n`): {fits} at once instead of {wanted}");
    }
    fits
}

fn fitting_in(files: usize, wanted: usize) -> usize {
    files.saturating_sub(OTHER_FILES).max(files / 4).clamp(1, wanted.max(1))
}

/// Returns the current limit; `None` if there is none.
fn limit() -> Option<usize> {
    #[cfg(unix)]
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    #[cfg(not(unix))]
    let files = None::<u64>;
    files.and_then(|files| usize::try_from(files).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_leave_files_for_everything_else() {
        let fits = [(16, 256), (64, 256), (256, 256), (1_024, 256), (1_024, 4_096), (0, 8)];
        assert_eq!(fits.map(|(files, wanted)| fitting_in(files, wanted)), [4, 16, 160, 256, 928, 1]);
    }
}
