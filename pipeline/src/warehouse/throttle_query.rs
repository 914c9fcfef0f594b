//! Checks that a throttle query is a single SELECT, before a server runs it in a read-only transaction.
//!
//! A read-only transaction permits statements that change the server, such as `SET GLOBAL`, and a client that sends
//! text permits several statements. MySQL itself decides what is one statement, when it is prepared. SQLite does not,
//! so `is_single` decides for it.

/// Returns an error if a query does not start as a SELECT.
///
/// # Errors
/// Returns what to write instead.
pub fn check(sql: &str) -> Result<(), String> {
    let word: String = start(sql).chars().take_while(char::is_ascii_alphabetic).collect();
    if ["SELECT", "WITH"].iter().any(|first| word.eq_ignore_ascii_case(first)) {
        return Ok(());
    }
    Err("a throttle query must be a single SELECT that returns a number".to_owned())
}

/// Returns the text after leading white space, parentheses and comments. Comments that MySQL executes are not skipped.
fn start(sql: &str) -> &str {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
        let Some(after) = comment(rest) else { return rest };
        rest = after;
    }
}

/// Returns the text after the comment at the start of `sql`; `None` if there is none.
fn comment(sql: &str) -> Option<&str> {
    if sql.starts_with("--") || sql.starts_with('#') {
        return Some(sql.split_once('\n').map_or("", |(_, rest)| rest));
    }
    let inner = sql.strip_prefix("/*").filter(|inner| !inner.starts_with(['!', 'M']))?;
    Some(inner.split_once("*/").map_or("", |(_, rest)| rest))
}

/// Returns true if SQLite reads a text as a single statement.
pub(super) fn is_single(sql: &str) -> bool {
    let mut rest = sql;
    while let Some(at) = rest.find(['\'', '"', '`', '[', ';', '-', '/']) {
        let (found, after) = (rest.as_bytes()[at], &rest[at + 1..]);
        rest = match found {
            b';' => return start(after).trim_start_matches(';').trim().is_empty(),
            // A doubled quote ends one string and starts the next, which has the same result.
            b'\'' | b'"' | b'`' => after.split_once(char::from(found)).map_or("", |(_, rest)| rest),
            b'[' => after.split_once(']').map_or("", |(_, rest)| rest),
            _ => comment(&rest[at..]).unwrap_or(after),
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_starts_as_a_select_is_accepted() {
        for good in [
            "SELECT 1",
            "  select count(*) from t where a = 'x;y'",
            "-- why\n# and\n/* because */ (SELECT 1) UNION SELECT 2",
            "WITH x AS (SELECT 1) SELECT * FROM x",
        ] {
            check(good).unwrap();
        }
        for bad in [
            "",
            ";SELECT 1",
            "DELETE FROM t",
            "SET GLOBAL read_only = 1",
            "/*!50000 DELETE FROM t */",
            "/*M! DELETE FROM t */",
            "-- SELECT 1",
            "CALL x()",
            "SELECTED",
            "EXPLAIN ANALYZE SELECT 1",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_second_statement_is_found_wherever_it_is() {
        for one in [
            "SELECT 1",
            "SELECT 1;",
            "SELECT ';' ; -- the end",
            "SELECT 'it''s; fine', \"a;b\", [c;d], `e;f` FROM t -- ; no\n WHERE 4 / 2 - 1 > 0 /* ; */ ;; ",
        ] {
            assert!(is_single(one), "{one}");
        }
        for several in [
            "SELECT 1; DELETE FROM t",
            "SELECT '\\'; DELETE FROM t; --'",
            "SELECT 1 /* ' */; DELETE FROM t",
            "SELECT 1; -- x\n DELETE FROM t",
            "SELECT 1 -- '\n; DELETE FROM t",
        ] {
            assert!(!is_single(several), "{several}");
        }
    }
}
