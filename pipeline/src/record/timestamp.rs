//! Points in time: parsing of every accepted form, and the 3 output formats.

use chrono::{
    DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, SecondsFormat, SubsecRound, TimeDelta, Timelike, Utc,
};

/// Parses `YYYY-MM-DD HH:MM:SS[.f] UTC`, RFC 3339, the same without a zone (interpreted as UTC), and some rarer forms.
/// The result is truncated to microseconds.
///
/// `None` if the text has another form or is a leap second, which no column can store.
pub fn parse(text: &str) -> Option<DateTime<Utc>> {
    let text = without_region(text.trim())?;
    let naive = text.strip_suffix(" UTC").unwrap_or(text);
    if let Some(at) = digits(naive) {
        return Some(at.and_utc().trunc_subsecs(6));
    }
    let at = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc()).ok().or_else(|| slowly(text))?;
    (at.nanosecond() < 1_000_000_000).then(|| at.trunc_subsecs(6))
}

/// Removes the region that Java writes after the offset: `2023-01-01T00:00:00-03:00[America/Sao_Paulo]`. `None` if no offset
/// is before it, or another one than that of UTC.
fn without_region(text: &str) -> Option<&str> {
    let Some(rest) = text.strip_suffix(']') else { return Some(text) };
    let (time, region) = rest.split_once('[')?;
    let is_part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'+' | b'-');
    if region.is_empty() || !region.bytes().all(is_part) {
        return None;
    }
    let is_utc = if time.ends_with(['Z', 'z']) {
        true
    } else {
        let at = time.rfind(['+', '-']).filter(|&at| at > 10)?;
        offset_of(&time[at..])?.local_minus_utc() == 0
    };
    (is_utc || !matches!(region, "UTC" | "Etc/UTC" | "GMT" | "Z")).then_some(time)
}

/// Parses the rarer forms: an offset without a colon or after a space, a zone abbreviation after the offset as Go
/// writes it, no seconds, no time, slashes, and ISO 8601 basic format. The order is always year, month, day.
fn slowly(text: &str) -> Option<DateTime<Utc>> {
    let (local, offset) = split_offset(text)?;
    let local = local.replace('/', "-");
    let naive =
        ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y%m%dT%H%M%S%.f"]
            .into_iter()
            .find_map(|form| NaiveDateTime::parse_from_str(&local, form).ok())
            .or_else(|| NaiveDate::parse_from_str(&local, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))?;
    naive.checked_sub_offset(offset).map(|at| at.and_utc())
}

/// Splits a time into local time and offset; without a zone the offset is UTC. The only zone names accepted without an
/// offset are `UTC`, `GMT` and `Z`, because other names are ambiguous.
fn split_offset(text: &str) -> Option<(&str, FixedOffset)> {
    let utc = FixedOffset::east_opt(0)?;
    if let Some(local) = text.strip_suffix(['Z', 'z']) {
        return Some((local.trim_end(), utc));
    }
    let (text, named) = match text.rsplit_once(' ') {
        Some((rest, "UTC" | "utc" | "GMT")) => (rest, Some(utc)),
        // Go's time.String: 2023-01-01 00:00:00 -0300 -03, or +0000 UTC.
        Some((rest, zone))
            if is_zone(zone) && rest.rsplit_once(' ').is_some_and(|(_, offset)| offset_of(offset).is_some()) =>
        {
            (rest, None)
        }
        _ => (text, None),
    };
    // Only a sign after the date can start an offset; the date contains hyphens.
    let sign = text.rfind(['+', '-']).filter(|&at| at > 10);
    let Some((local, offset)) = sign.map(|at| text.split_at(at)) else { return Some((text, utc)) };
    let offset = offset_of(offset)?;
    (named.is_none_or(|named| named == offset)).then_some((local.trim_end(), offset))
}

fn is_zone(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = digits.len() != text.len() && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number || (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase())
}

/// Parses an offset: `+00:00`, `-0300` or `-03`.
fn offset_of(text: &str) -> Option<FixedOffset> {
    let (sign, digits) = (text.strip_prefix('-').map_or(1, |_| -1), text.strip_prefix(['+', '-'])?);
    let digits = digits.replacen(':', "", 1);
    let number = decimal(digits.as_bytes())?;
    let (hours, minutes) = match digits.len() {
        2 => (number, 0),
        4 => (number / 100, number % 100),
        _ => return None,
    };
    if hours > 14 || minutes > 59 {
        return None;
    }
    FixedOffset::east_opt(sign * i32::try_from(hours * 3_600 + minutes * 60).ok()?)
}

/// Parses `YYYY-MM-DD HH:MM:SS`, or the same with `T`, and an optional fraction of up to 9 digits. This is the most
/// common form, and a format string takes about 10 times as long. `None` for all other forms and for leap seconds.
pub fn digits(text: &str) -> Option<NaiveDateTime> {
    let (whole, fraction) = text.as_bytes().split_at_checked(19)?;
    let number = |from: usize, to: usize| decimal(&whole[from..to]);
    let marks = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if !marks.iter().all(|&(at, mark)| whole[at] == mark) || !matches!(whole[10], b' ' | b'T') {
        return None;
    }
    let nanos = match fraction {
        [] => 0,
        [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => {
            decimal(digits)? * 10_u32.pow(9 - u32::try_from(digits.len()).ok()?)
        }
        _ => return None,
    };
    let date = NaiveDate::from_ymd_opt(i32::try_from(number(0, 4)?).ok()?, number(5, 7)?, number(8, 10)?)?;
    date.and_hms_nano_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?, nanos)
}

/// Parses a number of at most 9 digits, all of which fit.
fn decimal(digits: &[u8]) -> Option<u32> {
    if digits.len() > 9 {
        return None;
    }
    digits.iter().try_fold(0, |sum, &b| b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0')))
}

/// Returns true if the instant fits both an id (48 bits of Unix milliseconds) and a DATETIME column: 1970 to 9999.
pub fn in_range(at: DateTime<Utc>) -> bool {
    at.timestamp() >= 0 && at.year() <= 9999
}

/// Formats an instant as farms write `data`: `2023-01-01 00:00:00 UTC`, with a fraction only if it is not zero.
pub fn as_farm(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.f UTC").to_string()
}

/// Formats `row_ts` for the lake: `2026-11-22T18:49:03.454063`, without a zone; a zero fraction is omitted.
pub fn as_row_ts(at: DateTime<Utc>) -> String {
    let form = if at.timestamp_subsec_micros() == 0 { "%Y-%m-%dT%H:%M:%S" } else { "%Y-%m-%dT%H:%M:%S%.6f" };
    at.format(form).to_string()
}

/// Formats an instant for the canonical reading: RFC 3339 in UTC. The fraction has no trailing zeros and is omitted if
/// zero.
pub fn as_canonical(at: DateTime<Utc>) -> String {
    let micros = at.timestamp_subsec_micros();
    let whole = at.to_rfc3339_opts(SecondsFormat::Secs, true);
    if micros == 0 {
        return whole;
    }
    let fraction = format!("{micros:06}");
    format!("{}.{}Z", whole.trim_end_matches('Z'), fraction.trim_end_matches('0'))
}

/// Truncates to `digits` fractional digits (0 to 6), as MariaDB does and as this toolkit does before it binds a value.
pub fn truncated(at: DateTime<Utc>, digits: u8) -> NaiveDateTime {
    at.naive_utc().trunc_subsecs(u16::from(digits))
}

/// Rounds half up to `digits` fractional digits (0 to 6), as MySQL does.
pub fn rounded(at: DateTime<Utc>, digits: u8) -> NaiveDateTime {
    let half = TimeDelta::nanoseconds(500_000_000 / 10_i64.pow(u32::from(digits.min(6))));
    truncated(at + half, digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_accepted_form_is_the_same_instant() {
        let forms = [
            "2023-01-01 00:00:00 UTC",
            "2023-01-01 00:00:00",
            "2023-01-01T00:00:00",
            "2023-01-01T00:00:00Z",
            "2022-12-31T21:00:00-03:00",
            "2022-12-31 21:00:00-03:00",
            " 2023-01-01 00:00:00.000 UTC ",
            "2023-01-01T00:00:00.0000009Z",
            "2023-01-01 00:00:00 +0000",
            "2023-01-01 00:00:00+0000",
            "2023-01-01 00:00:00 +0000 UTC",
            "2023-01-01T00:00:00+00",
            "2022-12-31T21:00:00-0300",
            "2022-12-31 21:00:00 -03:00",
            "2022-12-31 21:00:00 -0300 -03",
            "2022-12-31 21:00:00 -0300 BRT",
            "2023-01-01 00:00:00 GMT",
            "2023-01-01 00:00",
            "2023-01-01T00:00Z",
            "2023-01-01",
            "2023/01/01 00:00:00",
            "20230101T000000Z",
            "2023-01-01 00:00:00 utc",
            "2023-01-01T00:00:00Z[UTC]",
            "2023-01-01T00:00Z[Europe/London]",
            "2023-01-01T00:00:00+00:00[UTC]",
            "2022-12-31T21:00:00-03:00[America/Sao_Paulo]",
            "2022-12-31T21:00-03:00[America/Sao_Paulo]",
        ];
        for form in forms {
            assert_eq!(parse(form).map(as_canonical).as_deref(), Some("2023-01-01T00:00:00Z"), "{form}");
        }
    }

    /// The fast parser returns the same value as a format string, or nothing.
    #[test]
    fn the_fast_parser_agrees_with_a_format_string() {
        let parts = [
            "2023", "9999", "0000", "-", "0", "1", "2", "12", "29", "31", "59", "60", " ", "T", ":", ".", "5", "+1",
            "é",
        ];
        let mut seen = 0;
        let mut state = 7_u64;
        let mut pick = |count: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % count
        };
        for _ in 0..200_000 {
            // A valid time with up to 2 pieces replaced.
            let mut pieces = vec!["2024", "-", "02", "-", "29", " ", "23", ":", "59", ":", "58", ".", "25"];
            pieces.truncate([11, 13][pick(2)]);
            for _ in 0..pick(3) {
                let at = pick(pieces.len());
                pieces[at] = parts[pick(parts.len())];
            }
            let text = pieces.concat();
            let slow = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"]
                .into_iter()
                .find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok());
            if let Some(quick) = digits(&text) {
                assert_eq!(Some(quick), slow, "{text}");
                seen += 1;
            }
        }
        assert!(seen > 50_000, "{seen}");
    }

    #[test]
    fn invalid_times_are_rejected() {
        for text in [
            "",
            "2023-01",
            "2023-01-01 00:00:00 BRT",
            "2023-01-01 00:00:00 -0300 UTC",
            "2023-01-01 00:00:00 +9999",
            "1672531200",
            "01/02/2023",
            "2023-01-01 00:00:00 America/Sao_Paulo",
            "2023-01-01T00:00:00[America/Sao_Paulo]",
            "2023-01-01T00:00:00-03:00[UTC]",
            "2023-01-01T00:00:00-03:00[]",
            "2023-01-01T00:00:00-03:00[[UTC]]",
            "2023-01-01[UTC]",
            "2023-01-01 00:00:00 brt",
            "]",
            "2023-01-01 24:00:00",
            "01/02/2023 00:00:00",
            "2023-13-01 00:00:00 UTC",
            "2016-12-31T23:59:60Z",
            "now",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn each_format_writes_its_own_fraction() {
        let at = parse("2026-11-22T18:49:03.454060").unwrap();
        assert_eq!(as_row_ts(at), "2026-11-22T18:49:03.454060");
        assert_eq!(as_canonical(at), "2026-11-22T18:49:03.45406Z");
        assert_eq!(as_row_ts(parse("2026-11-22T18:49:03").unwrap()), "2026-11-22T18:49:03");
        assert_eq!(as_farm(parse("2026-11-22T18:49:03").unwrap()), "2026-11-22 18:49:03 UTC");
    }

    #[test]
    fn mysql_rounds_and_mariadb_truncates() {
        let at = parse("2026-12-31T23:59:59.600").unwrap();
        assert_eq!(truncated(at, 0).to_string(), "2026-12-31 23:59:59");
        assert_eq!(rounded(at, 0).to_string(), "2027-01-01 00:00:00");
        assert_eq!(rounded(at, 3), truncated(at, 3));
    }
}
