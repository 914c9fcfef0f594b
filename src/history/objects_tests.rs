//! Tests of JSON objects in any arrangement.

use super::objects::*;
use super::text::LineDecoder;

fn all(text: &str) -> Vec<(u64, String)> {
    let mut objects = Objects::new(text.as_bytes(), LineDecoder::default());
    std::iter::from_fn(|| objects.next())
        .map(|found| found.unwrap())
        .map(|line| (line.number, String::from_utf8(line.text).unwrap()))
        .collect()
}

#[test]
fn objects_are_found_in_arrays_over_lines_and_behind_one_another() {
    let expected = [r#"{"a":"}{,"}"#, r#"{"b":[1,{"c":2}]}"#];
    let [a, b] = expected;
    for text in [
        format!("[{a},{b}]"),
        format!("{a}{b}"),
        format!("[\n{a},\n{b}\n]\n"),
        format!("\u{feff}{a}\u{feff}{b}"),
        format!(",\n{a},\n{b}\n]\n"),
        format!("\x1e{a}\n\x1e{b}\n"),
    ] {
        assert_eq!(all(&text).into_iter().map(|(_, text)| text).collect::<Vec<_>>(), expected, "{text}");
    }
    assert_eq!(
        all("{\n  \"a\": 1\n}\n{\n  \"b\": 2\n}"),
        [(1, "{\n  \"a\": 1\n}".into()), (4, "{\n  \"b\": 2\n}".into())]
    );
}

#[test]
fn an_array_without_its_end_is_an_error_after_its_objects() {
    let read = |text: &str| {
        let mut objects = Objects::new(text.as_bytes(), LineDecoder::default());
        let found: Vec<_> = std::iter::from_fn(|| objects.next()).collect();
        (found.iter().filter(|found| found.is_ok()).count(), found.last().is_some_and(Result::is_err))
    };
    for (text, cut) in [
        ("[{\"a\":1},\n{\"b\":2},\n", true),
        ("[{\"a\":1},{\"b\":2}", true),
        ("[{\"a\":1}]\n[{\"b\":2}", true),
        ("[{\"a\":1}]\n[{\"b\":2}]", false),
        ("[{\"a\":1},{\"b\":[2]}]\x1a", false),
        ("{\"a\":1}]{\"b\":2}", false),
    ] {
        assert_eq!(read(text), (2, cut), "{text}");
    }
    assert_eq!(read("["), (0, true));
    assert!(is_open_array(b" [{\"a\":1}, ") && !is_open_array(b"[{}] ") && !is_open_array(b"{\"a\":[1"));
}

#[test]
fn a_truncated_object_does_not_affect_others() {
    let found = all("{\"a\":1,\"b\":\"x\n{\"c\":2}\nwhat?\n{\"d\":3}");
    let texts: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["{\"a\":1,\"b\":\"x", "{\"c\":2}", "what?", "{\"d\":3}"]);
    let found = all("\x1e{\"a\":\x1e{\"c\":2}\nwhat?\x1e{\"d\":3}");
    let texts: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["{\"a\":", "{\"c\":2}", "what?", "{\"d\":3}"]);
}

#[test]
fn other_content_does_not_affect_the_objects_around_it() {
    for (text, expected) in [
        (r#"[{"a":1},null,{"b":2}]"#, &[r#"{"a":1}"#, "null", r#"{"b":2}"#][..]),
        (r#"[{"a":1},"x, {]",[1,2],{"b":2}]"#, &[r#"{"a":1}"#, r#""x, {]""#, "1", "2", r#"{"b":2}"#]),
        (r#"[{"a":1},"{\"b\":2}",{"c":3}]"#, &[r#"{"a":1}"#, r#""{\"b\":2}""#, r#"{"c":3}"#]),
        (r#"{"a":1}x, "y{ "b":{"c":2}}z"#, &[r#"{"a":1}"#, r#"x, "y"#, r#"{ "b":{"c":2}}"#, "z"]),
    ] {
        let found = all(text);
        assert_eq!(found.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), expected, "{text}");
        assert_eq!(split(text.as_bytes()), expected.iter().map(|part| part.as_bytes()).collect::<Vec<_>>());
    }
    let found = all("{\"a\":\r{\"b\":2}\r// x\r\n{\"c\":3}\n{\"d\":4}");
    let found: Vec<(u64, &str)> = found.iter().map(|(line, text)| (*line, text.as_str())).collect();
    assert_eq!(found, [(1, "{\"a\":"), (2, "{\"b\":2}"), (3, "// x"), (4, "{\"c\":3}"), (5, "{\"d\":4}")]);
    assert_eq!(split(b"{\"a\":1}{\"b\":2}{\"c\":"), [&b"{\"a\":1}"[..], b"{\"b\":2}", b"{\"c\":"]);
}

#[test]
fn layouts_beyond_a_line_are_distinguished_from_lines() {
    for text in ["{\"a\":1}{\"b\":2}\n", "{\"a\":1}, {\"b\":2}", "{\n\"a\":1}", "{\"a\":\n1}"] {
        assert_eq!(goes_beyond_a_line(text.as_bytes()), text != "{\"a\":\n1}", "{text}");
    }
    for text in
        ["{\"a\":1}\n{\"b\":2}\n", "{\"a\":\"}{\"}\n", "{\"a\":1\n{\"b\":2}", "{\"a\":1}", "{\"a\":1}\n,,,\na,b"]
    {
        assert!(!goes_beyond_a_line(text.as_bytes()), "{text}");
    }
    for text in ["{\"a\":1},\n{\"b\":2}", "{\"a\":1}\n, {\"b\":2}", "{\"a\":1}\n]\n", "{\"a\":1},\n", "{\"a\":1}]"] {
        assert!(goes_beyond_a_line(text.as_bytes()), "{text}");
    }
    for (text, expected) in [(",\n{", true), ("\x1e\x1e{", true), (",,{", false), ("{", false), ("\x1e", false)] {
        assert_eq!(follows_separator(text.as_bytes()), expected, "{text:?}");
    }
    assert_eq!(split(b"{\"a\":1},"), [b"{\"a\":1}"]);
    assert_eq!(split(b"{\"a\":1} ,{\"b\":\"}{\"}").len(), 2);
    for one in [&b"{\"a\":1}"[..], b"{\"a\":1}x{", b"{\"a\":1", b""] {
        assert!(split(one).is_empty());
    }
}
