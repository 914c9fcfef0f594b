//! A valid reading that is too long for a topic.

use super::Reading;
use super::encode::LineFormat;
use pipeline::record::MAX_MESSAGE_BYTES;

/// The field that makes it too long.
const REMARK: &str = "observacao";

impl Reading<'_> {
    /// Appends the reading with a remark that makes its message exactly as long as the intake accepts. With the
    /// attribute for the farm, it is too long for a topic. In a CSV file it is a JSON line too, because a row has no column
    /// for a remark.
    pub(super) fn write_oversized(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        self.write(LineFormat::Ndjson, out);
        out.truncate(out.len() - "}\n".len());
        out.extend_from_slice(format!(",\"{REMARK}\":\"").as_bytes());
        let end = begin + MAX_MESSAGE_BYTES - "\"}".len();
        out.resize(end, b'x');
        out.extend_from_slice(b"\"}\n");
    }
}
