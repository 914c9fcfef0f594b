//! A valid reading that is too long for a topic.

use super::encode::LineFormat;
use super::{Reading, line_message};
use pipeline::record::MAX_MESSAGE_BYTES;

/// The field that makes it too long.
const REMARK: &str = "observacao";

impl Reading<'_> {
    /// Appends the reading with a remark that makes its message exactly as long as the intake accepts. With the
    /// attribute for the farm, it is too long for a topic. A CSV row has that length after its conversion to a message.
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
