//! The breed of a lot.

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
