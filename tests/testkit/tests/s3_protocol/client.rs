//! A minimal S3 client: SigV4 by header, one connection per request, no retries. An SDK would hide what these tests
//! check: resets, truncated bodies and headers.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::SystemTime;

use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};
use testkit::s3::{ACCESS_KEY, REGION, S3Server, SECRET_KEY};

const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// Credentials and endpoint.
#[derive(Debug, Clone)]
pub struct Client {
    pub host: String,
    pub access_key: &'static str,
    pub secret_key: &'static str,
    pub region: &'static str,
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Answer {
    /// Returns the text of every element with a name.
    pub fn all(&self, element: &str) -> Vec<&str> {
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        self.body.split(&open).skip(1).filter_map(|rest| rest.split(&close).next()).collect()
    }

    /// Returns the text of the first element with a name.
    pub fn one(&self, element: &str) -> &str {
        self.all(element).first().copied().unwrap_or_default()
    }

    /// Returns status and S3 error code.
    pub fn error(&self) -> (u16, &str) {
        (self.status, self.one("Code"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

impl Client {
    pub fn of(server: &S3Server) -> Self {
        let host = server.endpoint().replace("http://", "");
        Client { host, access_key: ACCESS_KEY, secret_key: SECRET_KEY, region: REGION }
    }

    pub fn get(&self, path: &str) -> io::Result<Answer> {
        self.send("GET", path, &[], &[], "")
    }

    pub fn put(&self, path: &str, body: &str) -> io::Result<Answer> {
        self.send("PUT", path, &[], &[], body)
    }

    pub fn put_new(&self, path: &str, body: &str) -> io::Result<Answer> {
        self.send("PUT", path, &[], &[("if-none-match", "*")], body)
    }

    /// Requests one page; the parameters must be in the order of their names.
    pub fn list(&self, bucket: &str, query: &[(&str, &str)]) -> io::Result<Answer> {
        let mut query = query.to_vec();
        query.push(("list-type", "2"));
        query.sort_unstable();
        self.send("GET", bucket, &query, &[], "")
    }

    /// Signs and sends a request; the path is `bucket/key`, not encoded.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<Answer> {
        let path = format!("/{}", utf8_percent_encode(path, PATH));
        let encode = |text| utf8_percent_encode(text, QUERY).to_string();
        let query: Vec<_> = query.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let query = query.join("&");
        let at = amz_date();
        let mut signed: BTreeMap<&str, &str> = headers.iter().copied().collect();
        signed.extend([
            ("host", self.host.as_str()),
            ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
            ("x-amz-date", &at),
        ]);
        let authorization = self.sign(method, &path, &query, &signed, &at);
        let mut request = format!("{method} {path}?{query} HTTP/1.1\r\nconnection: close\r\n");
        for (name, value) in &signed {
            request += &format!("{name}: {value}\r\n");
        }
        request += &format!("authorization: {authorization}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        exchange(&self.host, &request)
    }

    fn sign(&self, method: &str, path: &str, query: &str, headers: &BTreeMap<&str, &str>, at: &str) -> String {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let names: Vec<_> = headers.keys().copied().collect();
        let names = names.join(";");
        let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\nUNSIGNED-PAYLOAD");
        let day = &at[..8];
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let to_sign = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let first = format!("AWS4{}", self.secret_key).into_bytes();
        let key = [day, self.region, "s3", "aws4_request"].iter().fold(first, |key, part| mac(&key, part));
        let signature = hex(&mac(&key, &to_sign));
        format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", self.access_key)
    }
}

/// Sends text and reads until the server closes; after an early close the body is shorter than its length.
pub fn exchange(host: &str, request: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(host)?;
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let headers =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_owned(), value.to_owned()));
    Ok(Answer { status: status.ok_or(io::ErrorKind::InvalidData)?, headers: headers.collect(), body: body.to_owned() })
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the current time as `YYYYMMDDTHHMMSSZ`, with Howard Hinnant's `civil_from_days`.
fn amz_date() -> String {
    let seconds = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", rest / 3_600, rest / 60 % 60, rest % 60)
}
