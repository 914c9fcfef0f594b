//! The smallest input that fails, and how it is printed.

/// Maximum number of runs to make an input smaller.
const RUNS: usize = 3_000;
/// Maximum number of bytes that are printed.
const SHOWN: usize = 4_000;

/// Removes parts of an input, from halves to single bytes, as long as it still fails. The header stays.
pub fn minimized(mut input: Vec<u8>, header: usize, fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut runs = 0;
    let mut size = input.len().saturating_sub(header).div_ceil(2);
    while size > 0 && runs < RUNS {
        let mut is_smaller = false;
        let mut at = header;
        while at < input.len() && runs < RUNS {
            let end = (at + size).min(input.len());
            let shorter = [&input[..at], &input[end..]].concat();
            runs += 1;
            if fails(&shorter) {
                (input, is_smaller) = (shorter, true);
            } else {
                at = end;
            }
        }
        if size == 1 && !is_smaller {
            break;
        }
        size = if size == 1 { 1 } else { size.div_ceil(2).min(size - 1) };
    }
    input
}

/// Returns bytes as text with escapes.
pub fn shown(bytes: &[u8]) -> String {
    let more = bytes.len().saturating_sub(SHOWN);
    let text = bytes[..bytes.len() - more].escape_ascii();
    if more > 0 { format!("    b\"{text}\" and {more} bytes") } else { format!("    b\"{text}\"") }
}

#[test]
fn an_input_is_reduced_to_the_bytes_that_fail() {
    let input = [b"h".as_slice(), &b"x".repeat(500), b"{", &b"y".repeat(300), b"}"].concat();
    let fails = |input: &[u8]| input.contains(&b'{') && input.contains(&b'}');
    assert_eq!(minimized(input, 1, fails), b"h{}");
    assert_eq!(shown(b"h{\n\xff"), "    b\"h{\\n\\xff\"");
}
