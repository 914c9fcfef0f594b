//! Runs a bounded number of concurrent tasks, and returns each result as it completes.

use tokio::task::{JoinError, JoinSet};

/// Running tasks.
#[derive(Debug)]
pub(super) struct Workers<T> {
    tasks: JoinSet<T>,
    concurrency: usize,
}

impl<T: Send + 'static> Workers<T> {
    /// Returns a pool of `concurrency` tasks; at least 1.
    pub(super) fn new(concurrency: usize) -> Self {
        Self { tasks: JoinSet::new(), concurrency: concurrency.max(1) }
    }

    /// Returns true if a task must end before another can start.
    pub(super) fn are_busy(&self) -> bool {
        self.tasks.len() >= self.concurrency
    }

    /// Returns true if no task is running.
    pub(super) fn are_idle(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Starts a task.
    pub(super) fn start(&mut self, task: impl Future<Output = T> + Send + 'static) {
        debug_assert!(!self.are_busy());
        self.tasks.spawn(task);
    }

    /// Returns the next result, or `None` if no task is running. A panic is an error, and does not end the other tasks.
    pub(super) async fn next(&mut self) -> Option<Result<T, JoinError>> {
        self.tasks.join_next().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_more_workers_run_than_allowed_and_each_is_returned() {
        let mut workers = Workers::new(2);
        let mut ended = Vec::new();
        for n in 0..5 {
            while workers.are_busy() {
                ended.push(workers.next().await.unwrap().unwrap());
            }
            workers.start(async move { n });
            assert!(!workers.are_idle());
        }
        while let Some(one) = workers.next().await {
            ended.push(one.unwrap());
        }
        ended.sort_unstable();
        assert_eq!(ended, [0, 1, 2, 3, 4]);
        assert!(workers.are_idle() && workers.next().await.is_none());
    }

    #[tokio::test]
    async fn a_panic_does_not_end_other_workers() {
        let mut workers = Workers::new(0);
        workers.start(async { panic!("a loader that fails") });
        assert!(workers.are_busy() && workers.next().await.unwrap().is_err());
        workers.start(async {});
        assert!(workers.next().await.unwrap().is_ok());
    }
}
