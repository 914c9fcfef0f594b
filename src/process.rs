//! Messages as the Lambda gets them, taken in here: an event → intake, and what became of each message.
//!
//! The endpoint that SNS delivers to is [`crate::listen`]'s; it counts its messages with `take_down`, too.

use std::collections::HashSet;
use std::time::Instant;

use chrono::Utc;

use crate::intake::event::Event;
use crate::intake::{Intake, Verdict};
use crate::report::process::Outcome;
use crate::warehouse::{Conflict, Loaded};

/// Takes the messages of an event in.
///
/// # Errors
/// Only where the counts do not add up; what fails is in the outcome.
pub async fn run(event: Event, intake: &Intake) -> anyhow::Result<Outcome> {
    let begun = Instant::now();
    let mut outcome = Outcome { quarantine: intake.quarantine_address(), ..Outcome::default() };
    let (ids, bodies): (Vec<_>, Vec<_>) = event.messages.into_iter().map(|message| (message.id, message.body)).unzip();
    let verdicts = intake.batch(bodies, Utc::now()).await;
    take_down(&mut outcome, ids.into_iter().zip(&verdicts));
    outcome.seconds = begun.elapsed().as_secs_f64();
    outcome.check()?;
    Ok(outcome)
}

/// Takes down what became of the messages of one batch, each with the id it is reported by.
///
/// Within a batch the same reading may be written by one message and inserted by its twin: however they shared the
/// work, one of them counts as processed and the others as duplicates.
pub(crate) fn take_down<'a>(outcome: &mut Outcome, batch: impl Iterator<Item = (String, &'a Verdict)>) {
    let batch: Vec<_> = batch.collect();
    let mut fresh: HashSet<&str> = batch.iter().filter_map(|(_, verdict)| brought(verdict)).collect();
    for (place, verdict) in batch {
        outcome.messages += 1;
        match verdict {
            Verdict::Stored { id, row: Loaded::Refused(why), .. } => {
                outcome.failed += 1;
                outcome.rows_refused += 1;
                let reason = format!("in the lake, but the warehouse refuses row {id}: {why}");
                outcome.problems.add("refused", place, reason);
            }
            Verdict::Stored { id, row, .. } => {
                if fresh.remove(id.as_str()) {
                    outcome.processed += 1;
                } else {
                    outcome.duplicates += 1;
                }
                if let Loaded::Conflicting(conflict) | Loaded::Overwritten(conflict) = row {
                    outcome.conflicting += 1;
                    outcome.problems.add("conflicting", place, other_values(id, conflict));
                }
            }
            Verdict::Quarantined { reason, .. } => {
                outcome.quarantined += 1;
                outcome.problems.add("quarantined", place, reason.to_string());
            }
            Verdict::Failed(failure) => {
                outcome.failed += 1;
                outcome.problems.add("failed", place, failure.message.clone());
            }
        }
    }
}

/// The id of the reading to which this message brought something new.
fn brought(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Stored { id, .. } if !verdict.is_duplicate() => Some(id),
        _ => None,
    }
}

fn other_values(id: &str, conflict: &Conflict) -> String {
    let fields: Vec<_> = conflict.differences.iter().map(|d| d.column.name()).collect();
    format!("the row {id} holds other values of {}", fields.join(", "))
}
