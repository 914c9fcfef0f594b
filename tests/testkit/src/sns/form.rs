//! Parser for `application/x-www-form-urlencoded` that copies only escaped values.

use std::borrow::Cow;

/// Marks bytes that are not digits in [`HEX`].
const NO_DIGIT: u8 = 0xff;

/// Value of each byte as a hexadecimal digit.
const HEX: [u8; 256] = {
    let mut table = [NO_DIGIT; 256];
    let mut n = 0;
    while n < 10 {
        table[b'0' as usize + n] = n as u8;
        n += 1;
    }
    let mut n = 0;
    while n < 6 {
        table[b'a' as usize + n] = 10 + n as u8;
        table[b'A' as usize + n] = 10 + n as u8;
        n += 1;
    }
    table
};

/// Returns names and values, still escaped.
pub(crate) fn pairs(body: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    body.split(|&b| b == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let equals = pair.iter().position(|&b| b == b'=').unwrap_or(pair.len());
        (&pair[..equals], pair.get(equals + 1..).unwrap_or_default())
    })
}

/// Returns the text of a name or value; `None` if it is not UTF-8.
pub(crate) fn text(raw: &[u8]) -> Option<Cow<'_, str>> {
    let Some(first) = raw.iter().position(|&b| b == b'%' || b == b'+') else {
        return std::str::from_utf8(raw).ok().map(Cow::Borrowed);
    };
    let mut plain = Vec::with_capacity(raw.len());
    plain.extend_from_slice(&raw[..first]);
    let mut at = first;
    while let Some(&byte) = raw.get(at) {
        at += 1;
        plain.push(match byte {
            b'+' => b' ',
            b'%' => match raw.get(at..at + 2).map(|two| (HEX[usize::from(two[0])], HEX[usize::from(two[1])])) {
                Some((high, low)) if high != NO_DIGIT && low != NO_DIGIT => {
                    at += 2;
                    high << 4 | low
                }
                _ => b'%', // a percent sign that escapes nothing is kept
            },
            byte => byte,
        });
    }
    String::from_utf8(plain).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_a_well_known_reader_reads() {
        let bodies =
            ["a=1&b=2", "a=%7B%22x%22%3A+1%7D&b=", "&&a&=b&c=d=e", "x=%zz%4&y=100%", "n=S%C3%A3o+Jo%c3%a3o", ""];
        for body in bodies {
            let ours: Vec<(String, String)> = pairs(body.as_bytes())
                .map(|(name, value)| (text(name).unwrap().into_owned(), text(value).unwrap().into_owned()))
                .collect();
            let theirs: Vec<_> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
            assert_eq!(ours, theirs, "{body}");
        }
    }

    #[test]
    fn unescaped_values_are_not_copied_and_invalid_text_is_none() {
        assert!(matches!(text(b"plain"), Some(Cow::Borrowed("plain"))));
        assert_eq!((text(b"%ff"), text(b"\xff")), (None, None));
    }
}
