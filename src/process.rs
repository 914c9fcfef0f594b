//! Messages as the Lambda gets them, taken in here: an event → intake, and what became of each message.
//!
//! The endpoint that SNS delivers to is [`crate::listen`]'s; it counts its messages with `take_down`, too.

use std::time::Instant;

use chrono::Utc;

use crate::render::process::Outcome;
use pipeline::intake::event::Event;
use pipeline::intake::{Fate, Intake, Verdict};
use pipeline::warehouse::Loaded;

/// Takes the messages of an event in.
///
/// # Errors
/// Only where the counts do not add up; what fails is in the outcome.
pub async fn run(event: Event, intake: &Intake) -> anyhow::Result<Outcome> {
    let begun = Instant::now();
    let mut outcome = Outcome { quarantine: intake.quarantine_address(), ..Outcome::default() };
    let (ids, bodies): (Vec<_>, Vec<_>) = event.messages.into_iter().map(|message| (message.id, message.body)).unzip();
    let verdicts = intake.batch(bodies, Utc::now()).await;
    take_down(&mut outcome, ids, &verdicts);
    outcome.conditional_writes = intake.conditional_writes();
    outcome.seconds = begun.elapsed().as_secs_f64();
    outcome.check()?;
    Ok(outcome)
}

/// Takes down what became of the messages of one batch, each with the id it is reported by.
pub(crate) fn take_down(outcome: &mut Outcome, ids: impl IntoIterator<Item = String>, verdicts: &[Verdict]) {
    for ((place, verdict), fate) in ids.into_iter().zip(verdicts).zip(Fate::of(verdicts)) {
        outcome.messages += 1;
        match fate {
            Fate::Processed => outcome.processed += 1,
            Fate::Duplicate => outcome.duplicates += 1,
            Fate::Quarantined => outcome.quarantined += 1,
            Fate::Refused => {
                outcome.failed += 1;
                outcome.rows_refused += 1;
            }
            Fate::Failed => outcome.failed += 1,
        }
        match verdict {
            Verdict::Stored { id, row: Loaded::Refused(why), .. } => {
                let reason = format!("in the lake, but the warehouse refuses row {id}: {why}");
                outcome.problems.add("refused", place, reason);
            }
            Verdict::Stored { id, row: Loaded::Conflicting(conflict) | Loaded::Overwritten(conflict), .. } => {
                outcome.conflicting += 1;
                outcome.problems.add(
                    "conflicting",
                    place,
                    format!("the row {id} holds other values of {}", conflict.fields()),
                );
            }
            Verdict::Stored { .. } => {}
            Verdict::Quarantined { reason, .. } => outcome.problems.add("quarantined", place, reason.to_string()),
            Verdict::Failed(failure) => outcome.problems.add("failed", place, failure.message.clone()),
        }
    }
}
