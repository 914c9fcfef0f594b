//! One day of one lot, as the farm knows it. Owns the values; leaves their bytes to `print` and what goes wrong with
//! them to `faults`.
//!
//! Weights and intake are whole grams and milligrams, so that printing and comparing need no floating point.

use chrono::NaiveDate;

use super::chance::Chance;
use super::lot::Lot;
use super::mill::Feeding;
use super::names::{cod_cliente, lot_id, pen_id};
use super::pens::Pen;
use super::{Herd, moves, weather};

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
    herd: Chance,
    index: u32,
    cod_cliente: String,
}

/// A day on a farm, and what its lots have in common on it: weather and feeding.
#[derive(Debug, Clone, Copy)]
pub(super) struct FarmDay<'a> {
    farm: &'a Farm,
    /// Chance of what all lots of the farm share.
    common: Chance,
    unix_day: u32,
    data: NaiveDate,
    /// What the weather leaves of intake, as a share.
    weather: f64,
    feeding: Feeding,
}

impl Farm {
    pub(super) fn new(herd: &Herd, index: u32) -> Self {
        Self { seed: herd.seed, herd: Chance::new(herd.seed), index, cod_cliente: cod_cliente(index) }
    }

    /// The chance of what happens to one pen's reading of a day on its way.
    pub(super) fn delivery_chance(&self, pen: u32, unix_day: u32) -> Chance {
        self.herd.with(b'f').with(self.index).with(pen).with(unix_day)
    }

    /// A day on the farm: `unix_day` and `data` name the same one.
    pub(super) fn day(&self, unix_day: u32, data: NaiveDate) -> FarmDay<'_> {
        let common = self.herd.with(b'd').with(self.index);
        let weather = weather::share(common, unix_day, data);
        FarmDay { farm: self, common, unix_day, data, weather, feeding: Feeding::new(common, unix_day, data) }
    }
}

impl<'a> FarmDay<'a> {
    /// The reading of one pen, if it has a lot to report.
    pub(super) fn reading(&self, pen: u32) -> Option<Reading<'a>> {
        let Farm { seed, herd, index, .. } = *self.farm;
        let calendar_of = moves::calendar_of(self.common, pen, self.unix_day);
        let calendar = Pen::new(herd, index, calendar_of);
        let stay = calendar.reported(self.unix_day)?;
        let lot = Lot::new(herd, &calendar, stay);
        let health = lot.health();
        Some(Reading {
            id_curral: pen_id(seed, index, pen),
            id_raca: lot.raca,
            id_lote: lot_id(seed, index, calendar_of, stay.sequence),
            peso_entrada_g: lot.peso_entrada_g(),
            peso_medio_g: lot.peso_medio_g(),
            data: self.data,
            quantidade_animais: lot.quantidade_animais(&health),
            dia_confinamento: stay.day,
            consumo_real_mg: lot.consumo_real_mg(&health, self.weather, &self.feeding),
            cod_cliente: &self.farm.cod_cliente,
        })
    }
}
