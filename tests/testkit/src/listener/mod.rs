//! A listener on 127.0.0.1 with its own threads, for both test servers: binding, accepting, serving HTTP/1 and stopping.
//!
//! The server chooses the responses ([`Respond`]); [`Clock`] is for its latencies, [`Resetter`] for the connections
//! that it drops.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

mod clock;
mod resettable_socket;

pub(crate) use clock::Clock;
pub(crate) use resettable_socket::Resetter;
use resettable_socket::Socket;

/// A server's handling of connections and requests.
pub(crate) trait Respond: Send + Sync + 'static {
    /// The body of a response.
    type Body: http_body::Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static;

    /// Handles a new connection; called once per connection.
    fn connected(&self) {}

    /// Responds to one request, or drops its connection.
    fn respond(
        &self,
        request: Request<Incoming>,
        resetter: Resetter,
    ) -> impl Future<Output = Result<Response<Self::Body>, Dropped>> + Send;
}

/// The connection must end without a response.
#[derive(Debug)]
pub(crate) struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

/// A bound port that does not accept connections yet.
#[derive(Debug)]
pub(crate) struct Port {
    socket: TcpListener,
    address: SocketAddr,
}

impl Port {
    /// Binds a port on 127.0.0.1; 0 selects a free one.
    ///
    /// # Errors
    /// Returns an error if the port is in use.
    pub fn bind(port: u16) -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// Returns `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves on a number of threads; 0 means one per core.
    ///
    /// # Errors
    /// Returns an error if the threads cannot be started.
    pub fn serve<R: Respond>(self, threads: usize, name: &str, server: Arc<R>) -> io::Result<Listener> {
        let Self { socket, address } = self;
        let mut builder = Builder::new_multi_thread();
        if threads > 0 {
            builder.worker_threads(threads);
        }
        let runtime = builder.enable_all().thread_name(name).build()?;
        let (stop, stopping) = oneshot::channel();
        let (stopped, wait) = mpsc::channel();
        runtime.spawn(async move {
            tokio::select! {
                () = accept(socket, server) => {}
                _ = stopping => {}
            }
            // The socket is closed now; the receiver may be gone.
            let _ = stopped.send(());
        });
        Ok(Listener { address, runtime: Some(runtime), stop: Some((stop, wait)) })
    }
}

/// A port that is served; dropping it stops the server, closes its connections and frees the port.
///
/// It has its own threads, so it serves async tests and tests that block on a child process alike.
#[derive(Debug)]
pub(crate) struct Listener {
    address: SocketAddr,
    runtime: Option<Runtime>,
    stop: Option<(oneshot::Sender<()>, mpsc::Receiver<()>)>,
}

impl Listener {
    /// Returns `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the port number.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The runtime that serves; `None` while it is dropped.
    pub fn runtime(&self) -> Option<&Runtime> {
        self.runtime.as_ref()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some((stop, stopped)) = self.stop.take() {
            // Waits until the port is free, so that a test can start again on it; a stuck runtime must not block the test.
            let _ = stop.send(());
            let _ = stopped.recv_timeout(Duration::from_secs(2));
        }
        if let Some(runtime) = self.runtime.take() {
            // Other ways to end a runtime block, which panics if a test drops the server inside another runtime.
            runtime.shutdown_background();
        }
    }
}

/// Returns the environment with which a child process reaches only an endpoint, with this key pair.
pub(crate) fn aws_env(endpoint: String, key: &str, secret: &str, region: &str) -> [(&'static str, String); 7] {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", key.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", secret.to_owned()),
        ("AWS_REGION", region.to_owned()),
        // No profile of the user who runs the tests, and no wait for a metadata service.
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
    ]
}

async fn accept<R: Respond>(socket: TcpListener, server: Arc<R>) {
    let socket = tokio::net::TcpListener::from_std(socket).expect("a nonblocking socket inside the runtime");
    loop {
        match socket.accept().await {
            Ok((stream, _)) => {
                server.connected();
                tokio::spawn(serve(Socket::new(stream), Arc::clone(&server)));
            }
            // Most likely out of file descriptors, which passes when connections close.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn serve<R: Respond>(socket: Socket, server: Arc<R>) {
    let resetter = socket.resetter();
    let respond = service_fn(move |request| {
        let (server, resetter) = (Arc::clone(&server), resetter.clone());
        async move { server.respond(request, resetter).await }
    });
    // An error here is a client that left or a fault that was requested.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), respond).await;
}
