//! HTTP server: accepts connections within limits, and serves HTTP/1 requests on each.
//!
//! A connection that sends nothing, or sends slowly, is closed by [`super::connections`]. If the process has no file
//! descriptor left, a silent connection is closed to free one, and accepting continues after a pause.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::connections::{Connection, Connections, Phase};
use super::handler::Handler;
use super::warnings::{Warning, Warnings};

/// Maximum size of a request head in bytes; those of SNS have fewer than 2,000.
const HEAD_BYTES: usize = 16 * 1024;

/// Interval between two searches for overdue connections.
const SWEEP: Duration = Duration::from_millis(250);

/// Pause while every connection has a complete request.
const FULL_PAUSE: Duration = Duration::from_millis(10);

/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Server of an endpoint.
#[derive(Debug)]
pub(super) struct Server {
    pub listener: TcpListener,
    pub handler: Arc<Handler>,
    pub connections: Arc<Connections>,
    pub warnings: Arc<Warnings>,
    /// Becomes true when no more connections are to be accepted, and each open one is to end with its request.
    pub stop: watch::Receiver<bool>,
}

impl Server {
    /// Accepts connections until `stop` is set.
    pub(super) async fn run(self) {
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut stop = self.stop.clone();
        loop {
            tokio::select! {
                () = stopped(&mut stop) => return,
                _ = sweep.tick() => self.connections.close_overdue(Instant::now()),
                // Other connections wait in the kernel's queue instead of being rejected.
                () = tokio::time::sleep(FULL_PAUSE), if !self.connections.has_space() => {}
                accepted = self.listener.accept(), if self.connections.has_space() => match accepted {
                    Ok((stream, _)) => {
                        self.begin(stream);
                        tokio::task::yield_now().await; // so that it can show its request before others are accepted
                    }
                    Err(e) if is_of_the_client(&e) => {}
                    Err(e) => self.recover(&e).await,
                }
            }
        }
    }

    fn begin(&self, stream: TcpStream) {
        let before = self.connections.closed();
        let connection = self.connections.open(Instant::now());
        if connection.is_none() || self.connections.closed() > before {
            let text = || "too many connections: those without a complete request are closed, oldest first".to_owned();
            self.warnings.log(Warning::Connections, text);
        }
        // Without a place for it, it is closed at once: every other connection has a complete request.
        let Some(connection) = connection else { return };
        if has_data(&stream) {
            connection.enter(Phase::Starting);
        }
        tokio::spawn(serve(stream, Arc::clone(&self.handler), Arc::new(connection), self.stop.clone()));
    }

    /// Frees a file descriptor, which is usually what is missing, and pauses.
    async fn recover(&self, e: &io::Error) {
        self.warnings.log(Warning::Accept, || format!("cannot accept a connection: {e}"));
        self.connections.close_oldest();
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// Returns true if something has arrived already, as with a genuine request that waited for its turn to be accepted. Reads
/// the kernel's state, because the runtime has not registered the new connection yet.
#[cfg(unix)]
fn has_data(stream: &TcpStream) -> bool {
    use rustix::net::{RecvFlags, recv};
    recv(stream, &mut [0_u8][..], RecvFlags::PEEK | RecvFlags::DONTWAIT).is_ok_and(|(count, _)| count > 0)
}

#[cfg(not(unix))]
fn has_data(_: &TcpStream) -> bool {
    false
}

/// Returns when the endpoint is about to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await; // without a sender, the endpoint has ended
}

/// Returns true if the connection failed, not the server.
fn is_of_the_client(e: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(e.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Serves the requests of a connection until its end, or until it must be closed.
async fn serve(stream: TcpStream, handler: Arc<Handler>, connection: Arc<Connection>, mut stop: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true); // only faster
    let mut first = [0];
    tokio::select! {
        first = stream.peek(&mut first) => match first {
            Ok(1..) => connection.enter(Phase::Starting),
            Ok(0) | Err(_) => return,
        },
        () = connection.closed() => return,
        () = stopped(&mut stop) => return,
    }
    let of_requests = Arc::clone(&connection);
    let service = service_fn(move |request: Request<Incoming>| {
        let (handler, connection) = (Arc::clone(&handler), Arc::clone(&of_requests));
        async move { Ok::<Response<Full<Bytes>>, Infallible>(handler.answer(&connection, request).await.into()) }
    });
    let serving = http1::Builder::new().max_buf_size(HEAD_BYTES).serve_connection(TokioIo::new(stream), service);
    let (mut serving, mut stopping) = (std::pin::pin!(serving), false);
    loop {
        tokio::select! {
            ended = serving.as_mut() => {
                if let Err(e) = ended {
                    tracing::debug!("a connection ended: {e}");
                }
                return;
            }
            () = connection.closed() => return,
            () = stopped(&mut stop), if !stopping => {
                stopping = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}
