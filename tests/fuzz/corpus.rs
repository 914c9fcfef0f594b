//! Valid inputs: those of `samples/`, and what the program writes.

use chrono::{DateTime, Utc};
use pipeline::record::{Reading, Record, Rules};

/// Returns a file of the samples.
pub fn sample(name: &str) -> Vec<u8> {
    std::fs::read(testkit::samples::samples().join(name)).unwrap()
}

/// Returns the messages of the samples, and forms that farms and older programs have sent.
pub fn messages() -> Vec<Vec<u8>> {
    let real = testkit::real_readings().into_iter().step_by(9).map(String::into_bytes);
    real.chain(
        sample("readings.ndjson").split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec),
    )
    .chain(FORMS.iter().map(|form| form.as_bytes().to_vec()))
    .collect()
}

const FORMS: [&str; 4] = [
    r#"{"id_curral":1,"id_raca":"9000001.0","id_lote":"'3","peso_entrada":450,"peso_medio":"450.50","data":"2023-01-01T03:00:00.123456-03:00","quantidade_animais":51,"dia_confinamento":66.0,"consumo_real":"9e0","cod_cliente":" Fazenda São João, \"Um\" "}"#,
    r#"{"cod_cliente":"Água & Sítio №1","consumo_real":0,"dia_confinamento":"0","quantidade_animais":"2147483647","data":"1970-01-01 00:00:00 UTC","peso_medio":1e-7,"peso_entrada":3.4028234e38,"id_lote":"lote-3/b","id_raca":"nelore","id_curral":"0001","nota":{"a":[1,2.50,null,true,"\ud83d\udc02"]},"big":123456789012345678901234567890}"#,
    "\u{feff}{\"id_curral\":\"1\",\"id_raca\":\"2\",\"id_lote\":\"3\",\"peso_entrada\":1,\"peso_medio\":2,\"data\":\"9999-12-31 23:59:59.999999 UTC\",\"quantidade_animais\":\"1\",\"dia_confinamento\":\"2\",\"consumo_real\":3,\"cod_cliente\":\"Fazenda Sul\"}",
    r#"{"id_curral":"1","id_raca":"2","id_lote":"3","peso_entrada":450,"peso_medio":450,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.0,"cod_cliente":"FazendaUm","id_treated_data":"","row_ts":null,"consumo_meta":"x","repaired_id":1}"#,
];

/// Returns the time at which the records of these inputs were processed.
pub fn processed() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap()
}

/// Returns the record of a message.
pub fn record(message: &[u8]) -> Record {
    Record::from_reading(Reading::parse(message).unwrap(), Rules::default(), processed())
}

/// Returns lake objects: of this program, of the legacy Lambda, and repaired ones.
pub fn objects() -> Vec<Vec<u8>> {
    let mut objects: Vec<Vec<u8>> = messages().iter().map(|message| record(message).object(message).unwrap()).collect();
    objects.push(LEGACY.as_bytes().to_vec());
    let mut repaired = record(FORMS[0].as_bytes());
    repaired.reading.peso_medio += 0.5;
    repaired.mark_repaired();
    objects.push(repaired.object_from_values());
    objects
}

const LEGACY: &str = r#"{"id_curral":"25994051003275","id_raca":"28551700000020","id_lote":"73578741015010","peso_entrada":234.941,"peso_medio":360.341,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.076451,"cod_cliente":"FazendaDois","consumo_meta":6.342001600000001,"id_treated_data":"0f1f4d5c-4a7e-4b0c-9d62-8c7d70e6f6ab","row_ts":"2026-11-22T18:49:03.454063"}"#;

/// Words of messages, objects and files of them.
pub const FIELDS: &[&str] = &[
    "\"id_curral\":\"1\",",
    "\"id_raca\":",
    "\"id_lote\":null,",
    "\"peso_entrada\":",
    "\"peso_medio\":\"450,5\",",
    "\"data\":",
    "\"quantidade_animais\":",
    "\"dia_confinamento\":",
    "\"consumo_real\":",
    "\"cod_cliente\":",
    "\"consumo_meta\":1,",
    "\"id_treated_data\":\"01856aa0-c800-883a-837a-29fe66bbec99\",",
    "\"row_ts\":\"2026-11-22T18:49:03\",",
    "\"repaired_id\":\"x\",",
    "\u{feff}",
    "\u{feff}\u{feff}",
    "{\"Records\":[",
    "\\u00e3",
];

/// Compresses one in three inputs with gzip or zstd, and damages some of these.
pub fn compressed(bytes: Vec<u8>, rng: &mut fastrand::Rng) -> Vec<u8> {
    use ruminate::compression::CompressionFormat::{Gzip, Zstd};
    let format = match rng.u8(..6) {
        0 => Gzip,
        1 => Zstd,
        _ => return bytes,
    };
    let mut compressed = Vec::new();
    let half = rng.usize(..=bytes.len());
    format.compress(&bytes[..half], &mut compressed).unwrap();
    format.compress(&bytes[half..], &mut compressed).unwrap();
    match rng.u8(..8) {
        0 => compressed.truncate(rng.usize(..=compressed.len())),
        1 => {
            let at = rng.usize(..compressed.len());
            compressed[at] ^= 1 << rng.u8(..8);
        }
        2 => compressed.extend_from_slice(b"\0\0\0\0"),
        3 => compressed.extend_from_slice(b"x\n"),
        4 => drop(compressed.splice(0..0, *b"\x50\x2a\x4d\x18\x04\0\0\0\0\0\0\0")),
        _ => {}
    }
    compressed
}

/// A reader that returns at most this number of bytes at a time.
pub struct Chunks<R>(pub R, pub usize);

impl<R: std::io::Read> std::io::Read for Chunks<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let most = out.len().min(self.1.max(1));
        self.0.read(&mut out[..most])
    }
}
