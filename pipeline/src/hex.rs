//! Bytes as hexadecimal text, lowercase only, where text is compared with text. The digits are the crate `hex`'s.

/// Two lowercase digits per byte.
pub fn hex(bytes: &[u8]) -> String {
    ::hex::encode(bytes)
}

/// The bytes of so many lowercase digits; `None` if it is anything else.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let is_lowercase = !text.bytes().any(|b| b.is_ascii_uppercase());
    (is_lowercase && ::hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
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
