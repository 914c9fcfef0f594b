//! The business rules that treatment applies.

/// The settings of treatment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Target intake as a share of live weight, kg of feed per kg of animal and day.
    pub meta_rate: f64,
}

impl Rules {
    /// 1.76 % of live weight (DESIGN §2; one source text speaks of 1.81 %, which is why it is a setting).
    pub const DEFAULT_META_RATE: f64 = 0.0176;

    /// Rules with the target that a text gives, such as `0.0181`.
    ///
    /// # Errors
    /// It is no share between 0 and 1.
    pub fn from_share(text: &str) -> Result<Self, String> {
        match text.trim().parse::<f64>() {
            Ok(meta_rate) if meta_rate > 0.0 && meta_rate < 1.0 => Ok(Self { meta_rate }),
            _ => Err(format!("{text:?} is no share between 0 and 1, such as 0.0176")),
        }
    }

    /// `consumo_meta`: the targeted intake for a mean weight in kg, in kg per animal and day, unrounded.
    pub fn consumo_meta(self, peso_medio: f64) -> f64 {
        peso_medio * self.meta_rate
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self { meta_rate: Self::DEFAULT_META_RATE }
    }
}
