//! One part: survey, rewrite, put and verification.

use std::sync::Arc;

use super::existing::Existing;
use super::rewrite::{Rewrite, Rewritten};
use super::survey::{Survey, survey};
use super::verify::verify;
use super::write_error::WriteError;
use super::{Compaction, Counter, OnDeleted, Outcome, Verification};
use crate::outcome::counted;
use crate::parts::{Distrust, Footer, Part, PartName};
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
                Attempt::Again => listed = self.find().await?,
            }
        }
        let why = match listed {
            Some(_) => "other compactions keep replacing it: run this again later",
            None => "something that is not a file is in its place: move it away, and run this again",
        };
        let survey = self.survey(None).await?;
        Ok(self.left(survey, Counter::NotWritten, why))
    }

    /// Returns the listing entry of the part; `None` if there is none.
    async fn find(&self) -> Result<Option<ObjectMeta>, WriteError> {
        head(&**self.parts, &self.name.key()).await.map_err(WriteError::Parts)
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
        let mut existing = Existing::open(self.settings(), self.parts, (&self.name, listed), &mut tally).await;
        while existing.meta.is_some() || self.settings().dry_run {
            if existing.distrust == Some(Distrust::Replaced) {
                return Ok(Attempt::Again);
            }
            let mut survey = self.survey(existing.part.as_ref()).await?;
            let why = match survey.distrust.take() {
                Some(why) => why,
                None => {
                    if let Some(done) = self.conclude(survey, &existing) {
                        tally.merge(done);
                        return Ok(Attempt::Done(Box::new(tally)));
                    }
                    match existing.load(self.settings()).await {
                        Ok(()) => break,
                        Err(why) => why,
                    }
                }
            };
            existing = existing.distrusted(&self.name, why, &mut tally);
        }
        let written = self.rewrite.run(&self.name, existing.usable(self.settings())).await?;
        if let Some(why) = existing.part.as_ref().and_then(|part| part.failure()) {
            existing = existing.distrusted(&self.name, why, &mut tally);
        }
        let attempt = match self.withheld(&written, &existing).await? {
            Some(attempt) => attempt,
            None => self.put(written, &existing).await?,
        };
        Ok(match attempt {
            Attempt::Done(done) => {
                tally.merge(*done);
                Attempt::Done(Box::new(tally))
            }
            Attempt::Again => Attempt::Again,
        })
    }

    /// Returns the outcome if nothing is to be written.
    fn conclude(&self, mut survey: Survey, existing: &Existing) -> Option<Outcome> {
        if let Some(why) = existing.obstacle() {
            return Some(self.left(survey, Counter::NotWritten, &why));
        }
        let is_wanted = |part: &Arc<Part>| self.settings().dry_run || Existing::has_settings(part, self.settings());
        if survey.is_unchanged() && existing.part.as_ref().is_some_and(is_wanted) {
            survey.tally[Counter::Unchanged] += 1;
            survey.tally.part_bytes += existing.meta.as_ref().map_or(0, |meta| meta.size);
            return Some(survey.tally);
        }
        if let Some(why) = self.loss(&survey, existing) {
            survey.tally[Counter::Deleted] += survey.deleted;
            return Some(self.left(survey, Counter::Held, &why));
        }
        if self.settings().dry_run {
            survey.tally[Counter::Dropped] += survey.deleted;
            survey.tally[Counter::Removed] += u64::from(existing.meta.is_some() && survey.is_without_rows());
            return Some(survey.tally);
        }
        None
    }

    /// Returns why a part that replaces the existing one would, or could, lack rows of objects that no longer exist;
    /// `None` if it would not, or if such rows are dropped.
    fn loss(&self, survey: &Survey, existing: &Existing) -> Option<String> {
        if self.settings().on_deleted == OnDeleted::Drop {
            return None;
        }
        if survey.deleted > 0 {
            return Some(format!(
                "it has {} rows of objects that no longer exist: `ruminate restore` restores them, --drop-deleted drops them",
                survey.deleted
            ));
        }
        let why = existing.distrust.as_ref()?;
        let is_lossy = match &existing.footer {
            Some(footer) => !survey.has_objects_of(footer),
            None => survey.is_without_rows(),
        };
        is_lossy.then(|| last_copy(why))
    }

    /// Returns the result of the attempt if a written part lacks, or could lack, rows of objects that no longer exist:
    /// they were deleted after the survey, or the rows of the existing part were not compared.
    async fn withheld(&self, written: &Rewritten, existing: &Existing) -> Result<Option<Attempt>, WriteError> {
        if self.settings().on_deleted == OnDeleted::Drop {
            return Ok(None);
        }
        let objects = |footer: &Footer| footer.days.iter().map(|day| (day.day, day.objects)).collect::<Vec<_>>();
        let is_lossy = match (&existing.part, &existing.footer, &existing.distrust) {
            (Some(part), ..) => {
                let was_compared = existing.usable(self.settings()).is_some();
                let is_lossy = match was_compared {
                    true => written.dropped > 0,
                    false => self.survey(Some(part)).await?.deleted > 0,
                };
                return Ok(is_lossy.then_some(Attempt::Again)); // the next survey counts them
            }
            (None, Some(footer), _) => objects(footer) != objects(&written.footer),
            (None, None, Some(_)) => written.footer.rows == 0,
            (None, None, None) => false,
        };
        let Some(why) = existing.distrust.as_ref().filter(|_| is_lossy) else { return Ok(None) };
        let survey = self.survey(None).await?;
        Ok(Some(Attempt::Done(Box::new(self.left(survey, Counter::Held, &last_copy(why))))))
    }

    /// Returns the outcome of a part that was left as it is: objects that it does not have count as `reason`.
    fn left(&self, survey: Survey, reason: Counter, why: &str) -> Outcome {
        let mut tally = survey.tally;
        let pending = std::mem::take(&mut tally[Counter::Pending]);
        tally[reason] += pending;
        tally[Counter::PartsHeld] += u64::from(reason == Counter::Held);
        tally.problems.add(if reason == Counter::Held { "held" } else { "write_failed" }, self.name.key(), why);
        tally
    }

    /// Returns the outcome of a part that must stay although its days have their own parts; `None` if it can be removed.
    pub(super) async fn retained(&self) -> Result<Option<Outcome>, WriteError> {
        let (listed, mut unused) = ((&self.name, self.listed.clone()), Outcome::default());
        let mut existing = Existing::open(self.settings(), self.parts, listed, &mut unused).await;
        let mut survey = self.survey(existing.part.as_ref()).await?;
        if let Some(why) = survey.distrust.take() {
            existing = existing.distrusted(&self.name, why, &mut unused);
        }
        let Some(why) = existing.obstacle().or_else(|| self.loss(&survey, &existing)) else { return Ok(None) };
        let mut tally = Outcome::default();
        tally[Counter::Deleted] += survey.deleted;
        tally[Counter::PartsHeld] += 1;
        tally.problems.add("held", self.name.key(), why);
        Ok(Some(tally))
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
                Some(etag) => match parts.change_if_match(&key, etag, None).await.map_err(WriteError::Parts)? {
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
        if parts.put_file(&key, file.path(), etag).await.map_err(WriteError::Parts)? == ChangeResult::Conflict {
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
        let Some(meta) = self.find().await? else { return Ok(()) };
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

/// Returns why a part that cannot be trusted is held back.
fn last_copy(why: &Distrust) -> String {
    format!(
        "{why}; it may be the last copy of objects that no longer exist: restore a copy of it, or --drop-deleted writes \
         it from the listed objects"
    )
}
