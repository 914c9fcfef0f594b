//! Formatting of numbers and dates as digits; `encode` puts them into lines.
//!
//! This is the hot path of generation, so the common values are written as fixed-length arrays: 14-digit ids, numbers
//! below 1,000, and decimals with one to three digits before the point. All other values take a slower path with the
//! same result.

use chrono::{Datelike, NaiveDate};

/// `00` to `99`.
const TWO: [[u8; 2]; 100] = {
    let mut two = [[b'0'; 2]; 100];
    let mut n = 0;
    while n < 100 {
        two[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    two
};

/// Appends an integer.
#[inline]
pub(crate) fn push_whole(out: &mut Vec<u8>, number: u64) {
    match number {
        0..10 => out.push(b'0' + number as u8),
        10..100 => out.extend_from_slice(&TWO[number as usize]),
        100..1_000 => out.extend_from_slice(&three(number as u32)),
        10_000_000_000_000..100_000_000_000_000 => out.extend_from_slice(&fourteen(number)),
        _ => push_any(out, number),
    }
}

fn push_any(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a number of 10^-PLACES units in its shortest form: 450000 g as `450`, 9076451 mg as `9.076451`.
#[inline]
pub(super) fn push_decimal<const PLACES: usize>(out: &mut Vec<u8>, number: i32) {
    const { assert!(PLACES.is_multiple_of(3), "digits behind the point are written three at a time") }
    if number < 0 {
        out.push(b'-');
    }
    let unit = 10u32.pow(PLACES as u32);
    let (whole, rest) = (number.unsigned_abs() / unit, number.unsigned_abs() % unit);
    push_whole(out, u64::from(whole));
    if rest == 0 {
        return;
    }
    out.push(b'.');
    let mut below = unit;
    let mut left = rest;
    for _ in 0..PLACES / 3 {
        below /= 1_000;
        out.extend_from_slice(&three(left / below));
        left %= below;
    }
    while out.last() == Some(&b'0') {
        out.pop();
    }
}

/// Appends a date of the years 0 to 9999, such as `2023-01-01`.
#[inline]
pub(super) fn push_date(out: &mut Vec<u8>, date: NaiveDate) {
    let year = date.year().unsigned_abs() % 10_000;
    let ([a, b], [c, d]) = (two(year / 100), two(year % 100));
    let ([e, f], [g, h]) = (two(date.month()), two(date.day()));
    out.extend_from_slice(&[a, b, c, d, b'-', e, f, b'-', g, h]);
}

/// Returns the two digits of a number below 100.
#[inline]
fn two(number: u32) -> [u8; 2] {
    TWO[(number % 100) as usize]
}

/// Returns the three digits of a number below 1,000.
#[inline]
fn three(number: u32) -> [u8; 3] {
    let [b, c] = two(number);
    [b'0' + (number / 100) as u8, b, c]
}

/// Returns the fourteen digits of a number below 10^14.
#[inline]
fn fourteen(number: u64) -> [u8; 14] {
    let (high, low) = ((number / 10_000_000) as u32, (number % 10_000_000) as u32);
    let mut digits = [0; 14];
    for (digits, number) in digits.chunks_exact_mut(7).zip([high, low]) {
        digits[0] = b'0' + (number / 1_000_000) as u8;
        digits[1..3].copy_from_slice(&two(number / 10_000));
        digits[3..5].copy_from_slice(&two(number / 100));
        digits[5..7].copy_from_slice(&two(number));
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(print: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        print(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn integers_of_every_length_equal_those_of_the_standard_library() {
        let powers = (0..20).map(|n| 10u64.pow(n));
        let around = powers.flat_map(|power| [power - 1, power, power + 1, power / 10 * 17]);
        for number in around.chain(0..2_000).chain([u64::MAX, 73_578_741_015_010, 10_000_000_000_009]) {
            assert_eq!(printed(|out| push_whole(out, number)), number.to_string());
        }
    }

    #[test]
    fn decimals_are_shortest() {
        let print = |number| printed(|out| push_decimal::<3>(out, number));
        assert_eq!(
            [450_000, 499_650, 508_400, 1, 0, -360_341, 100, 1_234_567_890, i32::MIN].map(print),
            ["450", "499.65", "508.4", "0.001", "0", "-360.341", "0.1", "1234567.89", "-2147483.648"]
        );
    }

    #[test]
    fn decimals_equal_those_of_the_standard_library() {
        for number in (0..20_000_000).step_by(997).chain([9_076_451, 10_000_000, 7_000_010]) {
            assert_eq!(printed(|out| push_decimal::<6>(out, number)), (f64::from(number) / 1e6).to_string());
            assert_eq!(printed(|out| push_decimal::<3>(out, number)), (f64::from(number) / 1e3).to_string());
        }
    }

    #[test]
    fn dates_have_ten_characters() {
        let date = |y, m, d| printed(|out| push_date(out, NaiveDate::from_ymd_opt(y, m, d).unwrap()));
        assert_eq!(
            [date(2023, 1, 9), date(1970, 12, 31), date(9999, 10, 10)],
            ["2023-01-09", "1970-12-31", "9999-10-10"]
        );
    }
}
