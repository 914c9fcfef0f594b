//! Memory limit of all bodies that are arriving or being processed.
//!
//! Bytes are counted as they arrive, not as they are announced. If the limit is reached, the connection whose body has
//! been arriving for longest is closed, so that senders that stop in the middle cannot block the others.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connections::Connections;

/// Maximum time that a body waits for memory.
const WAIT: Duration = Duration::from_secs(1);

/// Memory for bodies, in bytes.
#[derive(Debug)]
pub(super) struct BodyBudget {
    free: Arc<Semaphore>,
    connections: Arc<Connections>,
}

/// Memory of one body, which is free again once this is dropped.
#[derive(Debug, Default)]
pub(super) struct BodyShare(Option<OwnedSemaphorePermit>);

impl BodyBudget {
    /// Creates a budget of that many bytes for the bodies of these connections.
    pub(super) fn new(bytes: usize, connections: Arc<Connections>) -> Self {
        Self { free: Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))), connections }
    }

    /// Adds bytes to a body; returns false if there is no memory for them.
    pub(super) async fn add(&self, share: &mut BodyShare, bytes: usize) -> bool {
        let Ok(bytes) = u32::try_from(bytes) else { return false };
        let free = || Arc::clone(&self.free);
        let more = match free().try_acquire_many_owned(bytes) {
            Ok(more) => Some(more),
            Err(_) => {
                self.connections.close_slowest_body();
                tokio::time::timeout(WAIT, free().acquire_many_owned(bytes)).await.ok().and_then(Result::ok)
            }
        };
        match (more, &mut share.0) {
            (None, _) => return false,
            (Some(more), Some(held)) => held.merge(more),
            (Some(more), held) => *held = Some(more),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use futures::FutureExt as _;

    use super::*;
    use crate::endpoint::connections::Phase;

    #[tokio::test]
    async fn the_body_that_arrives_for_longest_is_dropped_and_the_limit_is_respected() {
        let connections = Connections::new(10);
        let budget = BodyBudget::new(100, Arc::clone(&connections));
        let slow = connections.open(Instant::now()).unwrap();
        slow.enter(Phase::Reading);
        let mut held = BodyShare::default();
        assert!(budget.add(&mut held, 60).await && budget.add(&mut held, 30).await);
        let quick = connections.open(Instant::now()).unwrap();
        quick.enter(Phase::Reading);
        let mut more = BodyShare::default();
        assert!(!budget.add(&mut more, 20).await, "the slow body still has its memory");
        assert!(slow.closed().now_or_never().is_some() && quick.closed().now_or_never().is_none());
        drop(held);
        assert!(budget.add(&mut more, 100).await, "a connection that is closed gives its memory back");
    }
}
