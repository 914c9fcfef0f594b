//! Runs a bounded number of tasks beside each other, and hands back what each came to as it ends.

use tokio::task::{JoinError, JoinSet};

/// Tasks under way.
#[derive(Debug)]
pub(super) struct Workers<T> {
    tasks: JoinSet<T>,
    concurrency: usize,
}

impl<T: Send + 'static> Workers<T> {
    /// So many at once; at least one.
    pub(super) fn new(concurrency: usize) -> Self {
        Self { tasks: JoinSet::new(), concurrency: concurrency.max(1) }
    }

    /// Whether one has to end before another may start.
    pub(super) fn are_busy(&self) -> bool {
        self.tasks.len() >= self.concurrency
    }

    /// Whether there are none.
    pub(super) fn are_idle(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Starts one.
    pub(super) fn start(&mut self, task: impl Future<Output = T> + Send + 'static) {
        debug_assert!(!self.are_busy());
        self.tasks.spawn(task);
    }

    /// What the next one came to; `None` where there are none. One that panicked is an error, and ends no other.
    pub(super) async fn next(&mut self) -> Option<Result<T, JoinError>> {
        self.tasks.join_next().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_more_run_than_are_allowed_and_each_is_handed_back() {
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
    async fn one_that_panics_ends_no_other() {
        let mut workers = Workers::new(0);
        workers.start(async { panic!("a loader that fails") });
        assert!(workers.are_busy() && workers.next().await.unwrap().is_err());
        workers.start(async {});
        assert!(workers.next().await.unwrap().is_ok());
    }
}
