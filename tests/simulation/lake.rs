//! A lake that is used by one process of a simulation: each call has its place in the schedule of faults.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use pipeline::lake::memory::Memory;
use pipeline::lake::{
    ChangeResult, ConditionalWrites, Conditions, Depth, Error, Lake, ListPage, ObjectMeta, PutResult, Reason,
};

use crate::faults::{Access, Process, Trouble};

/// Behaviour of the store of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreKind {
    /// True if its clock has whole seconds, as that of S3.
    pub whole_seconds: bool,
    /// True if it checks conditions with the write. Otherwise the object is looked up right before it is written, and
    /// another writer may come in between.
    pub checks_conditions: bool,
}

/// The lake of one process, or a folder next to it.
#[derive(Debug, Clone)]
pub struct SimulatedLake {
    pub store: Memory,
    /// The same folder of the store.
    pub folder: Arc<dyn Lake>,
    pub kind: StoreKind,
    pub process: Arc<Process>,
}

fn error(about: &str, trouble: Trouble) -> Error {
    let (reason, message) = match trouble {
        Trouble::Network => (Reason::Network, "simulated: connection reset"),
        Trouble::Busy => (Reason::SlowDown, "simulated: slow down"),
        Trouble::Expired => (Reason::Credentials, "simulated: the session has expired"),
    };
    Error::new(reason, about, message)
}

impl SimulatedLake {
    async fn call<T, F: Future<Output = Result<T, Error>>>(
        &self,
        (operation, key): (&'static str, &str),
        access: Access,
        work: impl FnMut() -> F,
    ) -> Result<T, Error> {
        let about = format!("{}{key}", self.folder.address());
        self.process.call((operation, &about), access, |trouble| error(&about, trouble), work).await
    }

    /// Writes as a store that ignores conditions: another write may come between the check and this one.
    async fn put_unchecked(&self, key: &str, body: Bytes) -> Result<PutResult, Error> {
        match self.folder.get(key).await {
            Ok(_) => return Ok(PutResult::AlreadyExists),
            Err(e) if e.reason == Reason::NotFound => tokio::task::yield_now().await,
            Err(e) => return Err(e),
        }
        let prefix = self.folder.address();
        self.store.overwrite(&format!("{}{key}", prefix.trim_start_matches("memory:")), body);
        Ok(PutResult::Created)
    }
}

#[async_trait]
impl Lake for SimulatedLake {
    fn address(&self) -> String {
        self.folder.address()
    }

    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<ListPage, Error> {
        self.call(("lake list", prefix), Access::Read, || self.folder.list(prefix, depth, after)).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, Error> {
        self.call(("lake get", key), Access::Read, || self.folder.get(key)).await
    }

    async fn get_range(&self, listed: &ObjectMeta, range: Range<u64>) -> Result<Bytes, Error> {
        let work = || self.folder.get_range(listed, range.clone());
        self.call(("lake get_range", &listed.key), Access::Read, work).await
    }

    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutResult, Error> {
        let requests = AtomicU32::new(0);
        let work = || async {
            let put = match self.kind.checks_conditions {
                true => self.folder.put_new(key, body.clone()).await?,
                false => self.put_unchecked(key, body.clone()).await?,
            };
            // As the S3 client: the existing object may be that of the first request.
            let is_own = requests.fetch_add(1, Ordering::Relaxed) > 0
                && self.folder.get(key).await.is_ok_and(|there| there == body);
            Ok(if is_own { PutResult::Created } else { put })
        };
        self.call(("lake put_new", key), Access::RepeatedWrite, work).await
    }

    async fn change_if_match(&self, key: &str, etag: &str, body: Option<Bytes>) -> Result<ChangeResult, Error> {
        let requests = AtomicU32::new(0);
        let work = || async {
            let changed = self.folder.change_if_match(key, etag, body.clone()).await?;
            let is_repeated = requests.fetch_add(1, Ordering::Relaxed) > 0;
            let is_own = match (self.folder.get(key).await, &body) {
                (Ok(there), Some(body)) => there == *body,
                (Err(e), None) => e.reason == Reason::NotFound,
                _ => false,
            };
            Ok(if is_repeated && is_own { ChangeResult::Done } else { changed })
        };
        self.call(("lake change", key), Access::RepeatedWrite, work).await
    }

    async fn put_file(&self, key: &str, file: &Path, replaces: Option<&str>) -> Result<ChangeResult, Error> {
        let work = || self.folder.put_file(key, file, replaces);
        self.call(("lake put_file", key), Access::RepeatedWrite, work).await
    }

    fn conditions(&self) -> Conditions {
        let kind = if self.kind.checks_conditions { ConditionalWrites::Honoured } else { ConditionalWrites::Emulated };
        Conditions { create: kind, change: kind }
    }

    async fn clock(&self) -> Result<DateTime<Utc>, Error> {
        let now = self.call(("lake clock", ""), Access::Read, || self.folder.clock()).await?;
        Ok(if self.kind.whole_seconds { now.trunc_subsecs(0) } else { now })
    }

    fn clock_precision(&self) -> TimeDelta {
        if self.kind.whole_seconds { TimeDelta::seconds(1) } else { TimeDelta::zero() }
    }

    fn token_precision(&self) -> TimeDelta {
        self.folder.token_precision()
    }

    fn sibling(&self, name: &str) -> Arc<dyn Lake> {
        Arc::new(Self { folder: self.folder.sibling(name), ..self.clone() })
    }
}
