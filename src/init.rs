//! The warehouse's schema: created if it is missing; an existing column is never altered. [`pipeline::warehouse`] defines it.

use serde::{Deserialize, Serialize};

use crate::outcome::Exit;
use pipeline::warehouse::Warehouse;

/// Result of `init`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// The warehouse's address.
    pub warehouse: String,
    /// What was created.
    pub created: Vec<String>,
}

impl crate::outcome::CommandOutcome for Outcome {
    fn exit(&self) -> Exit {
        Exit::Clean
    }
}

/// Creates what is missing.
///
/// # Errors
/// Returns an error if the warehouse cannot be reached, or if a table that exists cannot hold records.
pub async fn run(warehouse: &dyn Warehouse) -> anyhow::Result<Outcome> {
    warehouse.check_writable().await?;
    let created = warehouse.init().await?;
    warehouse.table_schema().await?; // an older table that cannot hold records is named now, not in the middle of a load
    Ok(Outcome { warehouse: warehouse.address(), created })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::read_back;

    #[test]
    fn an_outcome_comes_back_from_its_json() {
        let outcome = Outcome { warehouse: "sqlite:w.db".into(), created: vec!["table t".into()] };
        let json = serde_json::to_vec(&outcome).unwrap();
        let back: Outcome = read_back(&json).unwrap();
        assert_eq!((serde_json::to_vec(&back).unwrap(), back.to_string()), (json, outcome.to_string()));
    }
}
