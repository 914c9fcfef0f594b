//! Detects the dialect of a text file from its first bytes: the layout of its readings.
//!
//! The dialect is detected once per file; other modules read the file accordingly.

use super::csv::{self, Csv};
use super::hint;
use super::objects;
use super::text;
use crate::herd::LineFormat;

/// Layout of readings in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Layout {
    /// One JSON object per line; CSV rows among them need their own header.
    Lines,
    /// JSON objects in an array or a part of one, on several lines each, or consecutive without line feeds.
    Objects,
    /// CSV rows; JSON lines may be among them.
    Csv(Csv),
}

/// Returns the layout by the first bytes of a file, or by its name if they are inconclusive.
///
/// # Errors
/// Returns an error with what to do if the readings are inside another JSON object, or the file is a table of other
/// things.
pub(super) fn layout(head: &[u8], named: LineFormat) -> Result<Layout, String> {
    let head = text::for_detection(head);
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head).trim_ascii_start();
    match text.first() {
        None => Ok(if named == LineFormat::Csv { Layout::Csv(Csv::default()) } else { Layout::Lines }),
        Some(b'[') if !is_name_in_brackets(text) => Ok(Layout::Objects),
        Some(_) if objects::follows_separator(text) => Ok(Layout::Objects),
        Some(b'{') => match objects::wrapper(text) {
            Some(member) => Err(wrapped(&member, text)),
            None if objects::goes_beyond_a_line(text) => Ok(Layout::Objects),
            None if named == LineFormat::Csv => Ok(rows_among_json(text)),
            None => Ok(Layout::Lines),
        },
        Some(_) => Ok(csv::detect(text, named == LineFormat::Csv)?.map_or(Layout::Lines, Layout::Csv)),
    }
}

/// Returns the layout of a file that starts with JSON lines and is named as CSV.
fn rows_among_json(text: &[u8]) -> Layout {
    let rows: Vec<&[u8]> = text
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .filter(|line| !line.trim_ascii_start().starts_with(b"{"))
        .collect();
    match csv::detect(&rows.join(&b'\n'), false) {
        Ok(Some(csv)) => Layout::Csv(csv),
        Ok(None) | Err(_) => Layout::Lines,
    }
}

/// Returns true if a text starts with a name in brackets, as in a header of SQL Server: `[id_curral],[id_raca]`.
fn is_name_in_brackets(text: &[u8]) -> bool {
    let Some(end) = memchr::memchr(b']', text) else { return false };
    let name = String::from_utf8_lossy(&text[1..end]);
    name.trim_start().starts_with(|c: char| c.is_alphabetic() || c == '_')
        && !name.contains(['"', '{', '[', '\n', '\r'])
        && !name.bytes().any(|byte| csv::DELIMITERS.contains(&byte))
}

/// Returns the reason to reject a file whose readings are in a list of an object.
fn wrapped(member: &str, text: &[u8]) -> String {
    if member == "Records" {
        return "it is an event as Lambda receives it: pass it to `ruminate process --event`".into();
    }
    let first = serde_json::Deserializer::from_slice(text).into_iter::<serde_json::Value>().next();
    let command = first.and_then(Result::ok).and_then(|value| hint::command(&value));
    // The object may be longer than the first bytes of the file.
    let command = command.unwrap_or_else(|| format!("jq -c '.[\"{member}\"][]'"));
    format!("its readings are in the member {member:?} of an object: extract them ({command}) and run again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_brackets_are_a_header_and_no_array() {
        for text in ["[id_curral],[id_raca]\n1,2", "[ ID curral ];[b]"] {
            assert!(is_name_in_brackets(text.as_bytes()), "{text}");
        }
        for text in ["[", "[]", "[{\"a\":1}]", "[null,{\"a\":1}]", "[\"id_curral\"]", "[[1]]", "[1]", "[a\n]"] {
            assert!(!is_name_in_brackets(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn readings_inside_another_object_are_rejected_with_the_way_to_extract_them() {
        for (text, expected) in [
            (r#"{"data":[{"id_curral":"1"}]}"#, "jq -c '.[\"data\"][]'"),
            ("{\n  \"status\": \"ok\",\n  \"paging\": {\"next\": [1, {}]},\n  \"items\": [ \n {", "'.[\"items\"][]'"),
            (r#"{"Records":[{"eventSource":"aws:sqs"}]}"#, "process --event"),
        ] {
            let why = layout(text.as_bytes(), LineFormat::Ndjson).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
        for text in [
            r#"{"id_curral":"1","notes":[{"a":1}]}"#,
            r#"{"data":"2023-01-01","id_curral":"1"}"#,
            r#"{"a":["{",{"b":1}]}"#,
            r#"{"a":"[{"}"#,
            "{",
        ] {
            assert!(layout(text.as_bytes(), LineFormat::Ndjson).is_ok(), "{text}");
        }
    }
}
