//! Reading an outcome back from JSON, without losing any field.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reason why an outcome was not read back.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// It is not an outcome of this command.
    #[error("not an outcome of this command: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It was written by another version, with fields unknown to this one.
    #[error(
        "written by ruminate {version}, this is {}: it has the field {field:?}, which this version does not know; read it with \
         the version that wrote it",
        env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// The version that wrote it, if known.
        version: String,
        /// Path of the first unknown field.
        field: String,
    },
}

/// Reads an outcome from JSON, and rejects one with a field that would be lost.
///
/// # Errors
///
/// Returns an error if the JSON does not match; see [`Unread`].
pub fn read_back<T: Serialize + DeserializeOwned>(json: &[u8]) -> Result<T, Unread> {
    let written: Value = serde_json::from_slice(json)?;
    let read: T = serde_json::from_value(written.clone())?;
    match unknown(&written, &serde_json::to_value(&read)?, "") {
        None => Ok(read),
        Some(field) => {
            let version = ["/version", "/run/version"].iter().find_map(|at| written.pointer(at)?.as_str());
            Err(Unread::Newer { version: version.unwrap_or("of another version").to_owned(), field })
        }
    }
}

/// An outcome that was written as JSON and read back.
#[cfg(test)]
pub(crate) fn through_json<T: Serialize + DeserializeOwned>(outcome: &T) -> T {
    read_back(&serde_json::to_vec(outcome).unwrap()).unwrap()
}

/// The path of the first field that one has and the other has not.
fn unknown(written: &Value, known: &Value, path: &str) -> Option<String> {
    match (written, known) {
        (Value::Object(written), Value::Object(known)) => written.iter().find_map(|(name, value)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            match known.get(name) {
                Some(known) => unknown(value, known, &path),
                None if value.is_null() => None,
                None => Some(path),
            }
        }),
        (Value::Array(written), Value::Array(known)) => {
            written.iter().zip(known).find_map(|(written, known)| unknown(written, known, path))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Outcome {
        version: String,
        read: u64,
        days: Vec<Day>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Day {
        listed: u64,
    }

    #[test]
    fn an_outcome_with_a_counter_of_a_newer_version_is_rejected_with_its_version() {
        let outcome = Outcome { version: "0.1.0".into(), read: 3, days: vec![Day { listed: 1 }] };
        let json = serde_json::to_vec(&outcome).unwrap();
        assert_eq!(read_back::<Outcome>(&json).unwrap(), outcome);
        for (json, field) in [
            (r#"{"version":"9.9.9","read":3,"melted":1,"days":[]}"#, "melted"),
            (r#"{"version":"9.9.9","read":3,"days":[{"listed":1,"melted":2}]}"#, "days.melted"),
        ] {
            let why = read_back::<Outcome>(json.as_bytes()).unwrap_err().to_string();
            assert!(why.contains("9.9.9") && why.contains(field), "{why}");
        }
        assert!(matches!(read_back::<Outcome>(b"{}"), Err(Unread::Malformed(_))));
    }
}
