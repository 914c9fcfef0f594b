//! What to do about a message that is no reading in itself, but contains one in another form: inside an object or a text, with
//! names in another spelling, with a type around each value, or after the prefix of a log line.
//!
//! Such messages are not read, because the lake stores a message as it came. A file of them is rejected once.

use pipeline::record::Rejection;
use serde_json::{Map, Value};

use super::csv::column;
use super::date_forms;
use crate::herd::FIELDS;

/// Minimum number of fields by which an object is recognized as a reading.
const MIN_FIELDS: usize = 5;

/// Maximum number of objects, arrays and texts around a reading.
const MAX_DEPTH: u8 = 8;

/// A filter of jq that removes the type around each value, such as `{"S":"51"}` of DynamoDB.
const WITHOUT_TYPES: &str = r#"map_values(if type == "object" then .[] else . end)"#;

/// Returns a hint for an invalid message; `None` if nothing is known about its form.
pub(super) fn of(message: &[u8], why: &Rejection) -> Option<String> {
    match why {
        Rejection::NotTime { found, .. } | Rejection::TimeOutOfRange { found, .. } if !found.starts_with('{') => {
            date_forms::advice(found).map(str::to_owned)
        }
        Rejection::Missing { field } => {
            let value: Value = serde_json::from_slice(message).ok()?;
            let other = |name: &&String| column(name.as_bytes()) == Some(*field);
            match value.as_object()?.keys().find(other) {
                Some(name) => Some(format!("there is {name}: names in JSON are exact, so write {field}")),
                None => command(&value).map(|command| format!("the reading is inside: extract it with {command}")),
            }
        }
        Rejection::NotText { found, .. } | Rejection::NotNumber { found, .. } | Rejection::NotTime { found, .. }
            if found.starts_with('{') =>
        {
            let value: Value = serde_json::from_slice(message).ok()?;
            if is_columnar(value.as_object()?) {
                return Some(
                    "its columns are lists: write one object per reading (pandas: orient=\"records\", lines=True)"
                        .into(),
                );
            }
            is_typed(value.as_object()?)
                .then(|| format!("each value has its type: remove it with jq -c '{WITHOUT_TYPES}'"))
        }
        Rejection::NotObject { .. } => {
            let value: Value = serde_json::from_slice(message).ok()?;
            command(&value).map(|command| format!("the reading is inside: extract it with {command}"))
        }
        Rejection::NotJson { .. } if message.starts_with(b"{'") => {
            Some("is it a Python dict? write it with json.dumps".to_owned())
        }
        Rejection::NotJson { .. } => {
            let at = memchr::memchr(b'{', message).filter(|at| *at > 0)?;
            let value: Value = serde_json::from_slice(&message[at..]).ok()?;
            is_reading(value.as_object()?)
                .then(|| "is it a log? remove what is before the JSON: sed 's/^[^{]*//'".to_owned())
        }
        _ => None,
    }
}

/// Returns the command that extracts the readings from a value; `None` if it contains none, or is one.
pub(super) fn command(value: &Value) -> Option<String> {
    within(value, "", MAX_DEPTH)
}

/// Searches a value, which the filter `at` of jq returns.
fn within(value: &Value, at: &str, depth: u8) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    // A filter begins with a point.
    let dot = if at.is_empty() || at.ends_with(' ') { "." } else { "" };
    match value {
        Value::Object(members) if is_reading(members) => {
            let types = if is_typed(members) { format!(" | {WITHOUT_TYPES}") } else { String::new() };
            (!at.is_empty()).then(|| format!("jq -c '{}{types}'", at.trim_end_matches(" | ")))
        }
        Value::Object(members) => members.iter().find_map(|(name, value)| {
            let name = Value::from(name.as_str());
            within(value, &format!("{at}{dot}[{name}]"), depth)
        }),
        Value::Array(elements) => within(elements.first()?, &format!("{at}{dot}[]"), depth),
        Value::String(text) => {
            let inner: Value = serde_json::from_str(text).ok()?;
            match &inner {
                // As it is: jq may change numbers.
                Value::Object(members) if is_reading(members) => Some(format!("jq -r '{at}{dot}'")),
                Value::Object(_) | Value::Array(_) => within(&inner, &format!("{at}{dot} | fromjson | "), depth),
                _ => None,
            }
        }
        _ => None,
    }
}

fn is_reading(members: &Map<String, Value>) -> bool {
    FIELDS.iter().filter(|field| members.contains_key(field.name())).count() >= MIN_FIELDS
}

/// Returns true if values of fields are objects of one member.
fn is_typed(members: &Map<String, Value>) -> bool {
    let mut values = FIELDS.iter().filter_map(|field| members.get(field.name()));
    values.any(|value| value.as_object().is_some_and(|object| object.len() == 1))
}

/// Returns true if the value of every field is an object with several members: one object for all readings.
fn is_columnar(members: &Map<String, Value>) -> bool {
    let mut values = FIELDS.iter().map(|field| members.get(field.name()));
    values.all(|value| value.and_then(Value::as_object).is_some_and(|object| object.len() > 1))
}

#[cfg(test)]
mod tests {
    use pipeline::record::Reading;

    use super::*;

    const READING: &str = r#"{"id_curral":"1","id_raca":"2","id_lote":"3","peso_entrada":450.5,"peso_medio":451,"data":"2023-01-01","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.5,"cod_cliente":"FazendaUm"}"#;

    fn hint(message: &str) -> Option<String> {
        of(message.as_bytes(), &Reading::parse(message.as_bytes()).unwrap_err())
    }

    #[test]
    fn a_reading_inside_another_value_is_found_with_the_command_that_extracts_it() {
        let text = Value::from(READING);
        let envelope = Value::from(format!(r#"{{"Type":"Notification","Message":{text}}}"#));
        for (message, command) in [
            (format!(r#"{{"data":{READING}}}"#), r#"jq -c '.["data"]'"#),
            (format!(r#"{{"detail-type":"x","detail":{READING}}}"#), r#"jq -c '.["detail-type"]'"#),
            (format!(r#"{{"MessageId":"1","Body":{text}}}"#), r#"jq -r '.["Body"]'"#),
            (format!(r#"{{"body":{envelope}}}"#), r#"jq -r '.["body"] | fromjson | .["Message"]'"#),
            (
                format!(r#"{{"Records":[{{"EventSource":"aws:sns","Sns":{{"Message":{text}}}}}]}}"#),
                r#"jq -r '.["Records"][]["Sns"]["Message"]'"#,
            ),
            (
                format!(r#"{{"messageType":"DATA_MESSAGE","logEvents":[{{"id":"1","message":{text}}}]}}"#),
                r#"jq -r '.["logEvents"][]["message"]'"#,
            ),
            (format!("[[{READING}]]"), "jq -c '.[][]'"),
            (text.to_string(), "jq -r '.'"),
        ] {
            let command = command.replace("detail-type", "detail");
            assert!(hint(&message).is_some_and(|hint| hint.ends_with(&command)), "{message}: {:?}", hint(&message));
        }
        let deep = format!("{}{READING}{}", r#"{"a":"#.repeat(9), "}".repeat(9));
        for other in [r#"{"a":{"id_curral":1}}"#, "{}", r#"{"a":["{"]}"#, "7", &deep] {
            assert_eq!(hint(other), None, "{other}");
        }
    }

    #[test]
    fn values_with_their_types_are_explained() {
        let typed = READING.replace(":\"1\"", r#":{"S":"1"}"#).replace(":450.5", r#":{"N":"450.5"}"#);
        assert!(hint(&typed).unwrap().ends_with(&format!("jq -c '{WITHOUT_TYPES}'")));
        let item = format!(r#"{{"Item":{typed}}}"#);
        assert!(hint(&item).unwrap().ends_with(&format!(r#"jq -c '.["Item"] | {WITHOUT_TYPES}'"#)));
        let date = READING.replace("\"2023-01-01\"", r#"{"$date":"2023-01-01T00:00:00Z"}"#);
        assert!(hint(&date).is_some_and(|hint| hint.starts_with("each value has its type")));
    }

    #[test]
    fn names_in_another_spelling_and_log_lines_are_explained() {
        let upper = READING.replace("id_lote", "ID_Lote");
        assert_eq!(hint(&upper).unwrap(), "there is ID_Lote: names in JSON are exact, so write id_lote");
        assert!(hint(&READING.replace("peso_medio", "Peso Médio")).unwrap().contains("there is Peso Médio"));
        assert_eq!(hint(&READING.replace("peso_medio", "peso")), None);
        let log = format!("2023-01-01T00:00:00.000Z {READING}");
        assert!(hint(&log).unwrap().contains("sed 's/^[^{]*//'"));
        assert_eq!(hint("what? {}"), None);
        assert!(hint(&READING.replace('"', "'")).unwrap().contains("json.dumps"));
    }

    #[test]
    fn one_object_for_all_readings_is_explained() {
        let value: Value = serde_json::from_str(READING).unwrap();
        let columns = value
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| format!("\"{name}\":{{\"0\":{value},\"1\":{value}}}"));
        let frame = format!("{{{}}}", columns.collect::<Vec<_>>().join(","));
        assert!(hint(&frame).unwrap().contains("orient=\"records\""));
    }
}
