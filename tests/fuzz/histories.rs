//! History files as farms deliver them: any dialect, encoding and container.

use std::io::Cursor;
use std::path::Path;

use pipeline::record::{DateOrder, Reading, Rules};
use ruminate::herd::{COLUMNS, LineFormat};
use ruminate::history::{Encoding, InputFile, InputSettings};

use crate::corpus::{self, Chunks, compressed, processed};
use crate::engine::{Target, Verdict, check_reason, ensure, same};

/// Number of first bytes that choose name and settings, and the sizes of the chunks.
const HEADER: usize = 2;

/// Settings that the first byte chooses.
fn settings(choice: u8) -> InputSettings {
    let encoding = [None, None, None, Some(Encoding::Utf8), Some(Encoding::Windows1252), Some(Encoding::Utf16Le)];
    let dates = [None, None, Some(DateOrder::DayFirst), Some(DateOrder::MonthFirst)];
    InputSettings {
        format: [None, None, None, Some(LineFormat::Csv)][usize::from(choice >> 6)],
        encoding: encoding[usize::from(choice % 6)],
        date_order: dates[usize::from(choice >> 4 & 3)],
        ..InputSettings::default()
    }
}

/// Rows in a dialect: a delimiter, and the ends of lines.
fn rows(delimiter: &str, end: &str, decimal: &str, quote: &str) -> String {
    let header = COLUMNS.join(delimiter);
    let row = |pen: u32| {
        let cells = ["2", "3", "450.5", "451", "2023-01-01 00:00:00 UTC", "51", "66", "9.25"];
        let cells = cells.map(|cell| if cell.contains('-') { cell.to_owned() } else { cell.replace('.', decimal) });
        format!("{pen}{delimiter}{}{delimiter}{quote}Fazenda São João{quote}", cells.join(delimiter))
    };
    [header, row(1), row(2), String::new(), row(3)].join(end)
}

fn utf16(text: &str) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A dead letter and an envelope, which contain messages.
const LETTERS: &str = concat!(
    r#"{"message":"{\"id_curral\":\"1\"}","code":"c","reason":"r","file":"f","line":7,"attempts":1}"#,
    "\n",
    r#"{"Type":"Notification","TopicArn":"t","Message":"{\"id_curral\":\"1\"}"}"#,
    "\n"
);

fn corpus() -> Vec<Vec<u8>> {
    let messages = corpus::messages();
    let lines = messages[..6].join(&b"\n"[..]);
    let text = String::from_utf8(lines.clone()).unwrap();
    let pretty: serde_json::Value = serde_json::from_slice(&messages[0]).unwrap();
    let csv = rows(",", "\n", ".", "\"");
    let dates = csv.replace("2023-01-01 00:00:00 UTC", "31/12/2023 06:30");
    let mixed = format!("{text}\n{csv}\n{text}");
    let quoted = csv.replace("São João", "São\nJoão, \"\"Um\"\"");
    let contents: Vec<(u8, Vec<u8>)> = vec![
        (0, lines),
        (0, text.replace('\n', "\r\n").into_bytes()),
        (0, text.replace('\n', ",").into_bytes()),
        (0, format!("[{}]", text.replace('\n', ",")).into_bytes()),
        (0, serde_json::to_vec_pretty(&[&pretty, &pretty]).unwrap()),
        (0, format!("\u{1e}{}", text.replace('\n', "\n\u{1e}")).into_bytes()),
        (0, LETTERS.as_bytes().to_vec()),
        (0, mixed.into_bytes()),
        (0xc0, csv.clone().into_bytes()),
        (0xc0, rows(";", "\r\n", ",", "").into_bytes()),
        (0xc0, rows("\t", "\r", ".", "").into_bytes()),
        (0xc0, rows("|", "\n", ",", "\"").into_bytes()),
        (0xc0, format!("sep=;\r\n{}", rows(";", "\r\n", ",", "")).into_bytes()),
        (0xc0, quoted.into_bytes()),
        (0xe0, dates.into_bytes()),
        (0xc4, encoding_rs::WINDOWS_1252.encode(&csv).0.into_owned()),
        (0xc0, utf16(&csv)),
        (5, utf16(&text)),
        (0xc0, csv.lines().skip(1).collect::<Vec<_>>().join("\n").into_bytes()),
    ];
    contents.into_iter().map(|(choice, content)| [&[choice, 7][..], &content].concat()).collect()
}

const WORDS: &[&str] = &[
    "id_curral;id_raca;id_lote;peso_entrada;peso_medio;data;quantidade_animais;dia_confinamento;consumo_real;cod_cliente\n",
    "\n\"",
    "\"\n",
    "\",\"",
    "\r",
    "\u{1a}",
    "\u{1e}",
    "sep=,\n",
    "}{",
    "[{",
    "},\n{",
    "{\"message\":\"",
    "\"TopicArn\"",
    "\u{feff}",
];

fn seal(bytes: Vec<u8>, rng: &mut fastrand::Rng) -> Vec<u8> {
    let header = HEADER.min(bytes.len());
    let content = match rng.u8(..20) {
        0 => utf16(&String::from_utf8_lossy(&bytes[header..])),
        // Longer than the first bytes, by which the dialect is detected.
        1 => bytes[header..].repeat(1 + 200_000 / bytes.len().max(1)),
        _ => bytes[header..].to_vec(),
    };
    [&bytes[..header], &compressed(content, rng)].concat()
}

#[test]
fn a_history_is_the_same_messages_in_chunks_of_any_size() {
    let name = "histories::a_history_is_the_same_messages_in_chunks_of_any_size";
    Target { words: WORDS, header: HEADER, seal, ..Target::new(name, 3_500, corpus()) }.run(history);
}

/// Messages with their lines, and the error at their end.
type Read = (Vec<(u64, Vec<u8>)>, Option<String>);

fn read(content: &[u8], chunk: usize, name: &str, settings: InputSettings) -> Result<Read, String> {
    let input = Chunks(Cursor::new(content.to_vec()), chunk);
    let mut file = match InputFile::from_reader(Path::new(name), input, settings) {
        Ok(file) => file,
        Err(e) => return Ok((Vec::new(), Some(e.to_string()))),
    };
    let (mut messages, mut error) = (Vec::new(), None);
    for message in &mut file {
        ensure(error.is_none(), || "messages follow an error".into())?;
        match message {
            Ok(message) => messages.push((message.line, message.body.to_vec())),
            Err(e) => error = Some(e.to_string()),
        }
    }
    let report = file.into_report(error.is_none());
    same("the number of messages", &report.messages, &(messages.len() as u64))?;
    if messages.is_empty() && error.is_none() {
        error = Some(report.rejected.ok_or("a file without readings has no reason")?);
    }
    Ok((messages, error))
}

fn history(bytes: &[u8]) -> Verdict {
    let [choice, chunk, content @ ..] = bytes else { return Ok(false) };
    let settings = settings(*choice);
    let name = if choice & 8 == 0 { "x.json" } else { "x.csv" };
    let (messages, error) = read(content, usize::MAX, name, settings)?;
    let chunks = if content.len() > 50_000 { 1_000 } else { usize::from(*chunk) % 64 + 1 };
    let chunked = read(content, chunks, name, settings)?;
    if error.as_deref().is_some_and(|why| why.contains("it cannot be read on")) {
        // Damaged compressed data: its damage is found earlier if more is decompressed at once.
        ensure(chunked.1.is_some() && chunked.0.starts_with(&messages), || {
            "the messages before the damage differ".into()
        })?;
    } else {
        same(&format!("in chunks of {chunks} bytes"), &chunked, &(messages.clone(), error.clone()))?;
    }
    error.as_deref().map_or(Ok(()), check_reason)?;
    let mut readings = Vec::new();
    for (line, body) in &messages {
        ensure(*line > 0, || "a message has no line".into())?;
        readings.extend(Reading::parse(body));
    }
    written_again(&readings)?;
    Ok(!readings.is_empty())
}

/// Checks that readings that are written as lines are read back.
fn written_again(readings: &[Reading]) -> Result<(), String> {
    if readings.is_empty() {
        return Ok(());
    }
    let object = |reading: &Reading| {
        let record = pipeline::record::Record::from_reading(reading.clone(), Rules::default(), processed());
        record.object_from_values()
    };
    let lines = readings.iter().map(object).collect::<Vec<_>>().join(&b"\n"[..]);
    let (messages, error) = read(&lines, usize::MAX, "x.json", InputSettings::default())?;
    same("the error of written readings", &error, &None)?;
    let found = messages.iter().map(|(_, body)| Reading::parse(body)).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|e| format!("a written reading is rejected: {e}"))?;
    same("written and read again", &found.as_slice(), &readings)
}
