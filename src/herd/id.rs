//! The id of a generated reading. Equals that of [`pipeline::record`], but is computed from whole grams and milligrams
//! at a tenth of the cost.

use chrono::NaiveDate;
use uuid::Uuid;

use super::Reading;
use super::format_digits::{push_date, push_decimal, push_whole};
use pipeline::record::id_of_canonical;

impl Reading<'_> {
    /// Returns the id that the intake gives this reading.
    pub fn id(&self) -> Uuid {
        self.id_in(&mut Vec::with_capacity(192))
    }

    /// Like [`Reading::id`], with a reusable buffer.
    pub(super) fn id_in(&self, canonical: &mut Vec<u8>) -> Uuid {
        canonical.clear();
        self.write_canonical(canonical);
        let days = self.data.signed_duration_since(NaiveDate::default()).num_days();
        id_of_canonical(canonical, days * 86_400_000)
    }

    /// Writes the canonical form of `docs/ids.md`. Decimals of up to six places are printed in their shortest form
    /// already.
    fn write_canonical(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"[\"");
        push_whole(out, self.id_curral);
        out.extend_from_slice(b"\",\"");
        out.extend_from_slice(self.id_raca.id().as_bytes());
        out.extend_from_slice(b"\",\"");
        push_whole(out, self.id_lote);
        out.extend_from_slice(b"\",");
        push_decimal::<3>(out, self.peso_entrada_g);
        out.push(b',');
        push_decimal::<3>(out, self.peso_medio_g);
        out.extend_from_slice(b",\"");
        push_date(out, self.data);
        out.extend_from_slice(b"T00:00:00Z\",");
        push_whole(out, u64::from(self.quantidade_animais));
        out.push(b',');
        push_whole(out, u64::from(self.dia_confinamento));
        out.push(b',');
        push_decimal::<6>(out, self.consumo_real_mg);
        out.extend_from_slice(b",\"");
        out.extend_from_slice(self.cod_cliente.as_bytes());
        out.extend_from_slice(b"\"]");
    }
}
