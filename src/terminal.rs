//! Width of a terminal, and text that is wrapped or cut to it.

use std::io::IsTerminal;

use crate::charset;

/// Minimum width to which text is wrapped; on narrower terminals the terminal wraps it.
const NARROWEST: usize = 20;

/// Returns the width of a stream in columns; `None` if it is not a terminal or its width is unknown.
#[cfg(unix)]
pub fn width(stream: &(impl IsTerminal + std::os::fd::AsFd)) -> Option<usize> {
    // Some terminals have a width and 0 rows, which crates for terminals take for an unknown size.
    let size = rustix::termios::tcgetwinsize(stream).ok().filter(|_| stream.is_terminal())?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Returns the width of a stream in columns; `None` if it is not a terminal or its width is unknown.
#[cfg(not(unix))]
pub fn width(_stream: &impl IsTerminal) -> Option<usize> {
    None
}

/// Cuts a line to a number of columns; a cut line ends with an ellipsis.
pub fn cut(line: &str, columns: usize) -> String {
    if line.chars().count() <= columns {
        return line.to_owned();
    }
    let ellipsis = charset::shown("…");
    let kept = columns.saturating_sub(ellipsis.chars().count());
    line.chars().take(kept).chain(ellipsis.chars()).take(columns).collect()
}

/// Wraps each line at spaces to a number of columns. Continuation lines are indented to the text of the line, or to its
/// second column. Lines with a command are left as they are, so that they can be copied; so are paths and URLs, also
/// those with a space, such as the keys of a lake.
pub fn wrapped(text: &str, columns: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (content, end) = line.strip_suffix('\n').map_or((line, ""), |content| (content, "\n"));
        let is_copied = content.contains("ruminate ") || content.trim_start().starts_with('$');
        if columns < NARROWEST || content.chars().count() <= columns || is_copied {
            out.push_str(content);
        } else {
            wrap_line(content, columns, &mut out);
        }
        out.push_str(end);
    }
    out
}

/// Wraps one line.
fn wrap_line(line: &str, columns: usize, out: &mut String) {
    let chars: Vec<char> = line.chars().collect();
    let hanging = hanging_indent(&chars, columns);
    let mut at = 0;
    let mut width = columns;
    while chars.len() - at > width {
        let rest = &chars[at..];
        // The last space that fits; a longer word is left to the terminal.
        let begin = if at == 0 { rest.iter().take_while(|c| **c == ' ').count() } else { 0 };
        let fits = (begin + 1..=width).rfind(|space| can_break(rest, *space));
        let Some(space) = fits.or_else(|| (begin + 1..rest.len()).find(|space| can_break(rest, *space))) else { break };
        out.push_str(rest[..space].iter().collect::<String>().trim_end());
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', hanging));
        at += space;
        at += chars[at..].iter().take_while(|c| **c == ' ').count();
        width = columns - hanging;
    }
    out.extend(&chars[at..]);
}

/// Returns true if a line can be broken at a position: at a space that is not part of a path or of a point in time.
fn can_break(line: &[char], at: usize) -> bool {
    if line[at] != ' ' {
        return false;
    }
    let left: String = line[..at].rsplit(|c| *c == ' ').next().unwrap_or_default().iter().collect();
    let right: String = line[at + 1..].split(|c| *c == ' ').next().unwrap_or_default().iter().collect();
    let is_path = left.contains('/')
        && right.contains('/')
        && !left.ends_with([',', ';', ':', '.', ')'])
        && !right.starts_with(['/', '.', '~', '(', '\'', '"'])
        && !right.contains("://");
    !(is_path || ends_with_date(&left) && starts_with_time(&right))
}

/// Returns true if a word ends with a date, as the first part of a lake's key does.
fn ends_with_date(word: &str) -> bool {
    let date = word.len().checked_sub("2026-01-31".len()).and_then(|begin| word.get(begin..));
    date.is_some_and(|date| matches_digits(date, "dddd-dd-dd"))
}

fn starts_with_time(word: &str) -> bool {
    word.get(.."23:59".len()).is_some_and(|time| matches_digits(time, "dd:dd"))
}

/// Returns true if a text has digits where the pattern has `d`, and otherwise the characters of the pattern.
fn matches_digits(text: &str, pattern: &str) -> bool {
    text.bytes()
        .zip(pattern.bytes())
        .all(|(byte, wanted)| if wanted == b'd' { byte.is_ascii_digit() } else { byte == wanted })
}

/// Returns the indentation of continuation lines: that of a second column if it is in the left half, otherwise two more
/// than that of the line.
fn hanging_indent(line: &[char], columns: usize) -> usize {
    let indent = line.iter().take_while(|c| **c == ' ').count();
    let gap = line[indent..].windows(2).position(|two| two == [' ', ' ']).map(|gap| indent + gap);
    let second = gap.map(|gap| gap + line[gap..].iter().take_while(|c| **c == ' ').count());
    second.filter(|second| *second <= columns / 2).unwrap_or(indent + 2).min(columns / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_with_an_ellipsis() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(
            cut("somewhat longer", 9).trim_end_matches(['.', '…']).len(),
            9 - charset::shown("…").chars().count()
        );
    }

    #[test]
    fn lines_are_wrapped_at_spaces_and_indented() {
        let text =
            "publish: 3,093 messages in 0.84 s to local\n  stored      3,054\n  latency     p50 427 ms, p90 628 ms\n";
        let expected = "publish: 3,093 messages in\n  0.84 s to local\n  stored      3,054\n  latency     p50 427 ms,\n              p90 628 ms\n";
        assert_eq!(wrapped(text, 28), expected);
        assert!(wrapped(text, 28).lines().all(|line| line.len() <= 28));
        assert_eq!(wrapped(text, 200), text);
        assert_eq!(wrapped("one-word-that-is-much-too-long next", 20), "one-word-that-is-much-too-long\n  next");
    }

    #[test]
    fn commands_and_paths_are_not_split() {
        for line in [
            "   $ rm a very long command that is longer than the terminal",
            "  run ruminate undo x --lake lake --table t",
            "  um/2026/01/03/historico_consumo_2026-01-03 00:00:00.000_019b8127-6000.json",
            "  /home/ana/my files/lake/of the/farm",
        ] {
            assert_eq!(wrapped(line, 20), line);
        }
    }

    #[test]
    fn lines_with_a_path_are_wrapped_around_it() {
        let key = "um/2026/01/03/historico_2026-01-03 00:00:00.000_0.json";
        let line = format!("  unreadable {key}  (not JSON: a string ends at line 1)");
        let expected = format!("  unreadable\n    {key}\n    (not JSON: a string\n    ends at line 1)");
        assert_eq!(wrapped(&line, 24), expected);
        let line = "compact: 3,054 objects in 2.39 s (1,278/s), parts in s3://bucket/parts and a/b, c/d";
        let expected = "compact: 3,054 objects in\n  2.39 s (1,278/s), parts\n  in s3://bucket/parts\n  and a/b, c/d";
        assert_eq!(wrapped(line, 25), expected);
        assert_eq!(
            wrapped("processed 2026-01-03 00:00:00 UTC, later", 26),
            "processed\n  2026-01-03 00:00:00 UTC,\n  later"
        );
    }
}
