//! The part that an earlier run wrote, and whether it can be trusted.

use std::sync::Arc;

use super::verify::verify;
use super::{Bodies, Compaction, Counter, Outcome, Verification};
use crate::parts::{Distrust, Part, PartName};
use pipeline::lake::{Lake, ObjectMeta};

/// The part that an earlier run wrote.
#[derive(Debug, Default)]
pub(super) struct Existing {
    /// Its listing entry; `None` if there is none.
    pub meta: Option<ObjectMeta>,
    /// Part with its rows; `None` if it cannot be trusted.
    pub part: Option<Arc<Part>>,
    /// Whether another part may be written in its place.
    pub is_replaceable: bool,
    /// Failure of the store, because of which nothing is known about it.
    pub failure: Option<String>,
}

impl Existing {
    /// Opens a listed part, and verifies it if that was requested.
    pub(super) async fn open(
        settings: &Compaction,
        parts: &Arc<dyn Lake>,
        (name, meta): (&PartName, Option<ObjectMeta>),
        tally: &mut Outcome,
    ) -> Self {
        let Some(meta) = meta else { return Self { is_replaceable: true, ..Self::default() } };
        let opened = Part::open(Arc::clone(parts), meta.clone(), name, &settings.lake.location()).await;
        let checked = match opened.map(Arc::new) {
            Ok(part) if settings.verification != Verification::None && !settings.dry_run => {
                match verify(settings, &part, tally).await {
                    Ok(true) => Ok(part),
                    Ok(false) => Err(Distrust::Damaged("rows differ from their objects".into())),
                    Err(why) => Err(why),
                }
            }
            other => other,
        };
        match checked {
            Ok(part) => Self { meta: Some(meta), part: Some(part), is_replaceable: true, failure: None },
            Err(why) => {
                tally[Counter::NotTrusted] += 1;
                tally.problems.add("not_trusted", name.key(), why.to_string());
                let failure = why.is_failure().then(|| why.to_string());
                Self { meta: Some(meta), part: None, is_replaceable: why.is_replaceable(), failure }
            }
        }
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
