//! A valid reading that is too long for a topic.

use super::encode::LineFormat;
use super::{Reading, line_message};
use pipeline::record::MAX_MESSAGE_BYTES;

/// The field that makes it too long.
const REMARK: &str = "observacao";

impl Reading<'_> {
    /// Appends the reading with a remark, or in CSV with spaces after its last text, that make its message exactly as long
    /// as the intake accepts. With the attribute for the farm, it is too long for a topic. A CSV row has that length after
    /// its conversion to a message.
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
                // A row has no place for a remark; spaces around a text are not part of it.
                out.resize(out.len() + MAX_MESSAGE_BYTES - message, b' ');
                out.push(b'\n');
            }
        }
    }
}
