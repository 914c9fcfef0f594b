//! A relay in front of a real MySQL or MariaDB. It responds to some statements like a proxy, delays the greeting like a
//! paused server, or sends a statement first like a server with other defaults. Also a server that only greets.
//!
//! It reads the client's packets, so connections through it must not use TLS (`ssl-mode=DISABLED`).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::tcp::TcpServer;

/// Changes that a relay makes.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Wait before the server's greeting is passed on.
    pub delay: Duration,
    /// Error code and message for LOAD DATA, as ProxySQL's 1047.
    pub load_data: Option<(u16, &'static str)>,
    /// Statement that each new session runs before the client's first one.
    pub first: Option<String>,
    /// Version that the server reports, of at most 7 characters. Like MySQL 5.6 it then has no `generation_expression`.
    pub version: Option<&'static str>,
}

/// A running relay.
#[derive(Debug)]
pub struct MySqlRelay {
    server: TcpServer,
    refused: Arc<AtomicU64>,
}

impl MySqlRelay {
    /// Starts in front of the server of a URL.
    pub fn start(url: &str, changes: Changes) -> Self {
        Self::at(([127, 0, 0, 1], 0).into(), url, changes).expect("a free port on 127.0.0.1")
    }

    /// Starts at an address; fails if this machine does not have it.
    pub fn at(address: SocketAddr, url: &str, changes: Changes) -> io::Result<Self> {
        let url = url::Url::parse(url).expect("the URL of a test server");
        let target = format!("{}:{}", url.host_str().unwrap_or("127.0.0.1"), url.port().unwrap_or(3306));
        let refused = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&refused);
        let server = TcpServer::at(address, move |client| {
            let (target, changes, refused) = (target.clone(), changes.clone(), Arc::clone(&counter));
            async move { relay(client, &target, &changes, &refused).await }
        })?;
        Ok(Self { server, refused })
    }

    /// Returns a URL with this relay's port, without TLS.
    pub fn url(&self, url: &str) -> String {
        let mut url = url::Url::parse(url).expect("the URL of a test server");
        url.set_port(Some(self.server.port())).expect("a URL with a host");
        url.set_query(Some("ssl-mode=DISABLED"));
        url.into()
    }

    /// Returns the port number.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Returns the number of statements that the relay answered with an error.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::SeqCst)
    }
}

async fn relay(client: TcpStream, target: &str, changes: &Changes, refused: &AtomicU64) -> io::Result<()> {
    let server = TcpStream::connect(target).await?;
    tokio::time::sleep(changes.delay).await;
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    // The login, up to the server's OK.
    loop {
        let packet = read(&mut from_server).await?;
        to_client.write_all(&packet).await?;
        if packet.get(4) == Some(&0) && packet[3] > 1 || packet.get(4) == Some(&0xff) {
            break;
        }
        // More data of the method (0x01) needs no answer if it reports success (0x03).
        if packet.get(4) != Some(&1) || packet.get(5) != Some(&3) {
            to_server.write_all(&read(&mut from_client).await?).await?;
        }
    }
    if let Some(first) = &changes.first {
        to_server.write_all(&query(first)).await?;
        read(&mut from_server).await?;
    }
    // Responses of this relay and of the server alternate: a client sends one statement at a time.
    let (own, mut answers) = tokio::sync::mpsc::unbounded_channel::<Vec<u8>>();
    let up = statements(&mut from_client, &mut to_server, changes, refused, &own);
    let down = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            tokio::select! {
                read = from_server.read(&mut buffer) => match read? {
                    0 => return io::Result::Ok(()),
                    length => to_client.write_all(&buffer[..length]).await?,
                },
                Some(answer) = answers.recv() => to_client.write_all(&answer).await?,
            }
        }
    };
    tokio::select! { ended = up => ended, ended = down => ended }
}

/// Passes the client's packets on, except those that the relay answers.
async fn statements(
    from_client: &mut OwnedReadHalf,
    to_server: &mut OwnedWriteHalf,
    changes: &Changes,
    refused: &AtomicU64,
    own: &tokio::sync::mpsc::UnboundedSender<Vec<u8>>,
) -> io::Result<()> {
    loop {
        let packet = read(from_client).await?;
        let statement = packet.get(5..).filter(|_| packet[3] == 0 && packet.get(4) == Some(&3)).unwrap_or_default();
        let answer = match (changes.load_data, changes.version) {
            (Some(answer), _) if statement.starts_with(b"LOAD DATA") => Some(answer),
            (_, Some(_)) if find(&packet, b"generation_expression").is_some() => {
                Some((1054, "Unknown column 'generation_expression' in 'field list'"))
            }
            _ => None,
        };
        match answer {
            Some((code, message)) => {
                refused.fetch_add(1, Ordering::SeqCst);
                let _ = own.send(error(1, code, message));
            }
            None => to_server.write_all(&with_version(packet, changes.version)).await?,
        }
    }
}

/// Replaces `VERSION()` in a statement with a version as text, in the same number of bytes.
fn with_version(mut packet: Vec<u8>, version: Option<&str>) -> Vec<u8> {
    const CALL: &[u8] = b"VERSION()";
    if let Some((version, at)) = version.zip(find(&packet, CALL)) {
        let text = format!("{:width$}", format!("'{version}'"), width = CALL.len());
        assert_eq!(text.len(), CALL.len(), "a version of at most 7 characters");
        packet[at..at + CALL.len()].copy_from_slice(text.as_bytes());
    }
    packet
}

fn find(packet: &[u8], text: &[u8]) -> Option<usize> {
    packet.windows(text.len()).position(|bytes| bytes == text)
}

/// Reads one packet with its header.
async fn read(from: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let mut packet = vec![0; 4];
    from.read_exact(&mut packet).await?;
    let length = usize::from(packet[0]) | usize::from(packet[1]) << 8 | usize::from(packet[2]) << 16;
    packet.resize(4 + length, 0);
    from.read_exact(&mut packet[4..]).await?;
    Ok(packet)
}

fn packet(number: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or_default().to_le_bytes();
    [&length[..3], &[number], payload].concat()
}

fn query(sql: &str) -> Vec<u8> {
    packet(0, &[&[3], sql.as_bytes()].concat())
}

fn error(number: u8, code: u16, message: &str) -> Vec<u8> {
    packet(number, &[&[0xff], &code.to_le_bytes()[..], b"#42000", message.as_bytes()].concat())
}

/// A server that greets, and then requires a login with a plugin that drivers do not have.
#[derive(Debug)]
pub struct Greeter {
    server: TcpServer,
    connections: Arc<AtomicU64>,
}

impl Greeter {
    pub fn start(plugin: &'static str) -> Self {
        let connections = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&connections);
        let server = TcpServer::start(move |stream| {
            count.fetch_add(1, Ordering::SeqCst);
            greet(stream, plugin)
        });
        Self { server, connections }
    }

    /// Returns the port number.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Returns the number of connections so far.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn greet(stream: TcpStream, plugin: &str) -> io::Result<()> {
    // Protocol 10: version, thread, nonce, capabilities (protocol 4.1, secure connection, plugin authentication).
    let mut greeting = vec![10];
    greeting.extend_from_slice(b"8.4.3\0\x01\0\0\0aaaaaaaa\0");
    greeting.extend_from_slice(&0x8208_u16.to_le_bytes());
    greeting.extend_from_slice(&[45, 2, 0]);
    greeting.extend_from_slice(&0x0008_u16.to_le_bytes());
    greeting.extend_from_slice(&[21]);
    greeting.extend_from_slice(&[0; 10]);
    greeting.extend_from_slice(b"bbbbbbbbbbbb\0mysql_native_password\0");
    let (mut from, mut to) = stream.into_split();
    to.write_all(&packet(0, &greeting)).await?;
    read(&mut from).await?;
    to.write_all(&packet(2, &[&[0xfe], plugin.as_bytes(), b"\0nonce\0"].concat())).await?;
    read(&mut from).await.map(drop)
}
