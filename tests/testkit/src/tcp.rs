//! A TCP server for a test, with a function per connection.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// A port on 127.0.0.1 that runs a function for each connection; dropping it stops the server and its connections.
#[derive(Debug)]
pub struct TcpServer {
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl TcpServer {
    /// Starts on a free port.
    pub fn start<F, Fut>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<()>> + Send + 'static,
    {
        Self::at((Ipv4Addr::LOCALHOST, 0).into(), serve).expect("a free port on 127.0.0.1")
    }

    /// Starts at an address; fails if it is taken or does not exist on this machine.
    pub fn at<F, Fut>(address: SocketAddr, serve: F) -> io::Result<Self>
    where
        F: Fn(TcpStream) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<()>> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let socket = std::net::TcpListener::bind(address)?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        runtime.spawn(async move {
            let socket = TcpListener::from_std(socket).expect("a nonblocking socket inside the runtime");
            let serve = Arc::new(serve);
            while let Ok((stream, _)) = socket.accept().await {
                let serve = Arc::clone(&serve);
                // The client reports a broken connection.
                tokio::spawn(async move { drop(serve(stream).await) });
            }
        });
        Ok(Self { address, runtime: Some(runtime) })
    }

    /// Returns the port number.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns host and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for TcpServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
