//! The thirteen columns of `historico_consumo`, by name and order. What a column can hold is in `stored`.

use std::fmt;

/// A column of the warehouse table, which is also the name of a field in the lake's JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the variants are the column names; DESIGN §2 gives their meaning")]
pub enum Column {
    IdTreatedData,
    IdCurral,
    IdRaca,
    IdLote,
    PesoEntrada,
    PesoMedio,
    QuantidadeAnimais,
    DiaConfinamento,
    ConsumoReal,
    ConsumoMeta,
    Data,
    CodCliente,
    RowTs,
}

impl Column {
    /// All columns in the order of the table.
    pub const ALL: [Self; 13] = [
        Self::IdTreatedData,
        Self::IdCurral,
        Self::IdRaca,
        Self::IdLote,
        Self::PesoEntrada,
        Self::PesoMedio,
        Self::QuantidadeAnimais,
        Self::DiaConfinamento,
        Self::ConsumoReal,
        Self::ConsumoMeta,
        Self::Data,
        Self::CodCliente,
        Self::RowTs,
    ];

    /// The fields of a reading, in the order in which farms send them and in which the id is computed.
    pub const READING: [Self; 10] = [
        Self::IdCurral,
        Self::IdRaca,
        Self::IdLote,
        Self::PesoEntrada,
        Self::PesoMedio,
        Self::Data,
        Self::QuantidadeAnimais,
        Self::DiaConfinamento,
        Self::ConsumoReal,
        Self::CodCliente,
    ];

    /// The fields that treatment adds; a message that brings them along loses them to the treated values.
    pub const TREATED: [Self; 3] = [Self::ConsumoMeta, Self::IdTreatedData, Self::RowTs];

    /// The column's name in SQL and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IdTreatedData => "id_treated_data",
            Self::IdCurral => "id_curral",
            Self::IdRaca => "id_raca",
            Self::IdLote => "id_lote",
            Self::PesoEntrada => "peso_entrada",
            Self::PesoMedio => "peso_medio",
            Self::QuantidadeAnimais => "quantidade_animais",
            Self::DiaConfinamento => "dia_confinamento",
            Self::ConsumoReal => "consumo_real",
            Self::ConsumoMeta => "consumo_meta",
            Self::Data => "data",
            Self::CodCliente => "cod_cliente",
            Self::RowTs => "row_ts",
        }
    }

    /// The column of that name, if it is one of ours.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name() == name)
    }

    /// The column's place in the table, 0 to 12.
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
