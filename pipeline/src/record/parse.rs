//! Parses messages: JSON objects with the fields of a reading.

use uuid::Uuid;

use super::json::{Fields, MAX_MESSAGE_BYTES, Origin};
use super::{Reading, Rejection, reading_id};
use crate::printable;

/// Maximum length of an invalid id quoted in a rejection, in characters.
const MAX_ID_CHARS: usize = 60;

impl Reading {
    /// Parses a message: a JSON object with the fields of a reading in any accepted form. Other fields are ignored, except for an
    /// `id_treated_data`, which must be the id of the reading.
    ///
    /// # Errors
    /// Returns an error if the message is not a valid reading, or states another id than its own.
    pub fn parse(message: &[u8]) -> Result<Self, Rejection> {
        let mut fields = Fields::parse(message, MAX_MESSAGE_BYTES, Origin::Message)?;
        let reading = Self::read(&mut fields)?;
        match fields.stated_id() {
            Some(stated) => reading.check_stated(stated),
            None => Ok(reading),
        }
    }

    /// Compares the id in a message with that of its values. A copy of a record is then stored once.
    fn check_stated(self, stated: String) -> Result<Self, Rejection> {
        let computed = reading_id(&self);
        if Uuid::try_parse(&stated).is_ok_and(|stated| stated == computed) {
            return Ok(self);
        }
        let stated = printable::line(&stated).chars().take(MAX_ID_CHARS).collect();
        Err(Rejection::OtherId { stated, computed: computed.to_string() })
    }
}
