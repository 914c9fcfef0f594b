//! Processing of a Lambda event: its messages go to the intake, and the result of each is recorded.
//!
//! [`crate::endpoint`] is the HTTP endpoint for SNS. It uses `record_results`, too.

use std::time::Instant;

use chrono::Utc;

use pipeline::intake::event::Event;
use pipeline::intake::{Intake, Meaning, MessageOutcome, Verdict};

mod outcome;

pub use outcome::{Count, Outcome, Requests};

/// Processes the messages of an event.
///
/// # Errors
///
/// Returns an error if the counts do not add up. Failed messages are part of the outcome.
pub async fn run(event: Event, intake: &Intake) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let mut outcome = Outcome { quarantine: intake.quarantine_address(), ..Outcome::default() };
    let (ids, bodies): (Vec<_>, Vec<_>) = event.messages.into_iter().map(|message| (message.id, message.body)).unzip();
    let verdicts = intake.process(bodies, Utc::now()).await;
    record_results(&mut outcome, ids, &verdicts);
    outcome.conditional_writes = intake.conditional_writes();
    outcome.seconds = started.elapsed().as_secs_f64();
    outcome.check()?;
    Ok(outcome)
}

/// Records the results of the messages of one batch, each with the id used in reports.
pub(crate) fn record_results(outcome: &mut Outcome, ids: impl IntoIterator<Item = String>, verdicts: &[Verdict]) {
    for ((place, verdict), result) in ids.into_iter().zip(verdicts).zip(MessageOutcome::classify(verdicts)) {
        outcome.counts.add(Count::Messages);
        outcome.counts.add(match result {
            MessageOutcome::Processed => Count::Processed,
            MessageOutcome::Duplicate => Count::Duplicates,
            MessageOutcome::Quarantined => Count::Quarantined,
            MessageOutcome::RowRefused | MessageOutcome::Failed => Count::Failed,
        });
        let meaning = verdict.meaning();
        match meaning {
            Meaning::RowRefused { .. } => outcome.counts.add(Count::RowsRefused),
            Meaning::Conflicting { .. } => outcome.counts.add(Count::Conflicting),
            Meaning::Stored { .. }
            | Meaning::Unverifiable { .. }
            | Meaning::Quarantined { .. }
            | Meaning::Failed(_) => {}
        }
        if verdict.unverifiable().is_some() {
            outcome.counts.add(Count::Unverifiable);
        }
        if let Some(kind) = meaning.problem() {
            outcome.problems.add(kind, place, meaning.to_string());
        }
    }
}
