//! A forward proxy: `CONNECT` tunnels and requests in absolute form, with an optional login. Host names that only the
//! proxy can resolve show that a request went through it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;

use crate::tcp::TcpServer;

/// State of a proxy.
#[derive(Debug, Default)]
struct State {
    /// Address of each `host:port`.
    targets: BTreeMap<String, String>,
    /// Required value of `Proxy-Authorization`.
    login: Option<String>,
    seen: Mutex<Vec<String>>,
}

/// A running proxy.
#[derive(Debug)]
pub struct ForwardProxy {
    server: TcpServer,
    state: Arc<State>,
}

impl ForwardProxy {
    /// Starts a proxy that reaches these `host:port` at these addresses, and loopback addresses directly.
    pub fn start(targets: &[(&str, String)]) -> Self {
        Self::with_login(targets, None)
    }

    /// Starts a proxy that requires a user and a password.
    pub fn with_login(targets: &[(&str, String)], login: Option<(&str, &str)>) -> Self {
        let login = login.map(|(user, password)| {
            let plain = format!("{user}:{password}");
            format!("Basic {}", base64_simd::STANDARD.encode_to_string(plain.as_bytes()))
        });
        let targets = targets.iter().map(|(name, address)| ((*name).to_owned(), address.clone())).collect();
        let state = Arc::new(State { targets, login, seen: Mutex::default() });
        let shared = Arc::clone(&state);
        let server = TcpServer::start(move |stream| serve(stream, Arc::clone(&shared)));
        Self { server, state }
    }

    /// Returns `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Returns the URL with a login.
    pub fn url_with(&self, login: &str) -> String {
        format!("http://{login}@{}", self.server.address())
    }

    /// Returns the method and target of each request so far, such as `CONNECT s3.example:443` or `GET
    /// http://s3.example/key`.
    pub fn seen(&self) -> Vec<String> {
        self.state.seen.lock().expect("no test panics while it holds this").clone()
    }
}

async fn serve(mut client: TcpStream, state: Arc<State>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut buffer = [0; 8192];
        match client.read(&mut buffer).await? {
            0 => return Ok(()),
            length => head.extend_from_slice(&buffer[..length]),
        }
    }
    let end = head.windows(4).position(|end| end == b"\r\n\r\n").unwrap_or_default() + 4;
    let (head, rest) = head.split_at(end);
    let text = String::from_utf8_lossy(head).into_owned();
    let mut lines = text.lines();
    let mut request = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (request.next().unwrap_or_default(), request.next().unwrap_or_default());
    state.seen.lock().expect("no test panics while it holds this").push(format!("{method} {target}"));
    let header = |name: &str| {
        let of = |line: &str| line.split_once(": ").map(|(known, value)| (known.to_owned(), value.to_owned()));
        text.lines().filter_map(of).find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    if state.login.is_some() && header("proxy-authorization") != state.login {
        let answer =
            b"HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n";
        return client.write_all(answer).await;
    }
    let (place, path) = match target.strip_prefix("http://") {
        Some(rest) => rest.split_once('/').map_or((rest, String::new()), |(place, path)| (place, path.to_owned())),
        None => (target, String::new()),
    };
    let place = if place.contains(':') { place.to_owned() } else { format!("{place}:80") };
    let known = state.targets.get(&place).cloned();
    let Some(address) = known.or_else(|| place.starts_with("127.").then(|| place.clone())) else {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await;
    };
    let mut server = TcpStream::connect(address).await?;
    if method == "CONNECT" {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    } else {
        let headers = lines.filter(|line| !line.to_ascii_lowercase().starts_with("proxy-"));
        let headers: Vec<&str> = headers.filter(|line| !line.is_empty()).collect();
        // One request per connection, so that each is recorded.
        let forwarded = format!("{method} /{path} HTTP/1.1\r\n{}\r\nconnection: close\r\n\r\n", headers.join("\r\n"));
        server.write_all(forwarded.as_bytes()).await?;
    }
    server.write_all(rest).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}
