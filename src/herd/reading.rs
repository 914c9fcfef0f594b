//! One day of one lot, as the farm knows it. Owns the values; leaves their bytes to `print` and what goes wrong with
//! them to `faults`.
//!
//! Weights and intake are whole grams and milligrams, so that printing and comparing need no floating point.

use chrono::NaiveDate;

use super::Herd;
use super::chance::Chance;
use super::lot::Lot;
use super::names::{cod_cliente, lot_id, pen_id};
use super::pens::Pen;

/// The two breeds of the real files (DESIGN.md §2). Which id is which breed is not known: the names are an assumption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Raca {
    /// `9000001`, 63 % of real lots, taken to be Nellore.
    Nelore,
    /// `28551700000020`, 37 % of real lots, taken to be Zebu crosses.
    Cruzado,
}

impl Raca {
    /// The id as it stands in a reading.
    pub fn id(self) -> &'static str {
        match self {
            Self::Nelore => "9000001",
            Self::Cruzado => "28551700000020",
        }
    }
}

/// One reading of the history: the ten fields, in units that print exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading<'a> {
    /// The pen: 14 digits.
    pub id_curral: u64,
    /// The breed.
    pub id_raca: Raca,
    /// The lot: 14 digits.
    pub id_lote: u64,
    /// Mean weight at entry, grams an animal.
    pub peso_entrada_g: i32,
    /// Mean weight on the day, grams an animal.
    pub peso_medio_g: i32,
    /// The day of the intake; printed as its midnight, UTC.
    pub data: NaiveDate,
    /// Animals in the lot.
    pub quantidade_animais: u32,
    /// Days on feed.
    pub dia_confinamento: u32,
    /// Intake eaten, milligrams an animal and day.
    pub consumo_real_mg: i32,
    /// The farm.
    pub cod_cliente: &'a str,
}

/// A farm at work: its place in the herd, its name, and the chance all its readings come from.
#[derive(Debug, Clone)]
pub(super) struct Farm {
    seed: u64,
    chance: Chance,
    index: u32,
    cod_cliente: String,
}

impl Farm {
    pub(super) fn new(herd: &Herd, index: u32) -> Self {
        Self { seed: herd.seed, chance: Chance::new(herd.seed), index, cod_cliente: cod_cliente(index) }
    }

    /// The chance of what happens to one pen's reading of a day on its way.
    pub(super) fn delivery_chance(&self, pen: u32, unix_day: u32) -> Chance {
        self.chance.with(b'f').with(self.index).with(pen).with(unix_day)
    }

    /// The reading of one pen for a day, if the pen has a lot to report: `unix_day` and `data` name the same day.
    pub(super) fn reading(&self, pen: u32, unix_day: u32, data: NaiveDate) -> Option<Reading<'_>> {
        let calendar = Pen::new(self.chance, self.index, pen);
        let stay = calendar.reported(unix_day)?;
        let lot = Lot::new(self.chance, &calendar, stay);
        Some(Reading {
            id_curral: pen_id(self.seed, self.index, pen),
            id_raca: lot.raca,
            id_lote: lot_id(self.seed, self.index, pen, stay.sequence),
            peso_entrada_g: lot.peso_entrada_g(),
            peso_medio_g: lot.peso_medio_g(),
            data,
            quantidade_animais: lot.quantidade_animais(),
            dia_confinamento: stay.day,
            consumo_real_mg: lot.consumo_real_mg(),
            cod_cliente: &self.cod_cliente,
        })
    }
}
