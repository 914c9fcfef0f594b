//! Cells of a CSV row, and the state of its quotes.

use std::borrow::Cow;

/// State of the quotes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Quotes {
    /// Every quoted cell is closed.
    Closed,
    /// The last cell is quoted and not closed: it may continue in the next line.
    Open,
    /// Text follows a closing quote, so it is unknown where the cell ends.
    Broken,
}

/// Returns the state of the quotes at the end of a row. A quote within an unquoted cell is an ordinary character.
pub(in super::super) fn quotes(row: &[u8], delimiter: u8) -> Quotes {
    if !row.contains(&b'"') {
        return Quotes::Closed;
    }
    enum At {
        Start,
        Unquoted,
        Quoted,
        /// After a quote within a quoted cell: its end, or the first of two quotes that mean one.
        Quote,
    }
    let (mut at, mut broken) = (At::Start, false);
    for &byte in row {
        at = match (at, byte) {
            (At::Quoted, b'"') => At::Quote,
            (At::Quoted, _) | (At::Start | At::Quote, b'"') => At::Quoted,
            (_, byte) if byte == delimiter => At::Start,
            (at @ (At::Start | At::Quote), b' ' | b'\t') => at,
            (At::Quote, _) => {
                broken = true;
                At::Unquoted
            }
            (At::Start | At::Unquoted, _) => At::Unquoted,
        };
    }
    match at {
        At::Quoted => Quotes::Open,
        _ if broken => Quotes::Broken,
        _ => Quotes::Closed,
    }
}

/// Returns the cells of a row; delimiters and quotes within quotes are part of the cell.
pub(in super::super) fn cells(row: &[u8], delimiter: u8) -> Vec<Cow<'_, [u8]>> {
    if !row.contains(&b'"') {
        return row.split(|&byte| byte == delimiter).map(Cow::Borrowed).collect();
    }
    let row = &without_outer_spaces(row, delimiter)[..];
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .buffer_capacity(row.len())
        .from_reader(row);
    let mut record = csv::ByteRecord::new();
    // Reading from memory cannot fail, and any bytes form a row.
    match reader.read_byte_record(&mut record) {
        Ok(true) => record.iter().map(|cell| Cow::Owned(cell.to_vec())).collect(),
        Ok(false) | Err(_) => vec![Cow::Owned(row.to_vec())],
    }
}

/// Removes spaces between a delimiter and a quoted cell, as in `1, "a, b" ,2`: the cell would not count as quoted.
fn without_outer_spaces(row: &[u8], delimiter: u8) -> Cow<'_, [u8]> {
    let is_space = |byte: u8| byte != delimiter && matches!(byte, b' ' | b'\t');
    if !row.windows(2).any(|pair| pair == b" \"" || pair == b"\" " || pair == b"\t\"" || pair == b"\"\t") {
        return Cow::Borrowed(row);
    }
    let (mut out, mut rest, mut quoted) = (Vec::with_capacity(row.len()), row, false);
    let mut starts = true;
    while let Some((&byte, after)) = rest.split_first() {
        let spaces = rest.iter().take_while(|&&byte| is_space(byte)).count();
        let next = rest.get(spaces).copied();
        let is_outer = !quoted
            && spaces > 0
            && (starts && next == Some(b'"') || out.last() == Some(&b'"') && next.is_none_or(|next| next == delimiter));
        if is_outer {
            rest = &rest[spaces..];
            continue;
        }
        if byte == b'"' && (quoted || starts || out.last() == Some(&b'"')) {
            quoted = !quoted;
        }
        starts = !quoted && byte == delimiter;
        out.push(byte);
        rest = after;
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_opens_only_at_the_start_of_a_cell() {
        for (row, expected) in [
            ("a,b", Quotes::Closed),
            (r#""a","b""#, Quotes::Closed),
            (r#""a ""b"" c",d"#, Quotes::Closed),
            (r#"12" south,d"#, Quotes::Closed),
            (r#"a,"b"#, Quotes::Open),
            (r#"a,"b"","#, Quotes::Open),
            (r#""a" b,c"#, Quotes::Broken),
            (r#""a"b",c"#, Quotes::Broken),
            ("\"a\nb\",c", Quotes::Closed),
        ] {
            assert_eq!(quotes(row.as_bytes(), b','), expected, "{row}");
        }
        for row in [r#"1, "a, b" ,2"#, r#"1,"a, b",2"#, "1,\t\"a, b\"  ,2"] {
            assert_eq!(cells(row.as_bytes(), b','), [&b"1"[..], b"a, b", b"2"], "{row}");
            assert_eq!(quotes(row.as_bytes(), b','), Quotes::Closed, "{row}");
        }
        assert_eq!(cells(br#""a "" b", c "d""#, b','), [&br#"a " b"#[..], br#" c "d""#]);
        assert_eq!(cells(br#"12" south,"a, ""b""""#, b','), [&br#"12" south"#[..], br#"a, "b""#]);
    }
}
