//! Converts the program's own symbols to ASCII, for terminals and logs whose locale is not UTF-8.
//!
//! Values from files and stores, such as the names of farms, are not changed.

use std::borrow::Cow;

/// Symbols that the program prints, with their ASCII replacements.
const SYMBOLS: [(char, &str); 20] = [
    ('…', "..."),
    ('–', "-"),
    ('—', "-"),
    ('·', "-"),
    ('×', "x"),
    ('→', "->"),
    ('✓', "ok"),
    ('✗', "x"),
    ('’', "'"),
    ('“', "\""),
    ('”', "\""),
    ('─', "-"),
    ('▁', "."),
    ('▂', ":"),
    ('▃', "-"),
    ('▄', "="),
    ('▅', "+"),
    ('▆', "*"),
    ('▇', "#"),
    ('█', "@"),
];

/// Returns true if the locale of the environment is UTF-8; false if no locale is set.
pub fn is_utf8() -> bool {
    is_utf8_locale(|name| std::env::var(name).ok())
}

fn is_utf8_locale(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    // The first variable that is set determines the locale (POSIX, 8.2 Internationalization Variables).
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")).unwrap_or_default();
    let locale = locale.to_ascii_uppercase();
    locale.ends_with("UTF-8") || locale.ends_with("UTF8")
}

/// Returns a text in the form that the locale can display.
pub fn shown(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_utf8() { Cow::Borrowed(text) } else { Cow::Owned(ascii(text)) }
}

fn ascii(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match SYMBOLS.iter().find(|(symbol, _)| *symbol == c) {
            Some((_, ascii)) => shown.push_str(ascii),
            None => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_is_the_first_variable_that_is_set() {
        for (variables, utf8) in [
            (&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")][..], false),
            (&[("LC_ALL", ""), ("LC_CTYPE", "pt_BR.utf8"), ("LANG", "C")], true),
            (&[("LANG", "C.UTF-8")], true),
            (&[("LANG", "pt_BR.ISO-8859-1")], false),
            (&[], false),
        ] {
            let of =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(is_utf8_locale(of), utf8, "{variables:?}");
        }
    }

    #[test]
    fn symbols_become_ascii_and_names_stay() {
        assert_eq!(ascii("a → b … 3 × São ▁█"), "a -> b ... 3 x São .@");
    }
}
