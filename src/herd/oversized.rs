//! A reading that is too long for a topic, and valid otherwise.

use super::encode::LineFormat;
use super::{Reading, line_message};
use pipeline::record::MAX_MESSAGE_BYTES;

/// The field that makes it so long.
const REMARK: &str = "observacao";

impl Reading<'_> {
    /// The reading with a remark, so long that the message has just the bytes that the intake takes: with the attribute
    /// that names the farm it has too many for a topic. A CSV row becomes that message once its names are put to it.
    pub(super) fn write_oversized(&self, format: LineFormat, out: &mut Vec<u8>) {
        let begin = out.len();
        self.write(format, out);
        match format {
            LineFormat::Ndjson => {
                out.truncate(out.len() - "}\n".len());
                out.extend_from_slice(format!(",\"{REMARK}\":\"").as_bytes());
                let end = begin + MAX_MESSAGE_BYTES - "\"}".len();
                out.resize(end, b'x');
                out.extend_from_slice(b"\"}\n");
            }
            LineFormat::Csv => {
                out.truncate(out.len() - "\n".len());
                let message = line_message::of_row(&out[begin..]).len();
                let more = MAX_MESSAGE_BYTES - message - r#","column_11":"""#.len();
                out.push(b',');
                out.resize(out.len() + more, b'x');
                out.push(b'\n');
            }
        }
    }
}
