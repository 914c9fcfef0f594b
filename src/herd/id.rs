//! The id of a reading of a herd, as [`pipeline::record`] makes it, from whole grams and milligrams at a tenth of the cost.

use chrono::NaiveDate;
use uuid::Uuid;

use super::Reading;
use super::format_digits::{push_date, push_decimal, push_whole};
use pipeline::record::id_of_canonical;

impl Reading<'_> {
    /// The id that the intake gives this reading.
    pub fn id(&self) -> Uuid {
        self.id_in(&mut Vec::with_capacity(192))
    }

    /// As [`Reading::id`], with a buffer that is used again.
    pub(super) fn id_in(&self, canonical: &mut Vec<u8>) -> Uuid {
        canonical.clear();
        self.write_canonical(canonical);
        let days = self.data.signed_duration_since(NaiveDate::default()).num_days();
        id_of_canonical(canonical, days * 86_400_000)
    }

    /// The canonical form of `docs/ids.md`: decimals of up to six places are shortest as they are printed.
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
