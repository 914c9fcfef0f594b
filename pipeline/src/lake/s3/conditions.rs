//! Conditional writes, also on stores that do not support them.
//!
//! AWS honours `If-None-Match` and `If-Match` and is trusted. Other stores may ignore the header (Garage) or respond
//! with 501, so they are tested: the first created object is written again with the same bytes, which must fail with
//! 412. Until the result is known, and if the test fails, a HEAD request before each write replaces the condition. A
//! race between HEAD and PUT of two processes remains; within one process, writes of one key are serialized.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use bytes::Bytes;
use tokio::sync::{Mutex, MutexGuard};
use url::Url;

use super::S3;
use super::error::status;
use super::write::{If, Sent};
use crate::lake::{ChangeResult, ConditionalWrites, Conditions, Error, Lake as _, PutResult, Reason, Unconditional};

/// Folder next to the lake for the temporary test object.
const TEST_FOLDER: &str = "ruminate-test";

/// Number of locks. Two keys with the same lock wait for each other, which is harmless.
const LOCKS: usize = 1_024;

/// Known support of a store, shared by all lakes in it.
#[derive(Debug)]
pub(super) struct Support {
    /// True for AWS itself, which is not tested.
    trusted: bool,
    create: Verdict,
    change: Verdict,
    /// True if a test showed that `If-Match` is checked when an object is replaced, even if not when one is deleted.
    pub(super) replaces: AtomicBool,
    /// Lock during a test, so that only one test runs.
    test: Mutex<()>,
    /// True after a test with an object outside the lake.
    tested: AtomicBool,
    hasher: RandomState,
    locks: OnceLock<Vec<Mutex<()>>>,
}

/// Known support for one condition.
#[derive(Debug, Default)]
struct Verdict(AtomicU8);

impl Verdict {
    const HONOURED: u8 = 1;
    const EMULATED: u8 = 2;

    fn read(&self) -> ConditionalWrites {
        match self.0.load(Ordering::SeqCst) {
            Self::HONOURED => ConditionalWrites::Honoured,
            Self::EMULATED => ConditionalWrites::Emulated,
            _ => ConditionalWrites::Untested,
        }
    }

    /// Records a test result. A negative result is final.
    fn record(&self, honoured: bool, header: &str) {
        let new = if honoured { Self::HONOURED } else { Self::EMULATED };
        let before = self.0.fetch_max(new, Ordering::SeqCst);
        if !honoured && before != new {
            tracing::warn!(
                "the store does not honour {header}: two writers at once can overwrite each other's objects"
            );
        }
    }
}

impl Support {
    pub(super) fn at(endpoint: Option<&str>) -> Self {
        Self {
            trusted: endpoint.is_none_or(is_aws),
            create: Verdict::default(),
            change: Verdict::default(),
            replaces: AtomicBool::new(false),
            test: Mutex::default(),
            tested: AtomicBool::new(false),
            hasher: RandomState::new(),
            locks: OnceLock::new(),
        }
    }

    pub(super) fn conditions(&self) -> Conditions {
        if self.trusted {
            return Conditions::default();
        }
        Conditions { create: self.create.read(), change: self.change.read() }
    }

    /// Waits until no other write with the same lock is in progress in this process.
    async fn alone_with(&self, path: &str) -> MutexGuard<'_, ()> {
        let locks = self.locks.get_or_init(|| (0..LOCKS).map(|_| Mutex::default()).collect());
        #[allow(clippy::cast_possible_truncation, reason = "any bits of a hash do")]
        let at = self.hasher.hash_one(path) as usize % LOCKS;
        locks[at].lock().await
    }
}

/// Returns true if an endpoint belongs to AWS.
fn is_aws(endpoint: &str) -> bool {
    const DOMAINS: [&str; 6] =
        ["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "api.aws", "c2s.ic.gov", "sc2s.sgov.gov"];
    let host = Url::parse(endpoint).ok().and_then(|url| url.host_str().map(str::to_ascii_lowercase));
    host.is_some_and(|host| {
        DOMAINS
            .iter()
            .any(|domain| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
    })
}

/// Returns a change token without the quotes and prefixes that stores add.
fn plain(etag: &str) -> &str {
    etag.trim_start_matches("W/").trim_matches('"')
}

impl S3 {
    pub(super) async fn put_once(&self, key: &str, body: Bytes) -> Result<PutResult, Error> {
        self.demand(|conditions| conditions.create).await?;
        match self.support.conditions().create {
            ConditionalWrites::Honoured => match self.send(key, If::Free, Some(body)).await? {
                Sent::Done(_) => Ok(PutResult::Created),
                Sent::Refused => Ok(PutResult::AlreadyExists),
                Sent::Unsupported => Err(self.error(key, Reason::Other, "the store rejects If-None-Match")),
            },
            ConditionalWrites::Emulated => self.put_looked_up(key, body).await,
            ConditionalWrites::Untested => self.put_first(key, body).await,
        }
    }

    /// Writes an object while the store's support is unknown, and tests the support if the object is new.
    async fn put_first(&self, key: &str, body: Bytes) -> Result<PutResult, Error> {
        match self.token(key).await {
            Ok(None) => {}
            Ok(Some(_)) => return Ok(PutResult::AlreadyExists),
            // HEAD is not permitted, so an object outside the lake is used for the test.
            Err(e) if e.reason == Reason::Denied => drop(self.test().await?),
            Err(e) => return Err(e),
        }
        let alone = self.support.test.lock().await;
        if self.support.create.read() != ConditionalWrites::Untested {
            drop(alone);
            return Box::pin(self.put_once(key, body)).await;
        }
        // Other writers may have been active since.
        if self.token(key).await?.is_some() {
            return Ok(PutResult::AlreadyExists);
        }
        match self.send(key, If::Free, Some(body.clone())).await? {
            Sent::Done(_) => {
                self.try_again(key, If::Free, body).await;
                Ok(PutResult::Created)
            }
            Sent::Refused => {
                self.support.create.record(true, "If-None-Match");
                Ok(PutResult::AlreadyExists)
            }
            Sent::Unsupported => {
                self.support.create.record(false, "If-None-Match");
                drop(alone);
                self.put_looked_up(key, body).await
            }
        }
    }

    /// Repeats a successful write with the same bytes and a condition that no longer holds; the store must reject it.
    async fn try_again(&self, key: &str, condition: If<'_>, body: Bytes) {
        let (verdict, header) = match condition {
            If::Match(_) => (&self.support.change, "If-Match"),
            _ => (&self.support.create, "If-None-Match"),
        };
        match self.send(key, condition, Some(body)).await {
            Ok(Sent::Refused) => verdict.record(true, header),
            Ok(Sent::Done(_) | Sent::Unsupported) => verdict.record(false, header),
            Err(e) => tracing::debug!("whether the store honours {header} is not known yet: {e}"),
        }
    }

    async fn put_looked_up(&self, key: &str, body: Bytes) -> Result<PutResult, Error> {
        let _alone = self.support.alone_with(&self.path(key)).await;
        if self.token(key).await?.is_some() {
            return Ok(PutResult::AlreadyExists);
        }
        match self.send(key, If::LookedUp, Some(body)).await? {
            Sent::Done(_) => Ok(PutResult::Created),
            Sent::Refused | Sent::Unsupported => Err(self.error(key, Reason::Other, "the store rejects a plain write")),
        }
    }

    pub(super) async fn change_once(&self, key: &str, etag: &str, body: Option<Bytes>) -> Result<ChangeResult, Error> {
        self.demand(|conditions| conditions.change).await?;
        let etag = plain(etag);
        if self.support.trusted {
            return match self.send(key, If::Match(etag), body).await? {
                Sent::Done(_) => Ok(ChangeResult::Done),
                Sent::Refused => Ok(ChangeResult::Conflict),
                Sent::Unsupported => Err(self.error(key, Reason::Other, "the store rejects If-Match")),
            };
        }
        // Changes are rare, so their token is always compared: a store may honour the header on PUT but not on DELETE.
        let _alone = self.support.alone_with(&self.path(key)).await;
        if self.token(key).await?.as_deref() != Some(etag) {
            return Ok(ChangeResult::Conflict);
        }
        let known = self.support.change.read();
        let condition = if known == ConditionalWrites::Emulated { If::LookedUp } else { If::Match(etag) };
        match self.send(key, condition, body.clone()).await? {
            Sent::Done(new) => {
                if let (Some(body), ConditionalWrites::Untested) = (body, known)
                    && new.is_some_and(|new| plain(&new) != etag)
                {
                    self.try_again(key, If::Match(etag), body).await;
                }
                Ok(ChangeResult::Done)
            }
            Sent::Refused => Ok(ChangeResult::Conflict),
            Sent::Unsupported => {
                self.support.change.record(false, "If-Match");
                self.send(key, If::LookedUp, body).await.map(|_| ChangeResult::Done)
            }
        }
    }

    /// Returns an error if conditional writes are required and the store does not honour them.
    async fn demand(&self, of: impl Fn(Conditions) -> ConditionalWrites) -> Result<(), Error> {
        if self.unconditional == Unconditional::Emulate || self.support.trusted {
            return Ok(());
        }
        match of(self.test().await?) {
            ConditionalWrites::Honoured => Ok(()),
            _ => Err(self.error("", Reason::Unconditional, UNCONDITIONAL)),
        }
    }

    /// Tests once what the store honours, with a temporary object next to the lake.
    pub(super) async fn test(&self) -> Result<Conditions, Error> {
        let Support { trusted, tested, test, .. } = &*self.support;
        if !trusted && !tested.load(Ordering::SeqCst) {
            let _alone = test.lock().await;
            if !tested.load(Ordering::SeqCst) {
                self.sibling(TEST_FOLDER).test_alone().await?;
                tested.store(true, Ordering::SeqCst);
            }
        }
        Ok(self.support.conditions())
    }

    async fn test_alone(&self) -> Result<(), Error> {
        let key = format!("{:032x}.json", fastrand::u128(..));
        let tested = self.test_with(&key).await;
        // Also after a failure, because the write may have succeeded without a response.
        if let Err(e) = self.send(&key, If::LookedUp, None).await {
            tracing::warn!("the object of a test of the store may have stayed, remove {}/{key}: {e}", self.address());
        }
        let (create, change) = tested?;
        self.support.create.record(create, "If-None-Match");
        self.support.change.record(change, "If-Match");
        Ok(())
    }

    /// Returns whether the store honours the condition on a new object, and on a change.
    async fn test_with(&self, key: &str) -> Result<(bool, bool), Error> {
        const OTHER: If<'_> = If::Match("00000000000000000000000000000000");
        let body = || Some(Bytes::from_static(b"{}"));
        let create = match self.send(key, If::Free, body()).await? {
            Sent::Done(_) => matches!(self.send(key, If::Free, body()).await?, Sent::Refused),
            Sent::Refused => true,
            Sent::Unsupported => {
                self.send(key, If::LookedUp, body()).await?;
                false
            }
        };
        let put = self.send(key, OTHER, body()).await?;
        self.support.replaces.store(matches!(put, Sent::Refused), Ordering::SeqCst);
        let delete = self.send(key, OTHER, None).await;
        Ok((create, matches!((put, delete), (Sent::Refused, Ok(Sent::Refused)))))
    }

    /// Returns the object's current change token; `None` if the object does not exist.
    async fn token(&self, key: &str) -> Result<Option<String>, Error> {
        match self.client.head_object().bucket(&self.bucket).key(self.path(key)).send().await {
            Ok(head) => Ok(Some(plain(head.e_tag().unwrap_or_default()).to_owned())),
            Err(e) if status(&e) == Some(404) => Ok(None),
            Err(e) => Err(match self.failure(key, &e) {
                denied if denied.reason == Reason::Denied => self.error(key, Reason::Denied, MAY_NOT_LOOK),
                failure => failure,
            }),
        }
    }
}

const UNCONDITIONAL: &str = "the store does not honour conditional writes (If-None-Match and If-Match), and they are required (--require-conditional-writes, RUMINATE_REQUIRE_CONDITIONAL_WRITES): without that, objects are looked up before they are written, with one writer at a time";

const MAY_NOT_LOOK: &str = "refused: on this store an object is looked up before it is written: allow s3:GetObject and s3:ListBucket (HEAD answers 403)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_aws_is_trusted_untested() {
        for trusted in [
            "https://s3.us-east-1.amazonaws.com",
            "https://bucket.vpce-1.s3.sa-east-1.vpce.amazonaws.com/",
            "https://s3.cn-north-1.amazonaws.com.cn:443",
        ] {
            assert!(Support::at(Some(trusted)).trusted, "{trusted}");
        }
        assert!(Support::at(None).trusted);
        for other in ["http://127.0.0.1:3900", "https://amazonaws.com.example", "https://notamazonaws.com", "nonsense"]
        {
            assert!(!Support::at(Some(other)).trusted, "{other}");
        }
    }

    #[test]
    fn one_condition_that_was_not_honoured_is_enough() {
        let verdict = Verdict::default();
        assert_eq!(verdict.read(), ConditionalWrites::Untested);
        for (honoured, expected) in [
            (true, ConditionalWrites::Honoured),
            (false, ConditionalWrites::Emulated),
            (true, ConditionalWrites::Emulated),
        ] {
            verdict.record(honoured, "If-Match");
            assert_eq!(verdict.read(), expected);
        }
    }
}
