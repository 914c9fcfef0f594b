//! Files of a run: in a directory, or in a bucket next to or apart from the lake.
//!
//! A file is created only if its name is free, and never changed. Attempts at the same shard, at once or one after the
//! other, therefore cannot overwrite each other.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use bytes::Bytes;

use pipeline::lake::{Lake, PutResult, Reason, list_all};

/// Files of a run.
#[derive(Debug, Clone)]
pub struct RunStore {
    files: Arc<dyn Lake>,
}

impl RunStore {
    /// Returns the store for files in a directory or below a prefix.
    pub fn new(files: Arc<dyn Lake>) -> Self {
        Self { files }
    }

    /// Returns the address, without secrets.
    pub fn address(&self) -> String {
        self.files.address()
    }

    /// Returns the identity of the directory or prefix.
    pub(super) fn identity(&self) -> String {
        self.files.identity()
    }

    /// Returns a file's content. `None` if it does not exist.
    ///
    /// # Errors
    /// Returns an error if the store cannot be reached or refuses the request.
    pub async fn read(&self, name: &str) -> anyhow::Result<Option<Bytes>> {
        match self.files.get(name).await {
            Ok(content) => Ok(Some(content)),
            Err(e) if e.reason == Reason::NotFound => Ok(None),
            Err(e) => Err(e).with_context(|| format!("{name} of the run {} cannot be read", self.address())),
        }
    }

    /// Creates a file; returns false if one of that name exists.
    ///
    /// # Errors
    /// Returns an error if the store cannot be reached or refuses the request.
    pub async fn create(&self, name: &str, content: Bytes) -> anyhow::Result<bool> {
        match self.files.put_new(name, content).await {
            Ok(created) => Ok(created == PutResult::Created),
            Err(e) => {
                let what = format!("{name} of the run {} cannot be written{}", self.address(), remedy(e.reason));
                Err(e).context(what)
            }
        }
    }

    /// Creates a file whose name contains the hash of its content; an existing file of that name must have the same content.
    ///
    /// # Errors
    /// Returns an error for the reasons of [`create`](Self::create), or if the existing file is damaged.
    pub async fn create_by_content(&self, name: &str, content: Bytes) -> anyhow::Result<()> {
        if !self.create(name, content.clone()).await? && self.read(name).await?.is_none_or(|found| found != content) {
            bail!(
                "{name} of the run {} was truncated or changed after it was written: remove it, then run this again",
                self.address()
            );
        }
        Ok(())
    }

    /// Returns the names and sizes of all files whose names start with `prefix`.
    ///
    /// # Errors
    /// Returns an error if the store cannot be reached or refuses the request.
    pub async fn list(&self, prefix: &str) -> anyhow::Result<Vec<(String, u64)>> {
        let listed = list_all(&*self.files, prefix).await;
        let listed = listed.with_context(|| format!("the run {} cannot be listed", self.address()))?;
        Ok(listed.into_iter().map(|object| (object.key, object.size)).collect())
    }

    /// Checks that the store honours the condition of a write, unless this is not required.
    ///
    /// # Errors
    /// Returns an error if the condition is required and ignored.
    pub async fn check_conditions(&self, is_required: bool) -> anyhow::Result<()> {
        use pipeline::lake::ConditionalWrites::Honoured;
        if is_required && self.files.test_conditions().await?.create != Honoured {
            bail!(
                "the store of the run {} does not honour If-None-Match: nothing was written; without \
                 --require-conditional-writes each file is looked up before it is written, which is safe if no shard runs \
                 twice at once",
                self.address()
            );
        }
        Ok(())
    }
}

/// Returns what to do if a file of a run cannot be written, as the middle of a message.
const fn remedy(reason: Reason) -> &'static str {
    match reason {
        Reason::NoSpace => " (free space there, then run this again: what is complete is kept)",
        Reason::Denied | Reason::ReadOnly => " (make the run writable for this account, then run this again)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use pipeline::lake::memory::Memory;

    use super::*;

    #[tokio::test]
    async fn a_damaged_file_is_not_taken_for_one_with_the_content_of_its_name() {
        let files = Memory::default();
        let store = RunStore::new(Arc::new(files.clone()));
        for _ in 0..2 {
            store.create_by_content("rows-1.zst", Bytes::from_static(b"whole")).await.unwrap();
        }
        files.overwrite("rows-1.zst", "whol");
        let e = store.create_by_content("rows-1.zst", Bytes::from_static(b"whole")).await.unwrap_err().to_string();
        assert!(e.contains("rows-1.zst") && e.contains("remove it"), "{e}");
    }
}
