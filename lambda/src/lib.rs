//! The streaming Lambda: an SNS or SQS event → [`pipeline::intake`] → lake and warehouse. A thin shell: what happens to a
//! message is the library's; this crate owns the event's answer, the environment, the logs and the metrics.
//!
//! The way through it: [`Settings`] from the environment, [`Clients`] built once, [`handle`] for each event.
//!
//! # What happens to bad input
//!
//! Nothing is lost, nothing is stored twice, and nothing bad stops what is good. A message's fault never makes the
//! function fail; a store's fault makes only the messages come again that it concerns.
//!
//! | what comes | what happens | SNS hears | SQS hears |
//! | --- | --- | --- | --- |
//! | a message that is no reading (not JSON, a field missing, over 256 KiB, not UTF-8) | kept whole in the quarantine, with the reason | success | success |
//! | an SNS envelope inside an envelope | one is taken off; the other is no reading: quarantine | success | success |
//! | a record without a message | the record is kept whole in the quarantine | success | success |
//! | empty `Records` | nothing to do, a warning | success | success |
//! | an event of another service, or no event at all | kept whole in the quarantine, an error in the log | success | success |
//! | the same reading again, also ten times at once | one object, one row; the others are duplicates | success | success |
//! | something else lies in the lake in a reading's place | the message is kept whole in the quarantine, with the object's name; no row | success | success |
//! | a value that the table refuses | the object is in the lake, an error in the log, `refused` counts it; another try cannot help | success | success |
//! | a row with the same id and other values | the row stays, a warning, `conflicting` counts it | success | success |
//! | good, bad and unlucky messages in one batch | each by itself | error if one was unlucky | only the unlucky fail |
//! | the warehouse is gone or full | tried again for some ten seconds, over new connections; the objects are in the lake | error | its messages fail |
//! | a row or the table is locked | two seconds for a row, five for the table, some times over; other rows do not wait for it | error | only the locked fail |
//! | a login that changed | the secret is read again, the token signed again; else as above | error | its messages fail |
//! | the bucket is gone, or refuses | nothing is written to the warehouse | error | its messages fail |
//! | time runs out | objects may take three quarters of the time, rows the rest until half a second before Lambda's deadline; what is not finished then comes again | error | its messages fail |
//! | a panic | that message fails; the process serves the next | error | that message fails |
//!
//! «Error» means that Lambda calls again: for SNS twice more, then it hands the event to the on-failure destination; for
//! SQS the item returns to the queue until `maxReceiveCount`, then goes to the dead-letter queue. Failures that
//! somebody has to mend (no such bucket, a refused login, a missing table) come again too: the message is not to blame.
//! An event source mapping needs `ReportBatchItemFailures` (the template's has it): without it Lambda takes an answer that
//! names failed items for success, and deletes them.
//!
//! # A sandbox
//!
//! One connection to the warehouse, opened by the first message that needs it, checked when it was idle for a second
//! by the wall clock, opened anew where it broke. No work goes on between two events, when the sandbox is frozen.

mod clients;
mod handler;
mod logs;
mod metrics;
mod settings;

pub use clients::Clients;
pub use handler::{HandlerResponse, RetryableFailure, handle, serve};
pub use logs::begin_logs;
pub use settings::Settings;
