//! Hexadecimal text, lower case only, because texts are compared with texts. The encoding is by the crate `hex`.

/// Returns 2 lower-case digits per byte.
pub fn hex(bytes: &[u8]) -> String {
    ::hex::encode(bytes)
}

/// Decodes `2 * N` lower-case digits; `None` for any other text.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let is_lowercase = !text.bytes().any(|b| b.is_ascii_uppercase());
    (is_lowercase && ::hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_bytes_decode_and_other_texts_do_not() {
        let bytes = [0, 0x7f, 0xa0, 0xff];
        assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        for other in ["", "007fa0f", "007fa0ff0", "007FA0FF", "007fa0fg", "007fa0\u{e9}"] {
            assert_eq!(unhex::<4>(other), None, "{other}");
        }
    }
}
