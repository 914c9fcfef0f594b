//! A lake that fails when the content of an object requests it; for tests only.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use pipeline::lake::{Depth, Error, Lake, ListPage, PutResult, Reason};

/// An object with this text causes a panic while its message is processed.
pub const PANIC: &str = "\"teste\":\"panico\"";
/// An object with this text cannot be written temporarily.
pub const UNLUCKY: &str = "\"teste\":\"azar\"";
/// Writing an object with this text takes a minute.
pub const SLOW: &str = "\"teste\":\"lento\"";

/// An object with this text cannot be read after it was written.
pub const DENIED: &str = "\"teste\":\"negado\"";

/// Another lake with these faults.
#[derive(Debug)]
pub struct Faulty(pub Arc<dyn Lake>);

#[async_trait]
impl Lake for Faulty {
    fn address(&self) -> String {
        self.0.address()
    }

    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<ListPage, Error> {
        self.0.list(prefix, depth, after).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, Error> {
        let body = self.0.get(key).await?;
        if String::from_utf8_lossy(&body).contains(DENIED) {
            return Err(Error::new(Reason::Denied, key, "the test's own denial"));
        }
        Ok(body)
    }

    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutResult, Error> {
        let text = String::from_utf8_lossy(&body);
        assert!(!text.contains(PANIC), "the test's own panic");
        if text.contains(SLOW) {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        if text.contains(UNLUCKY) {
            return Err(Error {
                reason: Reason::SlowDown,
                about: key.to_owned(),
                message: "the test's own refusal".into(),
            });
        }
        self.0.put_new(key, body).await
    }

    async fn clock(&self) -> Result<DateTime<Utc>, Error> {
        self.0.clock().await
    }

    fn sibling(&self, name: &str) -> Arc<dyn Lake> {
        Arc::new(Self(self.0.sibling(name)))
    }
}
