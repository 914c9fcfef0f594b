//! The breed of a lot.

/// The two breeds of the real files (docs/herd.md). Which id is which breed is unknown: the names are an assumption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Raca {
    /// `9000001`, 63 % of real lots, assumed to be Nellore.
    Nelore,
    /// `28551700000020`, 37 % of real lots, assumed to be Zebu crosses.
    Cruzado,
}

impl Raca {
    /// Returns the id used in readings.
    pub fn id(self) -> &'static str {
        match self {
            Self::Nelore => "9000001",
            Self::Cruzado => "28551700000020",
        }
    }
}
