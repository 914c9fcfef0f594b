//! Texts in place of an id that other programs wrote: labels of totals, and dates that a spreadsheet made of an id.

use super::Column;

/// Words with which a row of totals begins.
const TOTALS: [&str; 6] = ["total", "totals", "totais", "subtotal", "subtotals", "subtotais"];

/// Farm names that are labels of totals. A farm may have the word in its name.
const TOTALS_OF_FARMS: [&str; 6] = ["total", "total geral", "totais", "grand total", "subtotal", "sub total"];

/// Names of months as a spreadsheet shows them in a date, in Portuguese, English and Spanish.
const MONTHS: [&str; 20] = [
    "jan", "fev", "feb", "mar", "abr", "apr", "mai", "may", "jun", "jul", "ago", "aug", "set", "sep", "out", "oct",
    "nov", "dez", "dec", "ene",
];

/// Returns true if an id or a farm is the label of a total, as in `Total`, `Subtotal FazendaUm`, `73578741015010 Total`.
pub(super) fn is_total(field: Column, tidy: &str) -> bool {
    if is_number(tidy) || !contains_word(tidy, b"tota") {
        return false;
    }
    let lower = tidy.to_lowercase().replace("sub-", "sub");
    let words: Vec<&str> = lower.split([' ', ':', '.', '-', '_']).filter(|word| !word.is_empty()).collect();
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return false };
    if field == Column::CodCliente {
        return TOTALS_OF_FARMS.contains(&&*words.join(" ")) || first.starts_with("subtota") && TOTALS.contains(first);
    }
    let rest = &words[..words.len() - 1];
    TOTALS.contains(first)
        || TOTALS.contains(last) && (rest.iter().all(|word| is_number(word)) || rest == ["grand"] || rest == ["sub"])
        || first == &"sub" && words.get(1).is_some_and(|word| TOTALS.contains(word))
}

/// Returns true if a spreadsheet probably turned an id into a date: `3-1` into `03/jan`, `1-Mar` or `2023-03-01 00:00:00`.
///
/// A lot may be named after a day, so a date alone is accepted as a lot. So are names such as `SET-01`, in capital letters.
pub(super) fn is_date(field: Column, tidy: &str) -> bool {
    if !tidy.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric) || !tidy.contains(['/', '-']) {
        return false;
    }
    let (day, time) = tidy.split_once([' ', 'T']).map_or((tidy, None), |(day, time)| (day, Some(time)));
    if let Some(time) = time {
        return is_day(day) && is_midnight(time);
    }
    is_with_month(tidy) || field != Column::IdLote && is_day(day)
}

/// Returns true for `2023-03-01` and `01/03/2023`.
fn is_day(text: &str) -> bool {
    let lengths = |separator: char| -> Vec<usize> {
        if text.split(separator).all(is_number) { text.split(separator).map(str::len).collect() } else { Vec::new() }
    };
    lengths('-') == [4, 2, 2] || matches!(lengths('/')[..], [1 | 2, 1 | 2, 4])
}

fn is_midnight(time: &str) -> bool {
    let time = time.trim_end_matches(" UTC").trim_end_matches('Z');
    !time.is_empty() && time.contains(':') && time.bytes().all(|b| matches!(b, b'0' | b':' | b'.'))
}

/// Returns true for a day and the name of a month, such as `03/jan`, `1-Mar` and `1-mar-23`, and for a month and a year, such
/// as `mar/23` and `Mar-23`.
fn is_with_month(text: &str) -> bool {
    let parts: Vec<&str> = text.split(['/', '-']).collect();
    let is_number =
        |part: &str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let is_month = |part: &str| {
        let name = part.trim_end_matches('.');
        MONTHS.iter().any(|month| name.eq_ignore_ascii_case(month))
    };
    match parts[..] {
        [day, month] if is_number(day, 2) => is_month(month),
        [day, month, year] if is_number(day, 2) => is_month(month) && is_number(year, 4),
        // Codes such as SET-01 are in capital letters, months are not.
        [month, year] => {
            is_month(month) && is_number(year, 4) && month.bytes().skip(1).all(|b| !b.is_ascii_uppercase())
        }
        _ => false,
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// Returns true if a text contains a word in any case. A cheap check.
fn contains_word(text: &str, word: &[u8]) -> bool {
    text.len() >= word.len() && text.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_totals_are_no_ids() {
        for text in [
            "Total",
            "TOTAL:",
            "Subtotal Fazenda X",
            "Sub-total",
            "Sub Total 12",
            "Total Geral",
            "Grand Total",
            "73578741015010 Total",
            "Totais",
        ] {
            assert!(is_total(Column::IdCurral, text), "{text}");
        }
        for text in [
            "25994051003275",
            "Totalizador",
            "Curral Total",
            "Curral 7 Total",
            "Sacrifício total",
            "A1",
            "Tot",
            "Ração Total Mix",
            "",
        ] {
            assert!(!is_total(Column::IdLote, text), "{text}");
        }
        for farm in ["Total", "Total Geral", "subtotal", "Subtotal FazendaUm", "Grand Total"] {
            assert!(is_total(Column::CodCliente, farm), "{farm}");
        }
        for farm in ["Total Agro", "Fazenda Total", "Agropecuária Total Ltda", "FazendaUm"] {
            assert!(!is_total(Column::CodCliente, farm), "{farm}");
        }
    }

    #[test]
    fn a_date_that_a_spreadsheet_made_of_an_id_is_recognized() {
        for text in [
            "03/jan",
            "3-jan",
            "1-Mar",
            "1-MAR",
            "01/mar.",
            "1-mar-23",
            "01/Feb/2023",
            "mar/23",
            "Mar-2023",
            "2023-03-01 00:00:00",
            "2023-03-01T00:00:00.000Z",
            "01/03/2023 00:00",
        ] {
            for field in [Column::IdCurral, Column::IdLote, Column::IdRaca] {
                assert!(is_date(field, text), "{text}");
            }
        }
        for text in ["2023-03-01", "01/03/2023"] {
            assert!(is_date(Column::IdCurral, text) && !is_date(Column::IdLote, text), "{text}");
        }
        for text in [
            "25994051003275",
            "3-1",
            "3/1",
            "1-A",
            "SET-01",
            "OUT-12",
            "12/03",
            "A-Mar",
            "100-Mar",
            "2023-03",
            "Lote 2023-03-01",
            "LAGO-01-02",
            "1A-Mar",
            "A-Mar-23",
            "MAr-23",
            "2023-03-01 0",
            "2023-03-01 06:30",
            "L1/2023",
            "Mar-Azul",
            "1-Marco",
            "-5",
            "",
        ] {
            assert!(!is_date(Column::IdCurral, text), "{text}");
        }
    }
}
