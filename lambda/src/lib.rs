//! The streaming Lambda: an SNS or SQS event → [`pipeline::intake`] → lake and warehouse. A thin wrapper: the library
//! processes the messages, and this crate owns the response, the environment, the logs and the metrics.
//!
//! Control flow: [`Settings`] from the environment, [`Clients`] built once, [`handle`] for each event.
//!
//! # How invalid input and failures are handled
//!
//! No message is lost or stored twice, and invalid messages never block valid ones. An invalid message never makes the
//! function fail. A store failure causes redelivery of the affected messages only.
//!
//! | input or failure | handling | SNS response | SQS response |
//! | --- | --- | --- | --- |
//! | a message that is not a reading (not JSON, a field missing, over 256 KiB, not UTF-8) | stored unchanged in the quarantine, with the reason | success | success |
//! | an SNS envelope inside an envelope | one is removed; the inner envelope is not a reading: quarantine | success | success |
//! | a record without a message | the complete record is stored in the quarantine | success | success |
//! | a bare array of SQS records, from EventBridge Pipes | as `Records` | | only the failed items fail |
//! | an array of messages, from an input transformer of EventBridge Pipes | as `Records`, without item ids | error if one failed | |
//! | empty `Records`, or an empty array | no work, a warning | success | success |
//! | an event of another service, or not an event | stored unchanged in the quarantine, an error in the log | success | success |
//! | the same reading again, also 10 times concurrently | one object, one row; the others are duplicates | success | success |
//! | another object exists under a reading's key | the message is stored unchanged in the quarantine, with the object's key; no row | success | success |
//! | an object under the reading's key that cannot be read (archived, denied, encrypted with another key) | its name identifies its content: the row is inserted or compared, a warning, `unverifiable` counts it | success | success |
//! | a value that the table rejects | the object is in the lake, an error in the log, `rows_refused` counts it; a retry cannot help | success | success |
//! | a row with the same id and other values | the row is unchanged, a warning, `conflicting` counts it | success | success |
//! | valid, invalid and failed messages in one batch | each is handled separately | error if one failed | only the failed items fail |
//! | the warehouse is unavailable or full | retried for about 10 seconds, over new connections; the objects are in the lake | error | its messages fail |
//! | a row or the table is locked | 2 seconds for a row, 5 for the table, several times; other rows do not wait for it | error | only the locked rows fail |
//! | changed credentials | the secret is read again, the token signed again; otherwise as above | error | its messages fail |
//! | the bucket is missing or rejects requests | nothing is written to the warehouse | error | its messages fail |
//! | timeout | objects may take three quarters of the time, rows the rest until 0.5 s before Lambda's deadline; unfinished messages are redelivered | error | its messages fail |
//! | a panic | that message fails; the process handles the next event | error | that message fails |
//!
//! "Error" means that Lambda retries. For SNS, it retries twice, then sends the event to the on-failure destination.
//! For SQS, the item returns to the queue until `maxReceiveCount`, then moves to the dead-letter queue. Failures that
//! need a manual fix (a missing bucket, a rejected login, a missing table) are redelivered too, because the message is
//! valid. An event source mapping needs `ReportBatchItemFailures`, which the template sets. Without it, Lambda treats a
//! response with failed items as success and deletes them.
//!
//! # Sandbox lifecycle
//!
//! One connection to the warehouse, opened by the first message that needs it. It is checked after 1 second idle (wall
//! clock) and reopened if it broke. No work runs between two events, while the sandbox is frozen.

mod clients;
mod handler;
mod logs;
mod metrics;
mod settings;

pub use clients::Clients;
pub use handler::{HandlerResponse, RetryableFailure, handle, serve};
pub use logs::begin_logs;
pub use settings::Settings;
