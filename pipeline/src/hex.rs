//! Bytes as hexadecimal text.

use std::fmt::Write as _;

/// Two lowercase digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        let _ = write!(out, "{byte:02x}"); // writing to a String cannot fail
        out
    })
}

/// The bytes of so many lowercase digits; `None` where it is anything else.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back_and_nothing_else_is() {
        let bytes = [0, 0x7f, 0xa0, 0xff];
        assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        for odd in ["", "007fa0f", "007fa0ff0", "007FA0FF", "007fa0fg", "007fa0\u{e9}"] {
            assert_eq!(unhex::<4>(odd), None, "{odd}");
        }
    }
}
