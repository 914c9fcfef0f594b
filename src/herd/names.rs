//! Names of farms, and ids of pens and lots. `pipeline::record` owns the folder name of a farm in the lake.

use super::random::KeyedRng;

/// The number of 14-digit integers, and the first of them.
const ID_SPACE: u64 = 90_000_000_000_000;
const ID_FIRST: u64 = 10_000_000_000_000;

/// Factor without a common divisor with [`ID_SPACE`] (2, 3, 5), which makes the numbering one to one.
const ID_STEP: u64 = 38_196_601_125_011;

/// Maximum number of lots per pen from 1970 to 9999: two per 222 days.
const LOTS_A_PEN: u64 = 28_000;

/// Returns the name of a farm, counted from 0: `FazendaUm`, `FazendaDois`, … `FazendaVinteETres`.
///
/// The number is written in Portuguese words without accents, each word capitalized. The name and its snake_case form
/// are unique.
pub fn cod_cliente(farm: u32) -> String {
    let mut name = String::from("Fazenda");
    let number = farm.saturating_add(1);
    let (millions, thousands, rest) = (number / 1_000_000, number / 1_000 % 1_000, number % 1_000);
    if millions > 0 {
        spell_below_thousand(millions, &mut name);
        name.push_str(if millions == 1 { "Milhao" } else { "Milhoes" });
    }
    if thousands > 1 {
        spell_below_thousand(thousands, &mut name);
    }
    if thousands > 0 {
        name.push_str("Mil");
    }
    // "e" joins the last group only if it is a multiple of 100 or below 100: mil e um, but mil cento e um.
    if rest > 0 && number > 1_000 && (rest < 100 || rest.is_multiple_of(100)) {
        name.push('E');
    }
    spell_below_thousand(rest, &mut name);
    name
}

fn spell_below_thousand(number: u32, name: &mut String) {
    const HUNDREDS: [&str; 10] = [
        "",
        "Cento",
        "Duzentos",
        "Trezentos",
        "Quatrocentos",
        "Quinhentos",
        "Seiscentos",
        "Setecentos",
        "Oitocentos",
        "Novecentos",
    ];
    const TENS: [&str; 10] =
        ["", "", "Vinte", "Trinta", "Quarenta", "Cinquenta", "Sessenta", "Setenta", "Oitenta", "Noventa"];
    const ONES: [&str; 20] = [
        "",
        "Um",
        "Dois",
        "Tres",
        "Quatro",
        "Cinco",
        "Seis",
        "Sete",
        "Oito",
        "Nove",
        "Dez",
        "Onze",
        "Doze",
        "Treze",
        "Quatorze",
        "Quinze",
        "Dezesseis",
        "Dezessete",
        "Dezoito",
        "Dezenove",
    ];
    if number == 100 {
        name.push_str("Cem");
        return;
    }
    let (hundreds, rest) = (number / 100, number % 100);
    let (tens, ones) = if rest < 20 { (0, rest) } else { (rest / 10, rest % 10) };
    let words = [HUNDREDS[hundreds as usize], TENS[tens as usize], ONES[ones as usize]];
    let mut first = true;
    for word in words.into_iter().filter(|word| !word.is_empty()) {
        if !first {
            name.push('E');
        }
        name.push_str(word);
        first = false;
    }
}

/// Ids of the pens and lots of one farm.
#[derive(Debug, Clone, Copy)]
pub(super) struct IdAllocator {
    first_pen: u64,
    /// Offsets of the ids of pens and lots, below [`ID_SPACE`].
    pens_from: u64,
    lots_from: u64,
}

impl IdAllocator {
    /// Creates the ids of a farm, counted from 0.
    pub(super) fn new(herd: KeyedRng, farm: u32) -> Self {
        let first_pen = u64::from(farm) * u64::from(super::MAX_LOTS);
        let [pens_from, lots_from] = [b'c', b'l'].map(|kind| herd.with(kind).bits() % ID_SPACE);
        Self { first_pen, pens_from, lots_from }
    }

    /// Returns the id of a pen (`id_curral`): 14 digits, unique across farms.
    #[inline]
    pub(super) fn pen(&self, pen: u32) -> u64 {
        scattered(self.pens_from, self.first_pen + u64::from(pen))
    }

    /// Returns the id of a lot (`id_lote`): 14 digits, unique across all pens and their calendars.
    #[inline]
    pub(super) fn lot(&self, pen: u32, sequence: u32) -> u64 {
        scattered(self.lots_from, (self.first_pen + u64::from(pen)) * LOTS_A_PEN + u64::from(sequence))
    }
}

/// Maps 0..[`ID_SPACE`] one to one onto scattered 14-digit numbers.
#[inline]
fn scattered(from: u64, number: u64) -> u64 {
    debug_assert!(number < ID_SPACE);
    let scattered = from + stepped(number);
    ID_FIRST + if scattered < ID_SPACE { scattered } else { scattered - ID_SPACE }
}

/// Returns `number` × [`ID_STEP`] modulo [`ID_SPACE`] without a 128-bit division. The quotient comes from a
/// multiplication by 2^64 × `ID_STEP` / `ID_SPACE`, and is at most one too small.
#[inline]
fn stepped(number: u64) -> u64 {
    const RATIO: u64 = (((ID_STEP as u128) << 64) / ID_SPACE as u128) as u64;
    let quotient = ((u128::from(number) * u128::from(RATIO)) >> 64) as u64;
    let rest = number.wrapping_mul(ID_STEP).wrapping_sub(quotient.wrapping_mul(ID_SPACE));
    if rest < ID_SPACE { rest } else { rest - ID_SPACE }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use heck::ToSnakeCase;

    use super::*;
    use crate::herd::{MAX_FARMS, MAX_LOTS};

    #[test]
    fn farm_numbers_are_written_in_portuguese() {
        let name = |number: u32| cod_cliente(number - 1);
        assert_eq!(name(1), "FazendaUm");
        assert_eq!(name(2), "FazendaDois");
        assert_eq!(name(16), "FazendaDezesseis");
        assert_eq!(name(20), "FazendaVinte");
        assert_eq!(name(23), "FazendaVinteETres");
        assert_eq!(name(100), "FazendaCem");
        assert_eq!(name(101), "FazendaCentoEUm");
        assert_eq!(name(345), "FazendaTrezentosEQuarentaECinco");
        assert_eq!(name(1_000), "FazendaMil");
        assert_eq!(name(1_001), "FazendaMilEUm");
        assert_eq!(name(1_100), "FazendaMilECem");
        assert_eq!(name(1_101), "FazendaMilCentoEUm");
        assert_eq!(name(2_200), "FazendaDoisMilEDuzentos");
        assert_eq!(name(21_022), "FazendaVinteEUmMilEVinteEDois");
        assert_eq!(name(100_000), "FazendaCemMil");
    }

    #[test]
    fn names_and_slugs_of_all_farms_are_unique() {
        let names: HashSet<String> = (0..MAX_FARMS).map(cod_cliente).collect();
        let slugs: HashSet<String> = names.iter().map(|name| name.to_snake_case()).collect();
        assert_eq!(names.len(), MAX_FARMS as usize);
        assert_eq!(slugs.len(), MAX_FARMS as usize);
        assert!(slugs.contains("fazenda_vinte_e_tres"));
    }

    #[test]
    fn ids_are_fourteen_digits_and_unique_across_farms() {
        let mut pens = HashSet::new();
        let mut lots = HashSet::new();
        for farm in [0, 1, 2, 99_998, 99_999] {
            let ids = IdAllocator::new(KeyedRng::new(3), farm);
            for pen in (0..200).chain(MAX_LOTS - 50..MAX_LOTS) {
                assert!(pens.insert(ids.pen(pen)));
                for sequence in [0, 1, 2, 3, 26_900] {
                    assert!(lots.insert(ids.lot(pen, sequence)));
                }
            }
        }
        assert!(pens.iter().chain(&lots).all(|id| id.to_string().len() == 14));
    }

    #[test]
    fn the_numbering_of_ids_is_one_to_one() {
        assert!(!ID_STEP.is_multiple_of(2) && !ID_STEP.is_multiple_of(3) && !ID_STEP.is_multiple_of(5));
        assert!(u64::from(MAX_FARMS) * u64::from(MAX_LOTS) * LOTS_A_PEN <= ID_SPACE);
    }

    #[test]
    fn steps_equal_those_of_a_128_bit_division() {
        let ends = [0, 1, 2, ID_SPACE - 1, ID_SPACE - 2, ID_SPACE / 2];
        let others = (0..100_000u64).map(|n| KeyedRng::new(n).bits() % ID_SPACE);
        for number in ends.into_iter().chain(others) {
            let long = u128::from(number) * u128::from(ID_STEP) % u128::from(ID_SPACE);
            assert_eq!(u128::from(stepped(number)), long, "{number}");
        }
    }
}
