//! Business rules that the intake applies.

/// Settings of the business rules.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Target intake as a fraction of live weight, in kg of feed per kg of animal and day.
    pub meta_rate: f64,
}

impl Rules {
    /// Default target: 1.76 % of live weight. One source document states 1.81 %, so the rate is
    /// configurable.
    pub const DEFAULT_META_RATE: f64 = 0.0176;

    /// Parses a target rate, such as `0.0181`.
    ///
    /// # Errors
    /// Returns an error if the text is not a number strictly between 0 and 1.
    pub fn from_share(text: &str) -> Result<Self, String> {
        match text.trim().parse::<f64>() {
            Ok(meta_rate) if meta_rate > 0.0 && meta_rate < 1.0 => Ok(Self { meta_rate }),
            _ => Err(format!("{text:?} is not a fraction between 0 and 1, such as 0.0176")),
        }
    }

    /// Returns `consumo_meta`: the target intake for a mean weight in kg, in kg per animal and day, unrounded.
    pub fn consumo_meta(self, peso_medio: f64) -> f64 {
        peso_medio * self.meta_rate
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self { meta_rate: Self::DEFAULT_META_RATE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_rate_is_strictly_between_0_and_1() {
        assert_eq!(Rules::from_share(" 0.0181 "), Ok(Rules { meta_rate: 0.0181 }));
        for text in ["0", "1", "-0.1", "1.76", "NaN", "inf", "1.76 %", ""] {
            assert!(Rules::from_share(text).unwrap_err().contains("fraction between 0 and 1"), "{text}");
        }
    }
}
