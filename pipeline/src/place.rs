//! Parsing shared by all locations (lakes, warehouses, topics, files) from flags, variables and the config file.
//!
//! A text with an unrecognized scheme is never interpreted as a path; otherwise `s3:/bucket` would create a directory
//! `s3:`. A path with a colon in its first part is written `./a:b`.

use std::path::PathBuf;

/// Removes leading and trailing white space, which secrets and variables often have.
///
/// # Errors
/// Returns an error if the text is empty, quoted, or contains a control character. The error omits the text, which may
/// contain a password.
pub fn tidy(text: &str) -> Result<&str, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty");
    }
    if text.starts_with(['"', '\'', '`']) || text.ends_with(['"', '\'', '`']) {
        return Err("has a quotation mark at its end: remove the quotes");
    }
    if text.chars().any(char::is_control) {
        return Err("has a line break or another control character in it: remove it");
    }
    Ok(text)
}

/// Returns the scheme at the start of a text: the letters before a colon in its first part.
pub fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split(['/', '\\', '?', '#']).next().unwrap_or(text).split_once(':')?;
    let is_drive = cfg!(windows) && scheme.len() == 1;
    let mut bytes = scheme.bytes();
    let begins = bytes.next().is_some_and(|b| b.is_ascii_alphabetic());
    (begins && !is_drive && bytes.all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))).then_some(scheme)
}

/// Returns the local path that a text describes.
///
/// # Errors
/// Returns an error if the text has a scheme or starts with `~`, which only a shell expands.
pub fn local(text: &str) -> Result<PathBuf, String> {
    if let Some(scheme) = scheme(text) {
        return Err(format!("\"{scheme}:\" is not the start of a path: write ./{scheme}:… for a name with a colon"));
    }
    if text.starts_with('~') {
        return Err("~ is expanded by a shell only: write the whole path, or ./~… for a file of that name".into());
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_is_recognized_in_the_first_part_only() {
        let cases = [
            ("s3:/b", Some("s3")),
            ("FILE:x", Some("FILE")),
            ("mysql+pymysql://u:p@h/d", Some("mysql+pymysql")),
            ("C:\\lake", if cfg!(windows) { None } else { Some("C") }),
            ("a/b:c", None),
            ("./a:b", None),
            ("/a:b", None),
            ("../a:b", None),
            ("2026:01", None),
            (":x", None),
            ("plain", None),
        ];
        for (text, expected) in cases {
            assert_eq!(scheme(text), expected, "{text}");
        }
    }

    #[test]
    fn white_space_around_a_place_is_removed_and_quotes_are_rejected() {
        assert_eq!(tidy(" s3://b \r\n"), Ok("s3://b"));
        for text in ["", " \n", "\"x\"", "'x", "x'", "a\nb", "a\0b"] {
            assert!(tidy(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_path_with_a_colon_in_its_first_part_needs_a_dot() {
        assert_eq!(local("./a:b"), Ok("./a:b".into()));
        assert_eq!(local("a/b:c"), Ok("a/b:c".into()));
        assert!(local("a:b").unwrap_err().contains("./a:…"));
        assert!(local("~/lake").unwrap_err().contains("whole path"));
    }
}
