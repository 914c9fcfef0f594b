//! The part that an earlier run wrote, and whether it can be trusted.

use std::sync::Arc;

use super::verify::verify;
use super::{Bodies, Compaction, Counter, Outcome, Verification};
use crate::parts::{Distrust, Footer, Part, PartName, Wanted};
use pipeline::lake::{Lake, ObjectMeta};

/// The part that an earlier run wrote.
#[derive(Debug, Default)]
pub(super) struct Existing {
    /// Its listing entry; `None` if there is none.
    pub meta: Option<ObjectMeta>,
    /// Part with its rows; `None` if it cannot be trusted.
    pub part: Option<Arc<Part>>,
    /// Reason why it cannot be trusted.
    pub distrust: Option<Distrust>,
    /// Its footer, if that can be trusted and its rows cannot.
    pub footer: Option<Footer>,
}

impl Existing {
    /// Opens a listed part, and verifies it if that was requested.
    pub(super) async fn open(
        settings: &Compaction,
        parts: &Arc<dyn Lake>,
        (name, meta): (&PartName, Option<ObjectMeta>),
        tally: &mut Outcome,
    ) -> Self {
        let Some(meta) = meta else { return Self::default() };
        let opened = Part::open(Arc::clone(parts), meta.clone(), name, &settings.lake.location()).await;
        let mut existing = Self { meta: Some(meta), ..Self::default() };
        let part = match opened {
            Ok(part) => Arc::new(part),
            Err(why) => return existing.distrusted(name, why, tally),
        };
        existing.part = Some(Arc::clone(&part));
        if settings.verification == Verification::None || settings.dry_run {
            return existing;
        }
        match verify(settings, &part, tally).await {
            Ok(true) => existing,
            Ok(false) => existing.distrusted(name, Distrust::Damaged("rows differ from their objects".into()), tally),
            Err(why) => existing.distrusted(name, why, tally),
        }
    }

    /// Returns it without its rows, which cannot be trusted.
    pub(super) fn distrusted(self, name: &PartName, why: Distrust, tally: &mut Outcome) -> Self {
        tally[Counter::NotTrusted] += 1;
        tally.problems.add("not_trusted", name.key(), why.to_string());
        let footer = self.part.map(|part| part.footer().clone());
        Self { meta: self.meta, part: None, distrust: Some(why), footer }
    }

    /// Fetches the rows that can be used for a new part.
    pub(super) async fn load(&self, settings: &Compaction) -> Result<(), Distrust> {
        match self.usable(settings) {
            Some(part) => part.load(part.all_rows(), Wanted::Everything).await,
            None => Ok(()),
        }
    }

    /// Returns why no part may be written in its place.
    pub(super) fn obstacle(&self) -> Option<String> {
        let why = self.distrust.as_ref().filter(|why| !why.is_replaceable())?;
        Some(match why {
            Distrust::NewerFormat(_) | Distrust::NoEtag => why.to_string(),
            _ if why.is_failure() => format!("{why}: run this again"),
            _ => "a file that is not of this lake is in its place: move it away".to_owned(),
        })
    }

    /// Returns its part if its rows can be used for a new part with these settings.
    pub(super) fn usable(&self, settings: &Compaction) -> Option<&Arc<Part>> {
        // Missing bodies can be added only by reading the objects.
        self.part.as_ref().filter(|part| part.footer().bodies || settings.bodies == Bodies::ExtraFields)
    }

    /// Returns true if its part has the content that the settings require.
    pub(super) fn has_settings(part: &Part, settings: &Compaction) -> bool {
        part.footer().rules == crate::parts::RULES && part.footer().bodies == (settings.bodies == Bodies::Keep)
    }
}
