//! Outcomes of all commands as JSON: read back without loss, or rejected.

use ruminate::outcome::{Unread, read_back};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::engine::{Target, Verdict, check_reason, ensure, same};

const WORDS: &[&str] = &[
    "\"new_counter\":1,",
    "\"version\":\"9.9.9\",",
    "null",
    "{}",
    "[]",
    "18446744073709551615",
    "\"stopped\":\"x\",",
    "-1",
];

/// Checks an outcome of a type: it is read back equal, and a field that would be lost is an error.
fn check<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<bool, String> {
    match read_back::<T>(bytes) {
        Ok(outcome) => {
            let written = serde_json::to_value(&outcome).map_err(|e| e.to_string())?;
            let text = written.to_string();
            let again = read_back::<T>(text.as_bytes()).map_err(|e| format!("written and rejected: {e}"))?;
            let again = serde_json::to_value(&again).map_err(|e| e.to_string())?;
            same("written and read again", &again, &written)?;
            let given: Value = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
            match lost(&given, &written, String::new()) {
                Some(path) => Err(format!("the field {path} is lost")),
                None => Ok(true),
            }
        }
        Err(why @ Unread::Newer { .. }) => {
            let text = why.to_string();
            ensure(text.contains("version"), || text.clone())?;
            Ok(false)
        }
        Err(why) => check_reason(&why.to_string()).map(|()| false),
    }
}

/// Returns the path of a value that is not null and that the other JSON does not have.
pub fn lost(given: &Value, read: &Value, path: String) -> Option<String> {
    match (given, read) {
        (Value::Object(given), Value::Object(read)) => given.iter().find_map(|(name, value)| {
            let path = format!("{path}.{name}");
            match read.get(name) {
                Some(read) => lost(value, read, path),
                None => (!value.is_null()).then_some(path),
            }
        }),
        (Value::Array(given), Value::Array(read)) if given.len() != read.len() => Some(path),
        (Value::Array(given), Value::Array(read)) => {
            given.iter().zip(read).find_map(|(given, read)| lost(given, read, format!("{path}[]")))
        }
        (Value::Object(_) | Value::Array(_), _) => Some(path),
        _ => None,
    }
}

macro_rules! outcomes {
    ($($name:ident: $type:ty;)+) => {$(
        #[test]
        fn $name() {
            let name = concat!("outcomes::", stringify!($name));
            let value = serde_json::to_value(<$type>::default()).unwrap();
            let corpus = vec![value.to_string().into_bytes(), format!("{value:#}").into_bytes()];
            Target { words: WORDS, ..Target::new(name, 1_200, corpus) }.run(|bytes| -> Verdict { check::<$type>(bytes) });
        }
    )+};
}

outcomes! {
    the_outcome_of_generate_is_read_back_whole_or_not_at_all: ruminate::generate::Outcome;
    the_outcome_of_publish_is_read_back_whole_or_not_at_all: ruminate::publish::Outcome;
    the_outcome_of_backfill_is_read_back_whole_or_not_at_all: ruminate::backfill::Outcome;
    the_outcome_of_replay_is_read_back_whole_or_not_at_all: ruminate::replay::Outcome;
    the_outcome_of_reconcile_is_read_back_whole_or_not_at_all: ruminate::reconcile::Outcome;
    the_outcome_of_compact_is_read_back_whole_or_not_at_all: ruminate::compact::Outcome;
    the_outcome_of_undo_is_read_back_whole_or_not_at_all: ruminate::undo::Outcome;
}
