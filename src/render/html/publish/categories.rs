//! Categories of messages on the page: counts, labels, and part of the breakdown.

use crate::outcome::Counter as _;
use crate::publish::{Count as Counter, Outcome};
use crate::render::html::breakdown::{Breakdown, CategoryRow};
use crate::render::html::findings::KindLabels;
use crate::render::html::numbers;
use crate::topic::Delivery;

/// Result of a message, or an event before its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageCategory {
    Published,
    Failed,
    Invalid,
    Dropped,
    Unsent,
    NotReached,
    Retried,
    Skipped,
}

impl MessageCategory {
    /// All categories, in the order of the page.
    pub(super) const ALL: [Self; 8] = [
        Self::Published,
        Self::Failed,
        Self::Invalid,
        Self::Dropped,
        Self::Unsent,
        Self::NotReached,
        Self::Retried,
        Self::Skipped,
    ];
    /// Categories of messages that are missing from the topic.
    pub(super) const MISSING: [Self; 5] = [Self::Failed, Self::Invalid, Self::Dropped, Self::Unsent, Self::NotReached];

    /// Returns its name, as in the outcome.
    const fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Failed => "failed",
            Self::Invalid => "invalid",
            Self::Dropped => "dropped",
            Self::Unsent => "unsent",
            Self::NotReached => "not reached",
            Self::Retried => "retries",
            Self::Skipped => "skipped",
        }
    }

    /// Returns the number of messages in it.
    pub(super) fn of(self, outcome: &Outcome) -> u64 {
        match self {
            Self::Published => outcome.counts[Counter::Published],
            Self::Failed => outcome.counts[Counter::Failed],
            Self::Invalid => outcome.counts[Counter::Invalid],
            Self::Dropped => outcome.counts[Counter::Dropped],
            Self::Unsent => outcome.counts[Counter::Unsent],
            Self::NotReached => outcome.rest.known(),
            Self::Retried => outcome.counts[Counter::Retries],
            Self::Skipped => outcome.counts[Counter::Skipped],
        }
    }

    /// Returns the class of its part in the breakdown. `None` if it is not a part.
    const fn part(self) -> Option<&'static str> {
        match self {
            Self::Published => Some("same"),
            Self::Failed | Self::Invalid | Self::Dropped => Some("drift"),
            Self::Unsent | Self::NotReached => Some("skipped"),
            Self::Retried | Self::Skipped => None,
        }
    }

    /// Returns its labels.
    pub(super) const fn words(self) -> KindLabels {
        let (title, [one, many], meaning, todo) = match self {
            Self::Published => (
                "Published",
                ["message was published", "messages were published"],
                "The topic accepted it.",
                "Nothing.",
            ),
            Self::Failed => (
                "Failed",
                ["message failed", "messages failed"],
                "The topic rejected it permanently, or did not accept it in any attempt.",
                "See the codes below; messages in the `--dead-letters` file can be published again.",
            ),
            Self::Invalid => (
                "Invalid",
                ["message was not a valid reading, or too large", "messages were not valid readings, or too large"],
                "It is not a valid reading, or over 256 KiB, so it was not sent.",
                "See the reasons below; `--send-invalid` sends them too, to test the quarantine.",
            ),
            Self::Dropped => (
                "Dropped",
                ["message was dropped: the sender was behind", "messages were dropped: the sender was behind"],
                "It was due and could not be sent in time (`--drop-after`), because too many batches were in flight.",
                "The topic, or this sender, cannot sustain this rate: raise `--concurrency`, or lower the rate.",
            ),
            Self::Unsent => (
                "Unsent",
                ["message was in flight when the run stopped", "messages were in flight when the run stopped"],
                "The run stopped before its result was known.",
                "Resume: it is sent again, which changes nothing if it was accepted.",
            ),
            Self::NotReached => (
                "Not reached",
                ["message of the input was not reached", "messages of the input were not reached"],
                "The run ended first: it was counted, but not sent.",
                "Continue as described below. A last stage without a time, such as `hold:200/s`, lasts until the input ends.",
            ),
            Self::Retried => (
                "Retried",
                ["message was sent again", "messages were sent again"],
                "A request failed temporarily, so the message was sent again; each retry counts.",
                "Nothing, unless there are many: then see the codes.",
            ),
            Self::Skipped => (
                "Skipped",
                ["message was skipped", "messages were skipped"],
                "An earlier run had completed it; it does not count as read.",
                "Nothing.",
            ),
        };
        KindLabels { title, one, many, meaning, todo }
    }
}

/// Returns the breakdown of the messages that were read or not reached.
pub(super) fn breakdown(outcome: &Outcome) -> Breakdown {
    let whole = outcome.counts[Counter::Read] + outcome.rest.known();
    let part = |category: MessageCategory| Some((category.name(), category.part()?, category.of(outcome)));
    let parts = MessageCategory::ALL.into_iter().filter_map(part).collect();
    let side = if outcome.rest.known() > 0 { "Input" } else { "Read" };
    Breakdown::of(side, numbers::of(whole, "message", "messages"), parts)
}

/// Returns the breakdown of what the in-process intake did with the published messages. `None` if the topic is not local.
pub(super) fn deliveries(outcome: &Outcome) -> Option<Breakdown> {
    let local = outcome.local.as_ref()?;
    let class = |delivery: Delivery| if delivery.spec().role.is_finding() { "drift" } else { "same" };
    let part = |(delivery, n): (Delivery, u64)| (delivery.spec().title, class(delivery), n);
    let whole = numbers::of(local.counts.parts(), "message", "messages");
    Some(Breakdown::of("Intake", whole, local.counts.iter().map(part).collect()))
}

/// Returns the table of categories.
pub(super) fn counts(outcome: &Outcome) -> Vec<CategoryRow> {
    MessageCategory::ALL
        .map(|category| CategoryRow::of(category.of(outcome), category.name(), &category.words()))
        .into()
}
