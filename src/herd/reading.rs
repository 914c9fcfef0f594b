//! One day of one lot as the farm records it: the values. `encode` formats them, `fault_rates` chooses faults.
//!
//! Weights and intake are whole grams and milligrams, so that formatting and comparing need no floating point.

use chrono::NaiveDate;

use super::feeding::Feeding;
use super::lot::Lot;
use super::names::{IdAllocator, cod_cliente};
use super::pens::Pens;
use super::raca::Raca;
use super::random::KeyedRng;
use super::{Herd, pen_moves, weather};

/// One reading of the history: the ten fields, in units that print exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading<'a> {
    /// The pen: 14 digits.
    pub id_curral: u64,
    /// The breed.
    pub id_raca: Raca,
    /// The lot: 14 digits.
    pub id_lote: u64,
    /// Mean weight at entry, in grams per animal.
    pub peso_entrada_g: i32,
    /// Mean weight on the day, in grams per animal.
    pub peso_medio_g: i32,
    /// The day of the intake; printed as its midnight in UTC.
    pub data: NaiveDate,
    /// Animals in the lot.
    pub quantidade_animais: u32,
    /// Days on feed.
    pub dia_confinamento: u32,
    /// Intake in milligrams per animal and day.
    pub consumo_real_mg: i32,
    /// The farm.
    pub cod_cliente: &'a str,
}

/// A farm: its name, its pens, and the random keys of its readings.
#[derive(Debug, Clone)]
pub(super) struct Farm {
    cod_cliente: String,
    pens: Pens,
    ids: IdAllocator,
    /// Random keys of delivery, of what all lots share on a day, and of moves between pens.
    delivery: KeyedRng,
    days: KeyedRng,
    moves: KeyedRng,
}

/// A day on a farm, with what its lots share: weather and feeding.
#[derive(Debug, Clone, Copy)]
pub(super) struct FarmDay<'a> {
    farm: &'a Farm,
    unix_day: u32,
    data: NaiveDate,
    /// Factor that weather applies to intake.
    weather: f64,
    feeding: Feeding,
}

impl Farm {
    pub(super) fn new(herd: &Herd, index: u32) -> Self {
        let rng = KeyedRng::new(herd.seed);
        let days = rng.with(b'd').with(index);
        Self {
            cod_cliente: cod_cliente(index),
            pens: Pens::new(rng, index),
            ids: IdAllocator::new(rng, index),
            delivery: rng.with(b'f').with(index),
            days,
            moves: days.with(b't'),
        }
    }

    /// Returns the random key of the delivery of one pen's reading of a day.
    #[inline]
    pub(super) fn delivery_chance(&self, pen: u32, unix_day: u32) -> KeyedRng {
        self.delivery.with(pen).with(unix_day)
    }

    /// Returns a day on the farm; `unix_day` and `data` must be the same day.
    pub(super) fn day(&self, unix_day: u32, data: NaiveDate) -> FarmDay<'_> {
        let weather = weather::share(self.days, unix_day, data);
        FarmDay { farm: self, unix_day, data, weather, feeding: Feeding::new(self.days, unix_day, data) }
    }
}

impl<'a> FarmDay<'a> {
    /// Returns the reading of one pen; `None` if it has no lot to report.
    pub(super) fn reading(&self, pen: u32) -> Option<Reading<'a>> {
        let farm = self.farm;
        let calendar_of = pen_moves::calendar_of(farm.moves, pen, self.unix_day);
        let calendar = farm.pens.pen(calendar_of);
        let stay = calendar.reported(self.unix_day)?;
        let lot = Lot::new(&calendar, stay);
        let health = lot.health();
        Some(Reading {
            id_curral: farm.ids.pen(pen),
            id_raca: lot.raca,
            id_lote: farm.ids.lot(calendar_of, stay.sequence),
            peso_entrada_g: lot.peso_entrada_g(),
            peso_medio_g: lot.peso_medio_g(),
            data: self.data,
            quantidade_animais: lot.quantidade_animais(&health),
            dia_confinamento: stay.day,
            consumo_real_mg: lot.consumo_real_mg(&health, self.weather, &self.feeding),
            cod_cliente: &farm.cod_cliente,
        })
    }
}
