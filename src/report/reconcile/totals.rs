//! Control totals: what auditors add up on both sides.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::record::Column;
use crate::record::stored::{Row, Value};

/// Count, sum, smallest and largest value of a numeric column on one side.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Total {
    /// Values.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Default for Total {
    fn default() -> Self {
        Self { count: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Total {
    fn add(&mut self, value: &Value) {
        let value = match value {
            Value::Single(value) => f64::from(*value),
            Value::Double(value) => *value,
            #[allow(clippy::cast_precision_loss, reason = "counts of head and days")]
            Value::Integer(value) => *value as f64,
            Value::Null | Value::Text(_) | Value::Instant(_) => return,
        };
        self.count += 1;
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }
}

/// Control totals of the numeric columns: [lake, warehouse] by column.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub struct Totals(pub BTreeMap<&'static str, [Total; 2]>);

impl Totals {
    /// The columns that are added up.
    pub const COLUMNS: [Column; 6] = [
        Column::PesoEntrada,
        Column::PesoMedio,
        Column::QuantidadeAnimais,
        Column::DiaConfinamento,
        Column::ConsumoReal,
        Column::ConsumoMeta,
    ];

    /// Adds a record of the lake, as the row it should be.
    pub fn lake(&mut self, row: &Row) {
        self.add(0, row);
    }

    /// Adds a row of the warehouse.
    pub fn warehouse(&mut self, row: &Row) {
        self.add(1, row);
    }

    fn add(&mut self, side: usize, row: &Row) {
        for column in Self::COLUMNS {
            self.0.entry(column.name()).or_default()[side].add(row.get(column));
        }
    }
}
