//! Texts in place of a missing value: those of databases, of R, Python and JavaScript, and the errors of spreadsheets.

/// Texts that programs write in place of a missing value, in lower case.
const PLACEHOLDERS: [&str; 50] = [
    "null",
    "(null)",
    "<null>",
    "\\n",
    "nan",
    "-nan",
    "+nan",
    "na",
    "n/a",
    "n/d",
    "<na>",
    "pd.na",
    "none",
    "nil",
    "nat",
    "inf",
    "-inf",
    "+inf",
    "infinity",
    "-infinity",
    "1.#inf",
    "-1.#inf",
    "1.#ind",
    "-1.#ind",
    "1.#qnan",
    "-1.#qnan",
    "1.#snan",
    "undefined",
    "missing",
    "nulo",
    "(nulo)",
    "vazio",
    "(vazio)",
    "vazia",
    "(vazia)",
    "(blank)",
    "(empty)",
    "-",
    "--",
    "?",
    "??",
    ".",
    "#na",
    "#nd",
    "#nv",
    "#n/a",
    "#n/d",
    "#n/v",
    "#n/disp",
    "#getting_data",
];

/// Maximum length of a placeholder, in bytes.
const LONGEST: usize = 20;

/// Returns true if the text represents a missing value, such as `NULL`, `#N/A` or `#NÚM!`.
pub(super) fn is_placeholder(tidy: &str) -> bool {
    tidy.len() <= LONGEST && (is_listed(tidy) || is_spreadsheet_error(tidy)) || is_filled_cell(tidy)
}

fn is_listed(tidy: &str) -> bool {
    PLACEHOLDERS.iter().any(|known| tidy.eq_ignore_ascii_case(known))
}

/// Returns true for an error of a spreadsheet in any language: `#REF!`, `#NOME?`, `#NÚM!`, and `Err:502` of LibreOffice.
fn is_spreadsheet_error(tidy: &str) -> bool {
    let number = tidy.get(..4).filter(|start| start.eq_ignore_ascii_case("err:")).map(|_| &tidy[4..]);
    let is_number = number.is_some_and(|code| !code.is_empty() && code.bytes().all(|b| b.is_ascii_digit()));
    let word = tidy.strip_prefix('#').and_then(|rest| rest.strip_suffix(['!', '?']));
    is_number || word.is_some_and(|word| word.contains(char::is_alphabetic))
}

/// Returns true for `########`, which a spreadsheet shows if a column is too narrow for its number.
fn is_filled_cell(tidy: &str) -> bool {
    !tidy.is_empty() && tidy.bytes().all(|b| b == b'#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_no_value() {
        for text in ["NULL", "null", "NaN", "N/A", "#REF!", "\\N", "-", "None", "#DIV/0!", "<NA>"] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in ["0", "A", "NAN1", "Nullarbor", "---", ""] {
            assert!(!is_placeholder(text), "{text}");
        }
    }

    #[test]
    fn errors_of_spreadsheets_in_any_language_are_placeholders() {
        for text in
            ["#NÚM!", "#NULO!", "#ERRO!", "#SPILL!", "#CAMPO!", "#ZAHL!", "#¿NOMBRE?", "#NV", "#N/DISP", "#VALEUR!"]
        {
            assert!(is_placeholder(text), "{text}");
        }
        for text in [
            "Err:502",
            "err:522",
            "#",
            "########",
            "############################",
            "#AAAAAAAAAAAAAAAAAA!",
            "-nan",
            "1.#QNAN",
            "(vazio)",
            "?",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in [
            "#12",
            "#A",
            "# 7",
            "Err:",
            "Err:x",
            "Erros",
            "12!",
            "#1!",
            "A#",
            "Vazios",
            "Err:5x",
            "#AAAAAAAAAAAAAAAAAAA!",
        ] {
            assert!(!is_placeholder(text), "{text}");
        }
    }
}
