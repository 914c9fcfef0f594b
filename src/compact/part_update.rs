//! One part: survey, rewrite, put and verification.

use std::sync::Arc;

use super::existing::Existing;
use super::rewrite::{Rewrite, Rewritten};
use super::survey::{Survey, survey};
use super::verify::verify;
use super::write_error::WriteError;
use super::{Compaction, Counter, OnDeleted, Outcome, Verification};
use crate::outcome::counted;
use crate::parts::{Part, PartName};
use pipeline::lake::{ChangeResult, Error, Lake, ObjectMeta, head};

/// Number of attempts to write a part that another compaction replaces at the same time.
const ATTEMPTS: u32 = 3;

/// A part to compact.
pub(super) struct PartUpdate<'a> {
    pub rewrite: Rewrite<'a>,
    pub parts: &'a Arc<dyn Lake>,
    pub name: PartName,
    /// Listing entry of the existing part.
    pub listed: Option<ObjectMeta>,
}

/// Result of an attempt to write a part.
enum Attempt {
    Done(Box<Outcome>),
    /// Another writer was faster.
    Again,
}

impl PartUpdate<'_> {
    fn settings(&self) -> &Compaction {
        self.rewrite.settings
    }

    /// Compacts the part.
    pub(super) async fn run(&self) -> Result<Outcome, WriteError> {
        let mut listed = self.listed.clone();
        for _ in 0..ATTEMPTS {
            match self.attempt(listed).await? {
                Attempt::Done(outcome) => return Ok(self.with_rejected(*outcome)),
                Attempt::Again => listed = head(&**self.parts, &self.name.key()).await?,
            }
        }
        let survey = self.survey(None).await?;
        Ok(self.left(survey, Counter::NotWritten, "other compactions keep replacing it: run this again later"))
    }

    /// Adds the problem of a part with objects that hold no record: the part has the reason of each, other commands show it.
    fn with_rejected(&self, mut outcome: Outcome) -> Outcome {
        let rejected = outcome[Counter::Rejected];
        if rejected > 0 {
            let objects = counted(rejected, "object holds", "objects hold");
            let why = format!("{objects} no valid record: `ruminate reconcile` shows the reason of each");
            outcome.problems.add("rejected", self.name.key(), why);
        }
        outcome
    }

    async fn survey(&self, part: Option<&Arc<Part>>) -> Result<Survey, Error> {
        survey(self.settings(), self.rewrite.reader, &self.name, part).await
    }

    async fn attempt(&self, listed: Option<ObjectMeta>) -> Result<Attempt, WriteError> {
        let mut tally = Outcome::default();
        let existing = Existing::open(self.settings(), self.parts, (&self.name, listed), &mut tally).await;
        if !existing.is_replaceable {
            let survey = self.survey(None).await?;
            let why = match &existing.failure {
                Some(failure) => format!("{failure}: run this again"),
                None => "a file that is not of this lake is in its place: move it away".to_owned(),
            };
            tally.merge(self.left(survey, Counter::NotWritten, &why));
            return Ok(Attempt::Done(Box::new(tally)));
        }
        if existing.part.is_some() || self.settings().dry_run {
            let survey = self.survey(existing.part.as_ref()).await?;
            if let Some(done) = self.conclude(survey, &existing) {
                tally.merge(done);
                return Ok(Attempt::Done(Box::new(tally)));
            }
        }
        let written = self.rewrite.run(&self.name, existing.usable(self.settings())).await?;
        Ok(match self.put(written, &existing).await? {
            Attempt::Done(done) => {
                tally.merge(*done);
                Attempt::Done(Box::new(tally))
            }
            Attempt::Again => Attempt::Again,
        })
    }

    /// Returns the outcome if nothing is to be written.
    fn conclude(&self, mut survey: Survey, existing: &Existing) -> Option<Outcome> {
        let is_wanted = |part: &Arc<Part>| self.settings().dry_run || Existing::has_settings(part, self.settings());
        if survey.is_unchanged() && existing.part.as_ref().is_some_and(is_wanted) {
            survey.tally[Counter::Unchanged] += 1;
            survey.tally.part_bytes += existing.meta.as_ref().map_or(0, |meta| meta.size);
            return Some(survey.tally);
        }
        if survey.deleted > 0 && self.settings().on_deleted == OnDeleted::Hold {
            survey.tally[Counter::Deleted] += survey.deleted;
            let why = format!(
                "it has {} rows of objects that no longer exist: `ruminate restore` restores them, --drop-deleted drops them",
                survey.deleted
            );
            return Some(self.left(survey, Counter::Held, &why));
        }
        if self.settings().dry_run {
            survey.tally[Counter::Dropped] += survey.deleted;
            return Some(survey.tally);
        }
        None
    }

    /// Returns the outcome of a part that was left as it is: objects that it does not have count as `reason`.
    fn left(&self, survey: Survey, reason: Counter, why: &str) -> Outcome {
        let mut tally = survey.tally;
        let pending = std::mem::take(&mut tally[Counter::Pending]);
        tally[reason] += pending;
        tally.problems.add(if reason == Counter::Held { "held" } else { "write_failed" }, self.name.key(), why);
        tally
    }

    /// Returns true if the part has no row of an object that no longer exists, or if such rows are dropped.
    pub(super) async fn is_dispensable(&self, parts: &Arc<dyn Lake>) -> Result<bool, WriteError> {
        let listed = (&self.name, self.listed.clone());
        let existing = Existing::open(self.settings(), parts, listed, &mut Outcome::default()).await;
        let Some(part) = &existing.part else { return Ok(existing.is_replaceable) };
        Ok(self.settings().on_deleted == OnDeleted::Drop || self.survey(Some(part)).await?.deleted == 0)
    }

    /// Stores a written part under its name.
    async fn put(&self, written: Rewritten, existing: &Existing) -> Result<Attempt, WriteError> {
        let Rewritten { file, footer, mut tally, dropped } = written;
        tally[Counter::Dropped] += dropped;
        let (parts, key) = (&**self.parts, self.name.key());
        let etag = existing.meta.as_ref().map(|meta| &*meta.etag);
        if footer.rows == 0 {
            return Ok(match etag {
                None => Attempt::Done(Box::new(tally)),
                Some(etag) => match parts.change_if_match(&key, etag, None).await? {
                    ChangeResult::Done => {
                        tally[Counter::Removed] += 1;
                        Attempt::Done(Box::new(tally))
                    }
                    ChangeResult::Conflict => Attempt::Again,
                },
            });
        }
        tally.part_bytes += file.as_file().metadata()?.len();
        // The same objects give the same bytes, so an object that cannot be read does not change the part every day.
        if existing.part.as_ref().is_some_and(|part| *part.footer() == footer) {
            tally[Counter::Unchanged] += 1;
            return Ok(Attempt::Done(Box::new(tally)));
        }
        if parts.put_file(&key, file.path(), etag).await? == ChangeResult::Conflict {
            return Ok(Attempt::Again);
        }
        tally[Counter::Written] += 1;
        if self.settings().verification != Verification::None {
            self.read_back(&mut tally).await?;
        }
        Ok(Attempt::Done(Box::new(tally)))
    }

    /// Reads back a part that was just written.
    async fn read_back(&self, tally: &mut Outcome) -> Result<(), WriteError> {
        let Some(meta) = head(&**self.parts, &self.name.key()).await? else { return Ok(()) };
        let lake = self.settings().lake.location();
        let verified = match Part::open(Arc::clone(self.parts), meta, &self.name, &lake).await {
            Ok(part) => verify(self.settings(), &Arc::new(part), tally).await,
            Err(why) => Err(why),
        };
        if let Err(why) = verified {
            let (counter, kind, what) = match why.is_failure() {
                true => (Counter::NotVerified, "not_verified", "it was written, run this again to verify it"),
                false => (Counter::Mismatched, "mismatched", "the store does not return what was written"),
            };
            tally[counter] += 1;
            tally.problems.add(kind, self.name.key(), format!("{what}: {why}"));
        }
        Ok(())
    }
}
